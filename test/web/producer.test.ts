import { randomBytes } from 'node:crypto';
import { Code } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { failure } from '../../src/proxy/rpc/failures.ts';
import type { MQError } from '../../src/web/errors.ts';
import { TopicProducer } from '../../src/web/producer.ts';
import { createWebClient, type WebMessage } from '../../src/web/web.ts';
import { scriptedCalls } from './scripted-proxy.ts';
import { WebStage } from './web-stage.ts';

describe('a producer', { timeout: 60_000 }, () => {
  let stage: WebStage;
  let baseUrl: string;
  beforeAll(async () => {
    stage = await WebStage.start();
    baseUrl = `http://${(await stage.startProxy()).address}`;
  }, 30_000);
  afterAll(() => stage.stop(), 30_000);

  const received = async (topic: string, count: number): Promise<WebMessage[]> => {
    await using client = createWebClient({ baseUrl });
    const consumer = client.consumer(topic, 'g', { consumeFrom: 'first' });
    const messages: WebMessage[] = [];
    const acked: Promise<void>[] = [];
    for await (const message of consumer) {
      acked.push(consumer.ack(message));
      if (messages.push(message) === count) break;
    }
    await Promise.all(acked);
    return messages;
  };

  it('sends a message with all that it may have', async () => {
    const topic = await stage.createTopic();
    const options = { tag: 't', properties: { a: 'b' }, messageKey: 'key', shardingKey: 's' };
    const { messageId } = await createWebClient({ baseUrl }).producer(topic).publish('grün', options);
    const [message] = await received(topic, 1);
    expect(message).toMatchObject({ messageId, body: 'grün', tag: 't', reconsumeTimes: 0 });
    expect(message?.properties).toMatchObject({
      a: 'b',
      KEYS: 'key',
      TAGS: 't',
      __SHARDINGKEY: 's',
      UNIQ_KEY: messageId,
    });
    expect(Math.abs(Date.now() - (message?.bornTimestamp ?? 0))).toBeLessThan(60_000);
  });

  it('delivers when it is told to', async () => {
    const topic = await stage.createTopic();
    const startDeliverTime = new Date(Date.now() + 1_000);
    const producer = createWebClient({ baseUrl }).producer(topic);
    await producer.publish('later', { startDeliverTime });
    await producer.publishAll([{ body: 'now' }, { body: 'later too', startDeliverTime: startDeliverTime.getTime() }]);
    expect((await received(topic, 3)).map(({ body }) => body).sort()).toEqual(['later', 'later too', 'now']);
    expect(Date.now()).toBeGreaterThanOrEqual(startDeliverTime.getTime());
  });

  it('sends many in order, and says which of them are not stored', async () => {
    const topic = await stage.createTopic(1);
    const producer = createWebClient({ baseUrl }).producer(topic);
    const stored = await producer.publishAll(Array.from({ length: 1_200 }, (_, index) => ({ body: `${index}` })));
    expect(new Set(stored.map(({ messageId }) => messageId)).size).toBe(1_200);
    expect(await producer.publishAll([])).toEqual([]);
    const some = [{ body: 'a' }, { body: 'b', properties: { UNIQ_KEY: 'forged' } }, { body: 'c' }];
    const error: MQError = await producer.publishAll(some).then(
      () => Promise.reject(new Error('it was stored')),
      (thrown: MQError) => thrown,
    );
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'INVALID_REQUEST' });
    expect(error.message).toContain('2 of 3 messages');
    expect(error.outcomes?.map((one) => [one.messageId !== '', one.error?.reason])).toEqual([
      [true, undefined],
      [false, 'INVALID_REQUEST'],
      [true, undefined],
    ]);
    const bodies = (await received(topic, 1_202)).map(({ body }) => body);
    expect(bodies).toEqual([...Array.from({ length: 1_200 }, (_, index) => `${index}`), 'a', 'c']);
  });

  it('sends what is sent at the same time by one call, each with a result of its own', async () => {
    const topic = await stage.createTopic(1);
    const called: string[] = [];
    const counted: typeof fetch = (input, init) => {
      called.push(String(input).split('/').at(-1) ?? '');
      return fetch(input, init);
    };
    const producer = createWebClient({ baseUrl, fetch: counted }).producer(topic);
    const stop = new AbortController();
    const settled = Promise.allSettled([
      ...Array.from({ length: 50 }, (_, index) => producer.publish(`${index}`, { tag: `t${index}` })),
      producer.publish('forged', { properties: { UNIQ_KEY: 'forged' } }),
      producer.publish('given up', { signal: stop.signal }),
    ]);
    stop.abort();
    const results = await settled;
    const [forged, aborted] = results.splice(50, 2);
    expect(called).toEqual(['CreateProducer', 'SendMessages']);
    expect(forged).toMatchObject({ reason: { code: 'INVALID_ARGUMENT', reason: 'INVALID_REQUEST' } });
    expect(aborted).toMatchObject({ reason: { reason: 'CANCELLED' } });
    const ids = results.map((one) => (one.status === 'fulfilled' ? one.value.messageId : one.reason));
    const messages = await received(topic, 50);
    expect(messages.map(({ body, tag, messageId }) => [body, tag, messageId])).toEqual(
      ids.map((messageId, index) => [`${index}`, `t${index}`, messageId]),
    );
    await producer.publish('alone');
    expect(called.at(-1)).toBe('SendMessage');
  });

  it('goes on with another id where the proxy does not know its own', async () => {
    const topic = await stage.createTopic();
    const other = await stage.startProxy({ PROXY_SEAL_KEY: randomBytes(32).toString('hex') });
    let origin = baseUrl;
    const fetchThere: typeof fetch = (input, init) => fetch(String(input).replace(baseUrl, origin), init);
    const producer = createWebClient({ baseUrl, fetch: fetchThere }).producer(topic);
    await producer.publish('here');
    origin = `http://${other.address}`;
    await producer.publish('there');
    await producer.publishAll([{ body: 'there too' }]);
    expect((await received(topic, 3)).map(({ body }) => body).sort()).toEqual(['here', 'there', 'there too']);
  });

  it('may have stored what it gets no answer to, and says so; nothing is stored where no producer could be made', async () => {
    const topic = await stage.createTopic();
    /** Connections break when this is called. */
    const clientWithout = (rpc: string) =>
      createWebClient({
        baseUrl,
        fetch: (input, init) =>
          String(input).endsWith(rpc) ? Promise.reject(new TypeError('network error')) : fetch(input, init),
      });
    const unknown = { code: 'UNAVAILABLE', reason: 'OUTCOME_UNKNOWN', retryable: true };
    await expect(clientWithout('/SendMessage').producer(topic).publish('x')).rejects.toMatchObject(unknown);
    await expect(
      clientWithout('/SendMessages')
        .producer(topic)
        .publishAll([{ body: 'x' }]),
    ).rejects.toMatchObject(unknown);
    const none = clientWithout('/CreateProducer').producer(topic).publish('x');
    await expect(none).rejects.toMatchObject({ reason: 'NO_ANSWER', retryable: true });
  });
});

