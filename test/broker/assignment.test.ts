import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { allocate, allocateForPop } from '../../src/broker/assignment.ts';
import type { MessageQueue } from '../../src/remoting/message.ts';

function queuesOf(count: number): MessageQueue[] {
  return Array.from({ length: count }, (_, queueId) => ({ topic: 'T', brokerName: 'b', queueId }));
}

/** Client ids that sort as text, not as numbers. */
function idsOf(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `c${index}`);
}

function queueIds(queues: readonly MessageQueue[] | undefined): number[] | undefined {
  return queues?.map(({ queueId }) => queueId);
}

/** The definition of AVG as clients have it: place and size of one part. */
function averagePart(queueCount: number, clientCount: number, index: number): number[] {
  const mod = queueCount % clientCount;
  const isLonger = mod > 0 && index < mod;
  const size = queueCount <= clientCount ? 1 : Math.floor(queueCount / clientCount) + (isLonger ? 1 : 0);
  const start = index * size + (isLonger ? 0 : mod);
  const length = Math.max(0, Math.min(size, queueCount - start));
  return Array.from({ length }, (_, step) => start + step);
}

const counts = fc.record({ queueCount: fc.integer({ min: 1, max: 70 }), clientCount: fc.integer({ min: 1, max: 70 }) });

describe('clients that pull', () => {
  test('get by AVG what its definition says, whatever the order in which they are named', () => {
    fc.assert(
      fc.property(counts, fc.boolean(), ({ queueCount, clientCount }, reversed) => {
        const clientIds = reversed ? idsOf(clientCount).toReversed() : idsOf(clientCount);
        const queues = reversed ? queuesOf(queueCount).toReversed() : queuesOf(queueCount);
        for (const [index, clientId] of idsOf(clientCount).toSorted().entries()) {
          const part = allocate({ queues, clientIds, clientId, strategyName: 'AVG' });
          expect(queueIds(part)).toEqual(averagePart(queueCount, clientCount, index));
        }
      }),
    );
  });

  test.each(['AVG', 'AVG_BY_CIRCLE'])(
    'get by %s all queues together, each once, as evenly as can be',
    (strategyName) => {
      fc.assert(
        fc.property(counts, ({ queueCount, clientCount }) => {
          const clientIds = idsOf(clientCount);
          const sharing = { queues: queuesOf(queueCount), clientIds, strategyName };
          const parts = clientIds.map((clientId) => queueIds(allocate({ ...sharing, clientId })) ?? []);
          expect(parts.flat().toSorted((one, other) => one - other)).toEqual(queueIds(sharing.queues));
          const sizes = parts.map(({ length }) => length);
          expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
        }),
      );
    },
  );

  test('get by AVG_BY_CIRCLE every n-th queue', () => {
    const sharing = { queues: queuesOf(7), clientIds: idsOf(3), strategyName: 'AVG_BY_CIRCLE' };
    const parts = sharing.clientIds.map((clientId) => queueIds(allocate({ ...sharing, clientId })));
    expect(parts).toEqual([
      [0, 3, 6],
      [1, 4],
      [2, 5],
    ]);
  });

  test('get nothing when they are not in the group, and no answer by another strategy', () => {
    const sharing = { queues: queuesOf(4), clientIds: idsOf(2), clientId: 'x', strategyName: 'AVG' };
    expect(allocate(sharing)).toEqual([]);
    expect(allocate({ ...sharing, clientId: 'c0', strategyName: 'CONSISTENT_HASH' })).toBeUndefined();
  });
});

describe('clients that pop', () => {
  const whole = [{ topic: 'T', brokerName: 'b', queueId: -1 }];

  test('all pop from all queues, unless fewer share', () => {
    const sharing = { queues: queuesOf(8), clientIds: idsOf(4), clientId: 'c1', strategyName: 'AVG' };
    for (const shareCount of [-1, 0, 3, 4, 100]) expect(allocateForPop(sharing, shareCount)).toEqual(whole);
    expect(allocateForPop({ ...sharing, clientIds: ['c1'] }, 1)).toEqual(whole);
    expect(allocateForPop({ ...sharing, clientId: 'x' }, 0)).toEqual(whole);
    expect(allocateForPop({ ...sharing, strategyName: 'CONFIG' }, 0)).toBeUndefined();
    expect(allocateForPop({ ...sharing, queues: [] }, 0)).toEqual([]);
  });

  test('share their own queues and those of the clients behind them', () => {
    const sharing = { queues: queuesOf(8), clientIds: idsOf(4), strategyName: 'AVG' };
    const parts = sharing.clientIds.map((clientId) => queueIds(allocateForPop({ ...sharing, clientId }, 1)));
    expect(parts).toEqual([
      [0, 1, 2, 3],
      [2, 3, 4, 5],
      [4, 5, 6, 7],
      [6, 7, 0, 1],
    ]);
    expect(allocateForPop({ ...sharing, clientId: 'x' }, 1)).toEqual([]);
  });

  test('get one queue each where there are more clients than queues', () => {
    const sharing = { queues: queuesOf(2), clientIds: idsOf(5), strategyName: 'AVG' };
    const parts = sharing.clientIds.map((clientId) => queueIds(allocateForPop({ ...sharing, clientId }, 2)));
    expect(parts).toEqual([[0], [1], [0], [1], [0]]);
  });

  test('have every queue as often as the share says', () => {
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 20 }), fc.integer({ min: 0, max: 40 }), (clientCount, more) => {
        const sharing = { queues: queuesOf(clientCount + more), clientIds: idsOf(clientCount), strategyName: 'AVG' };
        const shareCount = 1 + (more % (clientCount - 2));
        const all = sharing.clientIds.flatMap(
          (clientId) => queueIds(allocateForPop({ ...sharing, clientId }, shareCount)) ?? [],
        );
        for (const { queueId } of sharing.queues)
          expect(all.filter((id) => id === queueId)).toHaveLength(shareCount + 1);
      }),
    );
  });
});
