import * as api from '@opentelemetry/api';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { ReceivedMessage } from '../../../src/client/api/received-message.ts';
import { RocketMQClient } from '../../../src/client/api/rocketmq-client.ts';
import { Inbox, startApi } from '../../support/api-client.ts';
import { startScriptedCluster } from '../../support/scripted-cluster.ts';

test('what a producer sends and a handler works on is traced, failures too', async () => {
  const { client, broker } = await startApi({ trace: { topic: 'traces' }, openTelemetry: api });
  await broker.createTopic('traces', { queueCount: 1 });
  const inbox = new Inbox<ReceivedMessage>();
  const consumer = client.pushConsumer({
    group: 'billing',
    retryDelayMs: () => 0,
    handler: (message) => {
      inbox.add(message);
      if (message.reconsumeTimes === 0) throw new Error('not yet');
      return message.reconsumeTimes === 1 ? { retryAfterMs: 0 } : undefined;
    },
  });
  await consumer.subscribe('orders');
  const { messageId } = await client.producer().send({ topic: 'orders', body: 'x' });
  await inbox.count(3);
  await client.close();
  const lines = () =>
    broker
      .messages('traces')
      .flatMap(({ body }) => body.toString().split('\u0002'))
      .map((line) => line.split('\u0001'));
  await vi.waitFor(() => expect(lines().filter(([type]) => type === 'SubAfter')).toHaveLength(3), 20_000);
  expect(lines().find(([type]) => type === 'Pub')?.[5]).toBe(messageId);
  expect(lines().flatMap(([type, , , , success]) => (type === 'SubAfter' ? [success] : []))).toEqual([
    'false',
    'false',
    'true',
  ]);
});

test('records of traces that no broker takes are counted', async () => {
  const cluster = await startScriptedCluster();
  onTestFinished(() => cluster.stop());
  const client = new RocketMQClient({ nameServers: cluster.nameServer.address, trace: { topic: 'nowhere' } });
  expect(client.droppedTraceCount).toBe(0);
  await client.producer().send({ topic: 'topic', body: 'x' });
  await client.close();
  expect(client.droppedTraceCount).toBe(1);
});
