import * as api from '@opentelemetry/api';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { Attribute } from '../../../src/client/telemetry/conventions.ts';
import type { TestBroker } from '../../../src/testing/test-broker.ts';
import { startApi } from '../../support/api-client.ts';

const spans = new InMemorySpanExporter();
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] });

beforeAll(() => void api.trace.setGlobalTracerProvider(provider));
afterAll(async () => {
  await provider.shutdown();
  api.trace.disable();
});
beforeEach(() => spans.reset());

/** What was told since the last call, in the order of the ends, failures marked; sends left out. */
function told(): string[] {
  const names = spans
    .getFinishedSpans()
    .map(({ name, status }) => (status.code === api.SpanStatusCode.ERROR ? `${name}: ERROR` : name));
  spans.reset();
  return names.filter((name) => !name.startsWith('send'));
}

/** Outcomes of the work on messages, as traces have them. */
const traced = (broker: TestBroker): string[] =>
  broker
    .messages('traces')
    .flatMap(({ body }) => body.toString().split('\u0002'))
    .map((line) => line.split('\u0001'))
    .flatMap(([type, , , , success = '']) => (type === 'SubAfter' ? [success] : []));

async function start() {
  const { client, broker } = await startApi({ trace: { topic: 'traces' }, openTelemetry: api });
  await broker.createTopic('traces', { queueCount: 1 });
  await broker.createTopic('orders', { queueCount: 1 });
  const producer = client.producer();
  for (const body of ['0', '1']) await producer.send({ topic: 'orders', body });
  return { client, broker };
}

test('a simple consumer: each receive, the work from its coming to its ack or nack, and those', async () => {
  const { client, broker } = await start();
  const consumer = client.simpleConsumer({ group: 'audit', consumeFrom: 'first' });
  await consumer.subscribe('orders');
  const [first] = await consumer.receive(1);
  const [second] = await consumer.receive(1);
  if (first === undefined || second === undefined) throw new Error('two were sent');
  const [receive] = spans.getFinishedSpans().filter(({ name }) => name === 'receive orders');
  expect(receive?.attributes).toMatchObject({ [Attribute.GROUP]: 'audit', [Attribute.BATCH_COUNT]: 1 });
  expect(told()).toEqual(['receive orders', 'receive orders']);
  await consumer.changeInvisibleDuration(first, 60_000);
  await consumer.ack(first);
  await consumer.ack(first);
  await consumer.nack(second, 60_000);
  expect(told()).toEqual([
    ...['changeInvisibleDuration orders', 'ack orders', 'process orders', 'ack orders'],
    ...['nack orders', 'process orders: ERROR'],
  ]);
  await expect(consumer.ack(second)).rejects.toMatchObject({ code: 'RECEIPT_EXPIRED' });
  expect(told()).toEqual(['ack orders: ERROR']);
  expect(await consumer.receive(1, { timeoutMs: 20 })).toEqual([]);
  expect(told()).toEqual(['receive orders']);
  await client.close();
  await vi.waitFor(() => expect(traced(broker)).toEqual(['true', 'false']), 20_000);
});

test('a simple consumer: work whose time is over when it is acknowledged', async () => {
  const { client, broker } = await start();
  const consumer = client.simpleConsumer({ group: 'audit', consumeFrom: 'first' });
  await consumer.subscribe('orders');
  const [message] = await consumer.receive(1);
  if (message === undefined) throw new Error('two were sent');
  await consumer.unsubscribe('orders');
  told();
  await expect(consumer.ack(message)).rejects.toMatchObject({ code: 'RECEIPT_EXPIRED' });
  expect(told()).toEqual(['ack orders: ERROR', 'process orders: ERROR']);
  await client.close();
  await vi.waitFor(() => expect(traced(broker)).toEqual(['false']), 20_000);
});

test('a lite pull consumer: each poll, and the work until the next poll, the commit, or the end', async () => {
  const { client, broker } = await start();
  const consumer = client.litePullConsumer({ group: 'audit', consumeFrom: 'first' });
  await consumer.subscribe('orders');
  expect(await consumer.poll(1)).toHaveLength(1);
  expect(told()).toEqual(['receive orders']);
  expect(await consumer.poll(1)).toHaveLength(1);
  expect(told()).toEqual(['process orders', 'receive orders']);
  await consumer.commit();
  expect(told()).toEqual(['process orders']);
  await client.producer().send({ topic: 'orders', body: '2' });
  await consumer.poll(1);
  await client.close();
  expect(told()).toEqual(['receive orders', 'process orders: ERROR']);
  await vi.waitFor(() => expect(traced(broker)).toEqual(['true', 'true', 'false']), 20_000);
});
