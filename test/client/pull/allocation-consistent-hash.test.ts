import fc from 'fast-check';
import { expect, test } from 'vitest';
import { consistentHashAllocation, virtualNodeCountMax } from '../../../src/client/pull/allocation-consistent-hash.ts';
import { anySharing } from '../../support/allocation-properties.ts';
import { javaSharings, sharesOf } from '../../support/allocation-table.ts';

test.each([1, 10, 100])('CONSISTENT_HASH with %i places for each member gives what the Java client gives', (count) => {
  const sharings = javaSharings(`CONSISTENT_HASH ${count}`);
  expect(sharings).toHaveLength(42);
  for (const sharing of sharings) expect(sharesOf(consistentHashAllocation(count), sharing)).toEqual(sharing.shares);
});

test('a member that comes takes queues, and moves none between the others', () => {
  fc.assert(
    fc.property(anySharing, (sharing) => {
      const strategy = consistentHashAllocation();
      const before = sharesOf(strategy, sharing);
      const after = sharesOf(strategy, { ...sharing, clientIds: [...sharing.clientIds, 'a newcomer'] });
      for (const [index, share] of before.entries()) expect(share).toEqual(expect.arrayContaining(after[index] ?? []));
    }),
  );
});

test.each([0, -1, 1.5, Number.NaN, virtualNodeCountMax + 1])('there are no %d places on the ring', (count) => {
  expect(() => consistentHashAllocation(count)).toThrow(RangeError);
});

test('there may be as many places as allowed', () => {
  const queues = [{ topic: 't', brokerName: 'b', queueId: 0 }];
  expect(sharesOf(consistentHashAllocation(virtualNodeCountMax), { queues, clientIds: ['me'] })).toEqual([['b:0']]);
});
