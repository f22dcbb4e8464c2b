import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DeliveryNumbers, rememberedMax } from '../../../src/client/pull/delivery-numbers.ts';

test('numbers go up from 1; two clients have two marks', () => {
  const numbers = new DeliveryNumbers();
  expect([numbers.next(), numbers.next()]).toEqual([1, 2]);
  expect(numbers.clientMark).toMatch(/^[a-z0-9]{1,64}$/);
  expect(new DeliveryNumbers().clientMark).not.toBe(numbers.clientMark);
});

test('knows acks of the newest deliveries, of no others', () => {
  const numbers = new DeliveryNumbers();
  for (let count = 0; count < rememberedMax; count += 1) numbers.acknowledged(numbers.next());
  expect([numbers.isAcknowledged(1), numbers.isAcknowledged(rememberedMax)]).toEqual([true, true]);
  const next = numbers.next();
  expect([1, 2, next].map((number) => numbers.isAcknowledged(number))).toEqual([false, true, false]);
  numbers.acknowledged(1);
  expect([1, next].map((number) => numbers.isAcknowledged(number))).toEqual([false, false]);
});

test('numbers that were never given are acknowledged by nobody', () => {
  const numbers = new DeliveryNumbers();
  numbers.acknowledged(numbers.next());
  for (const number of [0, -1, 2, Number.MAX_SAFE_INTEGER]) {
    numbers.acknowledged(number);
    expect(numbers.isAcknowledged(number)).toBe(false);
  }
});

test('whatever is acknowledged in whatever order is what is known', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40 })), (acked) => {
      const numbers = new DeliveryNumbers();
      for (let count = 0; count < 40; count += 1) numbers.next();
      for (const number of acked) numbers.acknowledged(number);
      for (let number = 1; number <= 40; number += 1)
        expect(numbers.isAcknowledged(number)).toBe(acked.includes(number));
    }),
  );
});
