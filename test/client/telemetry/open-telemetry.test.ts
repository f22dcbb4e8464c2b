import * as api from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { ClusterClient } from '../../../src/client/client.ts';
import { observeProcess, observeReceive, observeSettle } from '../../../src/client/observer.ts';
import type { ReceivedMessage } from '../../../src/client/received-message.ts';
import { openTelemetry } from '../../../src/client/telemetry/open-telemetry.ts';
import { startTestBroker } from '../../../src/testing/test-broker.ts';
import { outgoing, Reader, RealClients, soon } from '../../support/real-client.ts';

/** A client that tells OpenTelemetry, and a way to get what it sends. */
async function startClient(): Promise<{ client: ClusterClient; next(count: number): Promise<ReceivedMessage[]> }> {
  const broker = await startTestBroker();
  onTestFinished(() => broker.close());
  const clients = new RealClients(broker.nameServer);
  onTestFinished(() => clients.close());
  await broker.createTopic('topic');
  const client = clients.create({ observer: openTelemetry(api) });
  return {
    client,
    async next(count) {
      const reader = await Reader.open(client, { group: 'g', topic: 'topic' });
      const messages = [...(await reader.count(count))];
      await reader.stop();
      return messages;
    },
  };
}

test('without an SDK nothing is told, nothing is added, and all works', async () => {
  const { client, next } = await startClient();
  await client.producer.send(outgoing('topic', 'x'), soon());
  const [message] = await next(1);
  if (message === undefined) throw new Error('no message');
  expect(message.properties.has('traceparent')).toBe(false);
  expect(await observeProcess(client.observer, { message, group: 'g' }, () => 5)).toBe(5);
});

