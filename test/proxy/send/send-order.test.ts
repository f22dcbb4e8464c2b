import { expect, test } from 'vitest';
import { SendOrder } from '../../../src/proxy/send/send-order.ts';

test('one comes after the other, by key, and nothing is remembered in the end', async () => {
  const order = new SendOrder();
  const [first, second, other, third] = ['a', 'a', 'b', 'a'].map((key) => order.claim(key));
  expect(order.keyCount).toBe(2);
  const seen: string[] = [];
  const watched = [first, second, other, third].map((turn, index) => turn?.before.then(() => seen.push(String(index))));
  await Promise.all([watched[0], watched[2]]);
  expect(seen).toEqual(['0', '2']);
  // One that ends before its turn lets nobody pass.
  second?.end();
  other?.end();
  await new Promise(setImmediate);
  expect(seen).toEqual(['0', '2']);
  first?.end();
  await Promise.all(watched);
  expect(seen).toEqual(['0', '2', '1', '3']);
  expect(order.keyCount).toBe(1);
  third?.end();
  const last = order.claim('a');
  await last.before;
  last.end();
  await expect.poll(() => order.keyCount).toBe(0);
});
