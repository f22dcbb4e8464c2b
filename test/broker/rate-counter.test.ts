import { expect, test } from 'vitest';
import { RateCounter } from '../../src/broker/rate-counter.ts';

test('counts what lies within its slots, and the mean of that time', () => {
  const counter = new RateCounter(10, 1_000);
  expect(counter.read(5_000)).toEqual({ count: 0, perSecond: 0 });
  counter.add(3, 20_000);
  counter.add(4, 20_999);
  counter.add(13, 24_500);
  expect(counter.read(29_999)).toEqual({ count: 20, perSecond: 2 });
  // The slot from 20,000 is over, a new one has begun.
  expect(counter.read(30_000).count).toBe(13);
  counter.add(1, 30_500);
  expect(counter.read(30_500).count).toBe(14);
  expect(counter.read(34_000).count).toBe(1);
  expect(counter.read(41_000)).toEqual({ count: 0, perSecond: 0 });
});

test('leaves out what a clock that was set back has not reached yet', () => {
  const counter = new RateCounter(4, 1_000);
  counter.add(5, 10_000);
  expect(counter.read(8_000).count).toBe(0);
  counter.add(1, 8_000);
  expect(counter.read(8_000).count).toBe(1);
  expect(counter.read(10_000).count).toBe(6);
});
