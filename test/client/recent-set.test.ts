import { expect, test } from 'vitest';
import { RecentSet } from '../../src/client/recent-set.ts';

test('knows what was added, at least the newest of it, and never twice as many', () => {
  const countMin = 32_768;
  const acked = new RecentSet(countMin);
  expect(acked.has('1')).toBe(false);
  for (let number = 0; number < 2 * countMin - 1; number += 1) acked.add(String(number));
  expect([acked.has('0'), acked.has(String(2 * countMin - 2))]).toEqual([true, true]);
  acked.add('last');
  expect([acked.has('0'), acked.has(String(countMin)), acked.has('last')]).toEqual([false, true, true]);
});
