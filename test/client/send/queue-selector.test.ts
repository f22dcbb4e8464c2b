import { describe, expect, test } from 'vitest';
import type { Route } from '../../../src/client/cluster/route.ts';
import { BrokerHealth } from '../../../src/client/send/broker-health.ts';
import { hasWellBroker, QueueTurn, queueForKey } from '../../../src/client/send/queue-selector.ts';

function queues(count: number, brokerName = 'broker-a') {
  return Array.from({ length: count }, (_, queueId) => ({ topic: 'topic', brokerName, queueId }));
}

describe('queueForKey', () => {
  // What SelectMessageQueueByHash of rocketmq-client 5.5.0 chose among so many queues.
  const counts = [1, 3, 4, 8, 16, 7];
  test.each([
    ['', [0, 0, 0, 0, 0, 0]],
    ['a', [0, 1, 1, 1, 1, 6]],
    ['order-1', [0, 2, 2, 6, 14, 6]],
    ['order-2', [0, 1, 1, 5, 13, 5]],
    ['订单-42', [0, 1, 0, 0, 8, 4]],
    ['😀', [0, 1, 3, 3, 3, 2]],
    ['user:1000000007', [0, 2, 1, 5, 5, 6]],
    ['-', [0, 0, 1, 5, 13, 3]],
    ['key with spaces', [0, 0, 2, 2, 10, 4]],
    ['Aa', [0, 0, 0, 0, 0, 5]],
    ['BB', [0, 0, 0, 0, 0, 5]],
    // Their hash is the smallest int32, whose absolute value is none.
    ['polygenelubricants', [0, 2, 0, 0, 0, 2]],
    ['GydZG_', [0, 2, 0, 0, 0, 2]],
    ['DESIGNING WORKHOUSES', [0, 2, 0, 0, 0, 2]],
  ])('chooses as Java for %j', (key, queueIds) => {
    expect(counts.map((count) => queueForKey(queues(count), key)?.queueId)).toEqual(queueIds);
  });

  test('has nothing to choose from no queue', () => {
    expect(queueForKey([], 'a')).toBeUndefined();
  });
});

describe('QueueTurn', () => {
  function route(...writeQueues: Route['writeQueues']): Route {
    return {
      topic: 'topic',
      writeQueues,
      readQueueCounts: new Map(),
      masters: new Map(),
      autoCreated: false,
    };
  }

  test('takes every queue in turn', () => {
    const turn = new QueueTurn();
    const all = route(...queues(3), ...queues(2, 'broker-b'));
    const chosen = Array.from({ length: 10 }, () => turn.next(all, new Set()));
    expect(new Set(chosen.slice(0, 5))).toEqual(new Set(all.writeQueues));
    expect(chosen.slice(5)).toEqual(chosen.slice(0, 5));
  });

  test('passes over brokers that failed, while there is another', () => {
    const turn = new QueueTurn();
    const all = route(...queues(4), ...queues(4, 'broker-b'));
    const chosen = Array.from({ length: 8 }, () => turn.next(all, new Set(['broker-a']))?.brokerName);
    expect(new Set(chosen)).toEqual(new Set(['broker-b']));
    const none = Array.from({ length: 8 }, () => turn.next(all, new Set(['broker-a', 'broker-b'])));
    expect(new Set(none)).toEqual(new Set(all.writeQueues));
  });

  test('takes brokers that are well, else slow ones, else those that fail', () => {
    const health = new BrokerHealth(() => 0);
    const turn = new QueueTurn(health);
    const all = route(...queues(2), ...queues(2, 'broker-b'), ...queues(2, 'broker-c'));
    const chosen = (failed: readonly string[] = []) =>
      new Set(Array.from({ length: 6 }, () => turn.next(all, new Set(failed))?.brokerName));
    health.failed('broker-a');
    expect(chosen()).toEqual(new Set(['broker-b', 'broker-c']));
    health.answered('broker-b', 600);
    expect(chosen()).toEqual(new Set(['broker-c']));
    expect(chosen(['broker-c'])).toEqual(new Set(['broker-b']));
    health.failed('broker-c');
    expect(chosen()).toEqual(new Set(['broker-b']));
    expect(chosen(['broker-b'])).toEqual(new Set(['broker-a', 'broker-c']));
    health.answered('broker-a', 20);
    expect(chosen()).toEqual(new Set(['broker-a']));
  });

  test('says whether a broker is left that is well', () => {
    const health = new BrokerHealth(() => 0);
    const both = route(...queues(1), ...queues(1, 'broker-b'));
    expect(hasWellBroker(both, new Set(['broker-a']), health)).toBe(true);
    health.failed('broker-b');
    expect(hasWellBroker(both, new Set(['broker-a']), health)).toBe(false);
    expect(hasWellBroker(both, new Set(), health)).toBe(true);
  });

  test('has nothing to choose from no queue', () => {
    expect(new QueueTurn().next(route(), new Set())).toBeUndefined();
    expect(new QueueTurn().next(route(), new Set(['broker-a']))).toBeUndefined();
  });
});