describe('with an SDK', () => {
  const spans = new InMemorySpanExporter();
  const metrics = new InMemoryMetricExporter(AggregationTemporality.DELTA);
  const reader = new PeriodicExportingMetricReader({ exporter: metrics, exportIntervalMillis: 3_600_000 });
  const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] });
  const meterProvider = new MeterProvider({ readers: [reader] });

  beforeAll(() => {
    api.context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    api.propagation.setGlobalPropagator(new W3CTraceContextPropagator());
    api.trace.setGlobalTracerProvider(tracerProvider);
    api.metrics.setGlobalMeterProvider(meterProvider);
  });

  afterAll(async () => {
    await Promise.all([tracerProvider.shutdown(), meterProvider.shutdown()]);
    for (const part of [api.context, api.propagation, api.trace, api.metrics]) part.disable();
  });

  beforeEach(() => spans.reset());

  function only(name: string): ReadableSpan {
    const [span, ...more] = spans.getFinishedSpans().filter((one) => one.name === name);
    if (span === undefined || more.length > 0) throw new Error(`${more.length} spans too many, or none: ${name}`);
    return span;
  }

  test('a send, the work on its message and what that sends are one trace', async () => {
    const { client, next } = await startClient();
    const message = outgoing('topic', 'body', {
      tag: 'tag',
      keys: 'a b',
      shardingKey: 's',
      properties: [['own', '1']],
    });
    const sent = await client.producer.send(message, soon());
    const [received] = await next(1);
    if (received === undefined) throw new Error('no message');
    expect(received.properties.get('own')).toBe('1');
    const send = only('send topic');
    const { traceId, spanId } = send.spanContext();
    expect(received.properties.get('traceparent')).toBe(`00-${traceId}-${spanId}-01`);
    expect(send).toMatchObject({ kind: api.SpanKind.PRODUCER, status: { code: api.SpanStatusCode.UNSET } });
    const [serverAddress = '', port] = sent.channel.address.split(':');
    expect(send.attributes).toEqual({
      'messaging.system': 'rocketmq',
      'messaging.operation.name': 'send',
      'messaging.operation.type': 'send',
      'messaging.destination.name': 'topic',
      'messaging.destination.partition.id': `${sent.queue.brokerName}/${sent.queue.queueId}`,
      'messaging.message.id': sent.messageId,
      'messaging.message.body.size': 4,
      'rocketmq.message.tag': 'tag',
      'rocketmq.message.keys': ['a', 'b'],
      'rocketmq.message.group': 's',
      'rocketmq.message.type': 'fifo',
      'server.address': serverAddress,
      'server.port': Number(port),
    });
    await observeProcess(client.observer, { message: received, group: 'g' }, async () => {
      await client.producer.send(outgoing('answers', 'next', { delivery: { kind: 'level', level: 2 } }), soon());
    });
    const process = only('process topic');
    expect(process).toMatchObject({ kind: api.SpanKind.CONSUMER, parentSpanContext: { traceId, spanId } });
    expect(process.attributes).toMatchObject({
      'messaging.consumer.group.name': 'g',
      'messaging.message.id': sent.messageId,
    });
    const inner = only('send answers');
    expect(inner.spanContext().traceId).toBe(traceId);
    expect(inner.parentSpanContext?.spanId).toBe(process.spanContext().spanId);
    expect(inner.attributes).toMatchObject({
      'rocketmq.message.type': 'delay',
      'rocketmq.message.delay_time_level': 2,
    });
  });

  test('receives, settlements and failures are told, with what went wrong', async () => {
    const { client, next } = await startClient();
    await client.producer.sendBatch([outgoing('topic', 'one'), outgoing('topic', 'two')], soon());
    expect(spans.getFinishedSpans().map(({ name }) => name)).toEqual(['create topic', 'create topic']);
    const messages = await observeReceive(client.observer, { group: 'g', topic: 'topic' }, () => next(2));
    const receive = only('receive topic');
    expect(receive).toMatchObject({ kind: api.SpanKind.CLIENT, attributes: { 'messaging.batch.message_count': 2 } });
    const [message] = messages;
    if (message === undefined) throw new Error('no message');
    const failure = new TypeError('not today');
    const failing = observeProcess(client.observer, { message, group: 'g' }, () => Promise.reject(failure));
    await expect(failing).rejects.toBe(failure);
    const process = only('process topic');
    expect(process.status).toEqual({ code: api.SpanStatusCode.ERROR, message: 'not today' });
    expect(process.attributes['error.type']).toBe('TypeError');
    client.observer?.processing?.(message, 'other')?.ended('timeout');
    expect(spans.getFinishedSpans().at(-1)?.attributes).toMatchObject({ 'error.type': 'timeout' });
    expect(process.events.map(({ name }) => name)).toEqual(['exception']);
    const settling = { message, group: 'g', settlement: 'nack' } as const;
    await observeSettle(client.observer, settling, async () => {});
    expect(only('nack topic').attributes['messaging.operation.type']).toBe('settle');
    await expect(client.producer.send(outgoing('topic', ''), soon())).rejects.toMatchObject({ kind: 'invalid' });
    expect(only('send topic').attributes['error.type']).toBe('invalid');
  });

  test('what the application has set, and what cannot be carried, is left alone', async () => {
    const { client, next } = await startClient();
    const own = outgoing('topic', 'x', { properties: [['traceparent', 'mine']] });
    await client.producer.send(own, soon());
    expect((await next(1))[0]?.properties.get('traceparent')).toBe('mine');
    const carriers: Record<string, string> = { ok: 'v', bad: 'a\u0001b', KEYS: 'x', '': 'x', long: 'x'.repeat(8_192) };
    const propagation = {
      inject: (_: unknown, carrier: Record<string, string>) => void Object.assign(carrier, carriers),
      extract: api.propagation.extract.bind(api.propagation),
    };
    const observer = openTelemetry({ ...api, propagation });
    expect(observer.sending?.(outgoing('topic', 'x'), 'normal')?.properties).toEqual([['ok', 'v']]);
  });

  test('metrics count and measure', async () => {
    const { client, next } = await startClient();
    await reader.forceFlush();
    metrics.reset();
    await client.producer.send(outgoing('topic', 'x'), soon());
    await expect(client.producer.send(outgoing('topic', ''), soon())).rejects.toMatchObject({ kind: 'invalid' });
    const [message] = await observeReceive(client.observer, { group: 'g', topic: 'topic' }, () => next(1));
    if (message === undefined) throw new Error('no message');
    await observeProcess(client.observer, { message, group: 'g' }, () => {});
    await reader.forceFlush();
    const all = metrics.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics));
    const points = (name: string) => all.find(({ descriptor }) => descriptor.name === name)?.dataPoints ?? [];
    const sent = points('messaging.client.sent.messages');
    expect(sent.map(({ value, attributes }) => [value, attributes['error.type']])).toEqual([
      [1, undefined],
      [1, 'invalid'],
    ]);
    expect(points('messaging.client.consumed.messages').map(({ value }) => value)).toEqual([1]);
    const operations = points('messaging.client.operation.duration').map(
      ({ attributes }) => attributes['messaging.operation.name'],
    );
    expect(operations).toEqual(['send', 'send', 'receive']);
    const [process] = points('messaging.process.duration');
    expect(process).toMatchObject({ value: { count: 1 }, attributes: { 'messaging.consumer.group.name': 'g' } });
  });
});
