import { randomBytes } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { CreateConsumerRequestSchema } from '../../src/gen/rocketmq/rocketmq_pb.ts';
import { failure } from '../../src/proxy/rpc/failures.ts';
import { TopicConsumer } from '../../src/web/consumer.ts';
import { createWebClient, type MQError, type WebMessage } from '../../src/web/web.ts';
import type { TestedProxy } from '../support/proxy-process.ts';
import { scriptedCalls } from './scripted-proxy.ts';
import { startFront, WebStage } from './web-stage.ts';

const soon = { timeout: 30_000, interval: 10 };

describe('a consumer', { timeout: 60_000 }, () => {
  let stage: WebStage;
  let proxy: TestedProxy;
  let baseUrl: string;
  beforeAll(async () => {
    stage = await WebStage.start();
    proxy = await stage.startProxy();
    baseUrl = `http://${proxy.address}`;
  }, 30_000);
  afterAll(() => stage.stop(), 30_000);

  /** A consumer of a topic that has these messages; what it is given and not acknowledged stays with it for minutes. */
  const consumerOf = async (
    bodies: readonly string[],
    more: { url?: string; onResume?: (error: MQError) => void } = {},
  ) => {
    const topic = await stage.createTopic(1);
    const client = createWebClient({ baseUrl: more.url ?? baseUrl });
    onTestFinished(() => client.close());
    const { onResume = () => {} } = more;
    const consumer = client.consumer(topic, 'g', { consumeFrom: 'first', invisibleDurationMs: 600_000, onResume });
    const producer = createWebClient({ baseUrl }).producer(topic);
    if (bodies.length > 0) await producer.publishAll(bodies.map((body) => ({ body })));
    return { topic, client, consumer, producer };
  };

  const next = async (messages: AsyncIterator<WebMessage>): Promise<WebMessage> => {
    const { value } = await messages.next();
    if (value === undefined) throw new Error('there are no more messages');
    return value;
  };

  it('gives back what was not acknowledged when its loop is left, and nothing that was', async () => {
    const { consumer } = await consumerOf(['a', 'b', 'c']);
    const bodies: string[] = [];
    for await (const message of consumer) {
      // Not awaited: to leave the loop waits for it.
      if (message.body !== 'b') void consumer.ack(message);
      if (bodies.push(message.body) === 3) break;
    }
    const again = await next(consumer.messages());
    expect([again.body, again.reconsumeTimes]).toEqual(['b', 1]);
  });

  it('gives a message back, at once or later, and takes longer over one', async () => {
    const { consumer } = await consumerOf(['a', 'b']);
    const messages = consumer.messages();
    const [a, b] = [await next(messages), await next(messages)];
    const before = b.receiptHandle;
    await consumer.changeInvisibleDuration(b, 300_000);
    expect(b.receiptHandle).not.toBe(before);
    const nackedMs = Date.now();
    await consumer.nack(a, 1_000);
    const again = await next(messages);
    expect([again.body, again.reconsumeTimes]).toEqual(['a', 1]);
    expect(Date.now() - nackedMs).toBeGreaterThanOrEqual(900);
    await consumer.nack(again);
    const third = await next(messages);
    expect([third.body, third.reconsumeTimes]).toEqual(['a', 2]);
    await Promise.all([consumer.ack(third), consumer.ack(b)]);
    await expect(consumer.nack(third)).rejects.toMatchObject({ name: 'MQError' });
    await expect(consumer.changeInvisibleDuration(third, 0)).rejects.toMatchObject({ reason: 'INVALID_REQUEST' });
  });

  it('has a time and a signal for each call', async () => {
    const { consumer } = await consumerOf(['a']);
    const message = await next(consumer.messages());
    const signal = AbortSignal.abort();
    for (const call of [
      consumer.ack(message, { signal }),
      consumer.nack(message, 0, { signal }),
      consumer.changeInvisibleDuration(message, 1_000, { signal }),
    ]) {
      await expect(call).rejects.toMatchObject({ reason: 'CANCELLED' });
    }
    await consumer.ack(message, { timeoutMs: 20_000 });
  });

  it('receives until its signal is aborted, also while nothing comes', async () => {
    const { consumer } = await consumerOf([]);
    const stop = new AbortController();
    const ended = consumer.messages({ signal: stop.signal }).next();
    await vi.waitFor(async () => expect((await proxy.metrics())['active_consumers']).toBeGreaterThan(0), soon);
    stop.abort();
    expect(await ended).toEqual({ done: true, value: undefined });
    expect(await consumer.messages({ signal: stop.signal }).next()).toEqual({ done: true, value: undefined });
  });

  it('ends when it is closed: loops end, what is held is given back, its id is cleaned up', async () => {
    const { topic, client, consumer } = await consumerOf(['a', 'b']);
    const messages = consumer.messages();
    const [a] = [await next(messages), await next(messages)];
    const waiting = messages.next();
    void consumer.ack(a);
    await consumer.close();
    await consumer.close();
    expect(await waiting).toEqual({ done: true, value: undefined });
    for (const call of [consumer.ack(a), consumer.nack(a), consumer.messages().next()])
      await expect(call).rejects.toMatchObject({ reason: 'CLOSED' });
    const again = await next(client.consumer(topic, 'g').messages());
    expect([again.body, again.reconsumeTimes]).toEqual(['b', 1]);
  });

  it('cannot be closed by a proxy that has gone, but closes', async () => {
    const gone = await stage.startProxy();
    const { consumer } = await consumerOf(['a'], { url: `http://${gone.address}` });
    await next(consumer.messages());
    await gone.stop();
    await consumer.close();
  });

  it('fails where it cannot be made, and can be tried again', async () => {
    let current = '127.0.0.1:1';
    const front = await startFront(() => current);
    onTestFinished(() => front.close());
    const { consumer } = await consumerOf(['a'], { url: `http://${front.address}` });
    await expect(consumer.messages().next()).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'NO_ANSWER' });
    current = proxy.address;
    expect((await next(consumer.messages())).body).toBe('a');
  });

  it.each([
    ['with the same id where the proxy knows it', undefined, []],
    ['with a new id where the proxy does not', randomBytes(32).toString('hex'), ['ID_NOT_FOUND']],
  ])('goes on %s', async (_, otherKey, reasons) => {
    let current = await stage.startProxy();
    const front = await startFront(() => current.address);
    onTestFinished(() => front.close());
    const resumed: string[] = [];
    const onResume = ({ reason }: MQError) => void resumed.push(reason);
    const { consumer, producer } = await consumerOf(['a'], { url: `http://${front.address}`, onResume });
    const messages = consumer.messages();
    const a = await next(messages);
    const after = next(messages);
    const stopped = current;
    current = await stage.startProxy(otherKey === undefined ? {} : { PROXY_SEAL_KEY: otherKey });
    await stopped.stop();
    const again = await after;
    expect([again.messageId, again.reconsumeTimes]).toEqual([a.messageId, 1]);
    expect(resumed).toContainEqual(expect.stringMatching(/^(NO_ANSWER|SHUTTING_DOWN)$/));
    expect(resumed.filter((reason) => reason === 'ID_NOT_FOUND')).toEqual(reasons);
    await consumer.ack(again);
    await producer.publish('b');
    expect((await next(messages)).body).toBe('b');
  });

  it('is over where an operator cleans it up', async () => {
    const { topic, consumer } = await consumerOf(['a']);
    const messages = consumer.messages();
    await consumer.ack(await next(messages));
    const ended = messages.next();
    const response = await fetch(`${baseUrl}/rocketmq.RocketMQProxy/CleanupConsumer`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ groupId: 'g', topic }),
    });
    expect(await response.json()).toMatchObject({ cleanedCount: 1 });
    expect(await ended).toEqual({ done: true, value: undefined });
  });
});

describe('a stream that the proxy ends with', () => {
  const subscription = create(CreateConsumerRequestSchema, { topic: 't', groupId: 'g' });

  it.each([
    [Code.PermissionDenied, 'TOKEN_DENIED'],
    [Code.NotFound, 'GROUP_NOT_FOUND'],
    [Code.Unauthenticated, 'TOKEN_REFUSED'],
  ] as const)('%s %s ends the loop', async (code, reason) => {
    const calls = scriptedCalls({
      createConsumer: () => ({ consumerId: 'c' }),
      async *receiveMessages() {
        yield { messageId: 'one' };
        throw failure(code, reason, 'no');
      },
    });
    const consumer = new TopicConsumer(calls, subscription, {
      messagesMax: 1,
      onResume: undefined,
      onClosed: () => {},
    });
    const received: string[] = [];
    const all = (async () => {
      for await (const { messageId } of consumer) received.push(messageId);
    })();
    await expect(all).rejects.toMatchObject({ reason });
    expect(received).toEqual(['one']);
  });
});