const destination = { topic: 't', endpoint: '', instanceId: '' };

describe('a publish that fails', () => {
  it('keeps what is known of the others', async () => {
    let count = 0;
    const calls = scriptedCalls({
      createProducer: () => ({ producerId: 'p' }),
      sendMessages: ({ messages }) => {
        count += 1;
        if (count > 1) throw failure(Code.ResourceExhausted, 'BROKER_BUSY', 'busy');
        return { outcomes: messages.map((_, index) => ({ outcome: { success: true }, messageId: `${index}` })) };
      },
    });
    const messages = Array.from({ length: 2_500 }, () => ({ body: '' }));
    const error = await new TopicProducer(calls, destination).publishAll(messages).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ reason: 'BROKER_BUSY', retryable: true });
    const { outcomes = [] } = error as MQError;
    expect(outcomes.map((one) => one.error?.reason)).toEqual([
      ...Array(1_000).fill(undefined),
      ...Array(1_500).fill('BROKER_BUSY'),
    ]);
    expect(count).toBe(2);
  });

  it('ends at its own time, whatever the proxy does', async () => {
    const calls = scriptedCalls({
      createProducer: () => ({ producerId: 'p' }),
      sendMessage: () => new Promise(() => {}),
    });
    const late = new TopicProducer(calls, destination).publish('x', { timeoutMs: 30 });
    await expect(late).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED', reason: 'DEADLINE' });
  });
});
