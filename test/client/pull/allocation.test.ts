import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  allocatedQueues,
  averageAllocation,
  averageByCircleAllocation,
  configuredAllocation,
} from '../../../src/client/pull/allocation.ts';
import { consistentHashAllocation } from '../../../src/client/pull/allocation-consistent-hash.ts';
import { machineRoomNearbyAllocation } from '../../../src/client/pull/allocation-machine-room.ts';
import { anySharing, anyShuffledSharing } from '../../support/allocation-properties.ts';
import { javaSharings, sharesOf } from '../../support/allocation-table.ts';

const rooms = { roomOfQueue: () => 'here', roomOfClient: (clientId: string) => (clientId < 'm' ? 'here' : 'there') };

/** Strategies that leave no queue to nobody. */
const fullStrategies = [
  averageAllocation,
  averageByCircleAllocation,
  consistentHashAllocation(),
  machineRoomNearbyAllocation(averageAllocation, rooms),
];

describe.each(fullStrategies)('$name', (strategy) => {
  test('gives each queue to exactly one member', () => {
    fc.assert(
      fc.property(anySharing, (sharing) => {
        const given = sharesOf(strategy, sharing).flat();
        expect(given.sort()).toEqual(
          sharing.queues.map(({ brokerName, queueId }) => `${brokerName}:${queueId}`).sort(),
        );
      }),
    );
  });

  test('gives the same in whatever order queues and members come', () => {
    fc.assert(
      fc.property(anyShuffledSharing, ({ sharing, shuffledQueues, shuffledIds }) => {
        for (const clientId of sharing.clientIds) {
          const given = allocatedQueues(strategy, { group: 'g', clientId, ...sharing });
          const shuffled = { group: 'g', clientId, queues: shuffledQueues, clientIds: shuffledIds };
          expect(allocatedQueues(strategy, shuffled)).toEqual(given);
        }
      }),
    );
  });

  test('gives nothing to who is no member', () => {
    fc.assert(
      fc.property(anySharing, (sharing) => {
        expect(allocatedQueues(strategy, { group: 'g', clientId: 'a stranger', ...sharing })).toEqual([]);
      }),
    );
  });
});

describe.each([averageAllocation, averageByCircleAllocation])('$name', (strategy) => {
  test('gives shares that differ by one at most, the larger ones first', () => {
    fc.assert(
      fc.property(anySharing, (sharing) => {
        const clientIds = sharing.clientIds.toSorted();
        const sizes = sharesOf(strategy, { ...sharing, clientIds }).map(({ length }) => length);
        expect(sizes).toEqual(sizes.toSorted((one, other) => other - one));
        expect((sizes[0] ?? 0) - (sizes.at(-1) ?? 0)).toBeLessThanOrEqual(1);
      }),
    );
  });

  test('gives what the Java client gives', () => {
    const sharings = javaSharings(strategy.name);
    expect(sharings).toHaveLength(42);
    for (const sharing of sharings) expect(sharesOf(strategy, sharing)).toEqual(sharing.shares);
  });
});

const queues = Array.from({ length: 5 }, (_, queueId) => ({ topic: 't', brokerName: 'a', queueId }));

test('AVG gives neighbours, AVG_BY_CIRCLE takes turns', () => {
  const clientIds = ['c2', 'c0', 'c1'];
  expect(sharesOf(averageAllocation, { queues, clientIds })).toEqual([['a:4'], ['a:0', 'a:1'], ['a:2', 'a:3']]);
  expect(sharesOf(averageByCircleAllocation, { queues, clientIds })).toEqual([['a:2'], ['a:0', 'a:3'], ['a:1', 'a:4']]);
});

test('CONFIG gives what is configured and there, whoever is in the group', () => {
  const [first, , third] = queues;
  if (first === undefined || third === undefined) throw new Error('no queues');
  const elsewhere = [
    { ...first, topic: 'u' },
    { ...first, brokerName: 'b' },
    { ...first, queueId: 9 },
  ];
  const strategy = configuredAllocation([third, ...elsewhere, { ...first }]);
  expect(allocatedQueues(strategy, { group: 'g', clientId: 'me', clientIds: ['you'], queues })).toEqual([first, third]);
  expect(strategy.name).toBe('CONFIG');
});

test('queues and members are sorted as Java sorts them: by UTF-16 code units, queue ids by their number', () => {
  const names = ['\u{1f680}', 'ﬁ', 'b', 'B', 'a10', 'a2'];
  const spread = [
    ...names.map((brokerName) => ({ topic: 't', brokerName, queueId: 0 })),
    { topic: 'T', brokerName: 'z', queueId: 0 },
  ];
  const ids = [10, 9].map((queueId) => ({ topic: 't', brokerName: '0', queueId }));
  const seen = { queues: '', clientIds: '' };
  const spy = {
    name: 'SPY',
    allocate: (request: Parameters<typeof averageAllocation.allocate>[0]) => {
      seen.queues = request.queues.map(({ brokerName, queueId }) => `${brokerName}:${queueId}`).join(' ');
      seen.clientIds = request.clientIds.join(' ');
      return [];
    },
  };
  allocatedQueues(spy, { group: 'g', clientId: 'me', clientIds: names, queues: [...spread, ...ids] });
  expect(seen).toEqual({
    queues: 'z:0 0:9 0:10 B:0 a10:0 a2:0 b:0 \u{1f680}:0 ﬁ:0',
    clientIds: 'B a10 a2 b \u{1f680} ﬁ',
  });
});
