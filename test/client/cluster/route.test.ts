import { describe, expect, test } from 'vitest';
import { autoCreatedRoute, readQueuesOf, routeOf } from '../../../src/client/cluster/route.ts';
import type { QueueData, TopicRoute } from '../../../src/remoting/requests/get-route.ts';

function queueData(brokerName: string, readQueueCount: number, writeQueueCount: number, permission = 6): QueueData {
  return { brokerName, readQueueCount, writeQueueCount, permission };
}

function brokerData(brokerName: string, id = 0) {
  return { brokerName, cluster: 'c', addresses: new Map([[id, `${brokerName}:10911`]]) };
}

const data: TopicRoute = {
  queues: [
    queueData('broker-b', 2, 2),
    queueData('broker-a', 4, 3),
    queueData('Broker-c', 1, 1, 2),
    queueData('broker-d', 8, 8, 4),
    queueData('broker-e', 1, 1),
    queueData('broker-f', 1, 1),
  ],
  // broker-e has a replica only, broker-f is gone.
  brokers: [
    brokerData('broker-a'),
    brokerData('broker-b'),
    brokerData('Broker-c'),
    brokerData('broker-d'),
    brokerData('broker-e', 1),
  ],
  orderTopicConfiguration: '',
};

function names(route: { writeQueues: readonly { brokerName: string; queueId: number }[] }): string[] {
  return route.writeQueues.map(({ brokerName, queueId }) => `${brokerName}:${queueId}`);
}

describe('routeOf', () => {
  test('numbers write queues as Java does', () => {
    // MQClientInstance.topicRouteData2TopicPublishInfo of rocketmq-client 5.5.0 for the same route.
    expect(names(routeOf('topic', data))).toEqual([
      'Broker-c:0',
      'broker-a:0',
      'broker-a:1',
      'broker-a:2',
      'broker-b:0',
      'broker-b:1',
    ]);
  });

  test('numbers read queues by broker name, then id, whatever the order that brokers come in', () => {
    const expected = [
      ...Array.from({ length: 4 }, (_, queueId) => ({ topic: 'topic', brokerName: 'broker-a', queueId })),
      ...Array.from({ length: 2 }, (_, queueId) => ({ topic: 'topic', brokerName: 'broker-b', queueId })),
      ...Array.from({ length: 8 }, (_, queueId) => ({ topic: 'topic', brokerName: 'broker-d', queueId })),
    ];
    expect(readQueuesOf(routeOf('topic', data))).toEqual(expected);
    expect(readQueuesOf(routeOf('topic', { ...data, queues: data.queues.toReversed() }))).toEqual(expected);
  });

  test('reads no more queues than any topic has', () => {
    const route = routeOf('topic', { ...data, queues: [queueData('broker-a', 2 ** 31 - 1, 1)] });
    expect(readQueuesOf(route).length).toBe(65_536);
  });

  test('an order topic has the queues of its own list, in the order of that list', () => {
    const ordered = routeOf('topic', { ...data, orderTopicConfiguration: 'broker-b:2;broker-a:1' });
    expect(names(ordered)).toEqual(['broker-b:0', 'broker-b:1', 'broker-a:0']);
  });

  test.each(['broker-a', 'broker-a:', 'broker-a:x', ':', 'broker-a:-3', 'broker-a:1.5'])(
    'an order list %j that makes no sense has no more queues than it names',
    (orderTopicConfiguration) => {
      const { writeQueues } = routeOf('topic', { ...data, orderTopicConfiguration });
      expect(writeQueues.length).toBeLessThanOrEqual(1);
    },
  );

  test('an absurd order list is cut at the limits of a route', () => {
    const orderTopicConfiguration = 'broker-a:999999999;'.repeat(2_000);
    const { writeQueues } = routeOf('topic', { ...data, orderTopicConfiguration });
    expect(writeQueues.length).toBeLessThanOrEqual(65_536);
  });

  test('reads from brokers that may be read and have a master', () => {
    const route = routeOf('topic', data);
    expect([...route.readQueueCounts]).toEqual([
      ['broker-b', 2],
      ['broker-a', 4],
      ['broker-d', 8],
    ]);
    expect(route.masters.get('broker-a')).toBe('broker-a:10911');
    expect(route.masters.has('broker-e')).toBe(false);
    expect(route.autoCreated).toBe(false);
  });

  test('nobody there: no queue, no broker', () => {
    const route = routeOf('topic', { queues: [], brokers: [], orderTopicConfiguration: '' });
    expect(route).toMatchObject({ writeQueues: [], readQueueCounts: new Map() });
  });
});

describe('autoCreatedRoute', () => {
  test('has the first four queues of each broker of its template', () => {
    const template = routeOf('TBW102', { ...data, queues: [queueData('broker-a', 8, 8), queueData('broker-b', 2, 2)] });
    const route = autoCreatedRoute('new', template);
    expect(names(route)).toEqual(['broker-a:0', 'broker-a:1', 'broker-a:2', 'broker-a:3', 'broker-b:0', 'broker-b:1']);
    expect(route.topic).toBe('new');
    expect(route.writeQueues.every(({ topic }) => topic === 'new')).toBe(true);
    expect(route.autoCreated).toBe(true);
  });
});
