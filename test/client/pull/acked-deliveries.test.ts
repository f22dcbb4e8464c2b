import { expect, test } from 'vitest';
import { AckedDeliveries, acksMin } from '../../../src/client/pull/acked-deliveries.ts';

test('knows what was acknowledged, at least the newest of it, and never twice as many', () => {
  const acked = new AckedDeliveries();
  expect(acked.has('1')).toBe(false);
  for (let number = 0; number < 2 * acksMin - 1; number += 1) acked.add(String(number));
  expect([acked.has('0'), acked.has(String(2 * acksMin - 2))]).toEqual([true, true]);
  acked.add('last');
  expect([acked.has('0'), acked.has(String(acksMin)), acked.has('last')]).toEqual([false, true, true]);
});
