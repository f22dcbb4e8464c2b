import { expect, test } from 'vitest';
import { averageAllocation, averageByCircleAllocation } from '../../../src/client/pull/allocation.ts';
import {
  machineRoomAllocation,
  machineRoomNearbyAllocation,
} from '../../../src/client/pull/allocation-machine-room.ts';
import type { MessageQueue } from '../../../src/remoting/message.ts';
import { javaSharings, sharesOf } from '../../support/allocation-table.ts';

const roomOf = (text: string): string => text.split('@')[0] ?? '';
const rooms = { roomOfQueue: ({ brokerName }: MessageQueue) => roomOf(brokerName), roomOfClient: roomOf };
const nearby = [averageAllocation, averageByCircleAllocation].map((strategy) =>
  machineRoomNearbyAllocation(strategy, rooms),
);

test.each([machineRoomAllocation(['east', 'west']), ...nearby])(
  '$name gives what the Java client gives',
  (strategy) => {
    const sharings = javaSharings(strategy.name);
    expect(sharings).toHaveLength(42);
    for (const sharing of sharings) {
      // In which order a member gets its queues means nothing.
      const sorted = (shares: readonly (readonly string[])[]) => shares.map((share) => share.toSorted());
      expect(sorted(sharesOf(strategy, sharing))).toEqual(sorted(sharing.shares));
    }
  },
);

function queuesAt(...brokerNames: string[]): MessageQueue[] {
  return brokerNames.map((brokerName) => ({ topic: 't', brokerName, queueId: 0 }));
}

test('MACHINE_ROOM shares queues of brokers that name one of its rooms, and has nothing for strangers', () => {
  const queues = queuesAt('east@a', 'east', 'east@', 'east@a@b', 'east@a@', 'west@a', '@a');
  const strategy = machineRoomAllocation(['east']);
  expect(sharesOf(strategy, { queues, clientIds: ['me'] })).toEqual([['east@a:0', 'east@a@:0']]);
  expect(strategy.allocate({ group: 'g', clientId: 'me', clientIds: ['you'], queues })).toEqual([]);
});

test('MACHINE_ROOM_NEARBY gives queues to their room, and those of empty rooms to all', () => {
  const queues = queuesAt('east@a', 'east@b', 'north@a', 'north@b', 'west@a');
  expect(
    sharesOf(machineRoomNearbyAllocation(averageAllocation, rooms), { queues, clientIds: ['east@1', 'west@1'] }),
  ).toEqual([
    ['east@a:0', 'east@b:0', 'north@a:0'],
    ['north@b:0', 'west@a:0'],
  ]);
});

test.each([
  ['queue', queuesAt('@a'), ['east@1']],
  ['member', queuesAt('east@a'), ['@1']],
])('MACHINE_ROOM_NEARBY does not guess where a %s is', (_, queues, clientIds) => {
  const strategy = machineRoomNearbyAllocation(averageAllocation, rooms);
  expect(() => sharesOf(strategy, { queues, clientIds })).toThrow('is in no machine room');
});
