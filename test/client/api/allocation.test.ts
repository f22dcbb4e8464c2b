import { expect, test } from 'vitest';
import { checkStrategy, consistentHashAllocation } from '../../../src/client/api/allocation.ts';
import { averageAllocation } from '../../../src/client/pull/allocation.ts';

const refused = expect.objectContaining({ name: 'RocketMQError', code: 'INVALID_ARGUMENT' });

test('the number of virtual nodes has bounds', () => {
  expect([consistentHashAllocation(), consistentHashAllocation(10_000)].map(({ name }) => name)).toEqual([
    'CONSISTENT_HASH',
    'CONSISTENT_HASH',
  ]);
  for (const count of [0, 1.5, 10_001]) expect(() => consistentHashAllocation(count)).toThrow(refused);
});

test('a strategy has a name and shares out', () => {
  expect(checkStrategy(averageAllocation)).toBe(averageAllocation);
  expect(checkStrategy(undefined)).toBeUndefined();
  for (const text of ['"AVG"', '{"name":"AVG"}', 'null'])
    expect(() => checkStrategy(JSON.parse(text))).toThrow(refused);
});
