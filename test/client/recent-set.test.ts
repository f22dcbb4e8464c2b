import { expect, test } from 'vitest';
import { RecentSet } from '../../src/client/recent-set.ts';

const subscriber = { group: 'g', topic: 't' };

test('knows what was added, at least the newest of it, and never twice as many', () => {
  const countMin = 32_768;
  const acked = new RecentSet(countMin);
  const has = (text: string): boolean => acked.has(subscriber, text);
  expect(has('1')).toBe(false);
  for (let number = 0; number < 2 * countMin - 1; number += 1) acked.add(subscriber, String(number));
  expect([has('0'), has(String(2 * countMin - 2))]).toEqual([true, true]);
  acked.add(subscriber, 'last');
  expect([has('0'), has(String(countMin)), has('last')]).toEqual([false, true, true]);
});

test('tells subscribers apart, and has one bound for all of them; what is added again counts once', () => {
  const acked = new RecentSet(2);
  const others = [
    { group: 'g', topic: 'u' },
    { group: 'h', topic: 't' },
  ];
  acked.add(subscriber, '1');
  acked.add(subscriber, '1');
  expect(others.map((other) => acked.has(other, '1'))).toEqual([false, false]);
  for (const other of others) acked.add(other, '2');
  expect(acked.has(subscriber, '1')).toBe(true);
  acked.add(subscriber, '3');
  expect([acked.has(subscriber, '1'), acked.has(subscriber, '3')]).toEqual([false, true]);
});
