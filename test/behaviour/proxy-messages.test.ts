import { randomBytes } from 'node:crypto';
import { compressionAlgorithms } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { queueSizes, storedText } from '../support/broker-queues.ts';
import { failureOf, ProxyClient } from '../support/grpc-client.ts';
import type { ReceivedMessage } from '../support/message-stream.ts';
import type { TestedProxy } from '../support/proxy-process.ts';
import { sendRpcs } from '../support/published-api.ts';
import {
  describeOnTargets,
  isBefore5,
  startProxy,
  startTarget,
  type Target,
  takesUnsigned,
  type Variant,
} from './target.ts';

/** How late a delayed message may come: brokers deliver up to a second late, and the machine may be busy. */
const lateMsMax = 3_000;

const bodyOf = ({ message_body }: ReceivedMessage): string => message_body;

const suite = (variant: Variant): void => {
  const { version } = variant;
  let cluster: Target;
  let proxy: TestedProxy;
  let client: ProxyClient;

  beforeAll(async () => {
    cluster = await startTarget({ version });
    proxy = await startProxy({ ROCKETMQ_ENDPOINT: cluster.nameServer });
    client = new ProxyClient(proxy.address);
  });

  afterAll(async () => {
    client?.close();
    await proxy?.stop();
    await cluster?.stop();
  });

  test.concurrent.each(sendRpcs)('%s: body, tag, key, properties and birth arrive as they were sent', async (rpc) => {
    const topic = `kinds-${rpc}`;
    await cluster.createTopic(topic);
    const producer_id = await client.createProducer(topic);
    const { consumerId, stream } = await client.subscribe(topic, `kinds-${rpc}`);
    const body = 'Grüße, 世界 🚀\u0000\u0001\u0002\n';
    const before = Date.now();
    const sent = await client.send(rpc, {
      producer_id,
      message_body: body,
      tag: 'Größe',
      properties: { message_key: 'order-1 注文', properties: { 'x-größe': '5 €', 'a b=c&d': '🚀 = "1"' } },
      ...(rpc === 'SendOrderedMessage' ? { sharding_key: 'ключ' } : {}),
    });
    expect(sent).toMatchObject({ success: true, receipt_handle: sent.message_id });
    if ('transaction_id' in sent) expect(sent.transaction_id).not.toBe('');

    const [message] = await stream.take(1);
    expect(message).toMatchObject({
      message_id: sent.message_id,
      message_body: body,
      tag: 'Größe',
      reconsume_times: 0,
      properties: { KEYS: 'order-1 注文', 'x-größe': '5 €', 'a b=c&d': '🚀 = "1"' },
    });
    expect(Number(message?.born_timestamp)).toBeGreaterThanOrEqual(before);
    expect(Number(message?.born_timestamp)).toBeLessThanOrEqual(message?.arrivedAtMs ?? 0);
    if (message !== undefined) await client.ack(consumerId, message);
    stream.cancel();
  });

  test('bodies of one byte, of 1 MiB of text and of nearly 4 MiB arrive whole', async () => {
    const topic = 'sizes';
    await cluster.createTopic(topic, { queueCount: 1 });
    const producer_id = await client.createProducer(topic);
    const { stream } = await client.subscribe(topic, 'sizes');
    // Random, so that nothing can make it smaller on its way.
    const bodies = ['.', randomBytes(2 ** 19).toString('hex'), 'x'.repeat(4 * 2 ** 20 - 64 * 2 ** 10)];
    for (const message_body of bodies) await client.send('SendMessage', { producer_id, message_body });
    const received = (await stream.take(bodies.length)).map(bodyOf);
    // Not `toEqual`: a difference of megabytes would be printed.
    expect(received.map((body, index) => body === bodies[index])).toEqual(bodies.map(() => true));
    stream.cancel();
  });

  test('the largest message that is taken arrives, also with all the properties that it may have', async () => {
    const topic = 'largest';
    await cluster.createTopic(topic, { queueCount: 1 });
    const producer_id = await client.createProducer(topic);
    const { stream } = await client.subscribe(topic, topic);
    const properties = Object.fromEntries(
      Array.from({ length: 1_000 }, (_, index) => [`property-${index}`, '0123456789']),
    );
    for (const message of [{}, { tag: 'tag', properties: { properties } }]) {
      const send = (message_body: string) => client.send('SendMessage', { producer_id, message_body, ...message });
      const { details } = await failureOf(send('x'.repeat(4 * 2 ** 20 + 1)));
      const bytesMax = Number(/at most (\d+)/.exec(details)?.[1]);
      expect(bytesMax).toBeGreaterThan(4_100_000);
      expect((await failureOf(send('x'.repeat(bytesMax + 1)))).code).toBe('INVALID_ARGUMENT');
      await send('x'.repeat(bytesMax));
      expect((await stream.take(1)).map(({ message_body }) => message_body.length)).toEqual([bytesMax]);
    }
    stream.cancel();
  });

  test('requests compressed by gzip are taken; one that is small only while it is compressed is refused', async () => {
    const topic = 'gzip';
    await cluster.createTopic(topic, { queueCount: 1 });
    const gzip = new ProxyClient(proxy.address, {
      'grpc.default_compression_algorithm': compressionAlgorithms.gzip,
      'grpc.default_compression_level': 2,
    });
    const producer_id = await gzip.createProducer(topic);
    const { stream } = await gzip.subscribe(topic, topic);
    for (const mebibytes of [4, 6, 100]) {
      const message_body = 'a'.repeat(mebibytes * 2 ** 20 + 1);
      const failure = await failureOf(gzip.send('SendMessage', { producer_id, message_body }));
      expect(failure.code).toMatch(/^(INVALID_ARGUMENT|RESOURCE_EXHAUSTED)$/);
    }
    await gzip.send('SendMessage', { producer_id, message_body: 'a'.repeat(2 ** 20) });
    expect((await stream.take(1)).map(({ message_body }) => message_body.length)).toEqual([2 ** 20]);
    gzip.close();
  });

  test.concurrent('a tag expression lets its tags through and no others', async () => {
    const topic = 'tags';
    await cluster.createTopic(topic, { queueCount: 1 });
    const producer_id = await client.createProducer(topic);
    const { stream } = await client.subscribe(topic, 'tags', { tag_expression: 'red || blue' });
    // "Aa" and "BB" have one hash code in Java, by which brokers compare.
    const exact = await client.subscribe(topic, 'tags-exact', { tag_expression: 'Aa' });
    for (const tag of ['red', 'green', '', 'BB', 'Aa', 'blue']) {
      await client.send('SendMessage', { producer_id, message_body: `tag ${tag}`, tag });
    }
    expect((await stream.take(2)).map(bodyOf)).toEqual(['tag red', 'tag blue']);
    expect((await exact.stream.take(1)).map(bodyOf)).toEqual(['tag Aa']);
    stream.cancel();
    exact.stream.cancel();
  });

  /** Sends 3 keys × 25 messages: the keys side by side, each key's messages one after the other. */
  async function sendOrdered(topic: string): Promise<void> {
    const producer_id = await client.createProducer(topic);
    const sendKey = async (sharding_key: string): Promise<void> => {
      for (let count = 0; count < 25; count += 1) {
        await client.send('SendOrderedMessage', {
          producer_id,
          sharding_key,
          message_body: `${sharding_key} ${count}`,
        });
      }
    };
    await Promise.all(['a', 'b', 'c'].map(sendKey));
  }

  function inOrder(messages: readonly ReceivedMessage[]): void {
    for (const key of ['a', 'b', 'c']) {
      const ofKey = messages.filter(({ properties }) => properties['__SHARDINGKEY'] === key).map(bodyOf);
      expect(ofKey).toEqual(Array.from({ length: 25 }, (_, count) => `${key} ${count}`));
    }
  }

  test.concurrent('order: first deliveries reach one stream in queue order, live and from a backlog; one sharding key, one queue', async () => {
    const topic = 'ordered';
    await cluster.createTopic(topic, { queueCount: 8, messageType: 'FIFO' });
    const live = await client.subscribe(topic, 'ordered-live');
    const later = await client.createConsumer(topic, 'ordered-later');
    await sendOrdered(topic);
    inOrder(await live.stream.take(75));
    live.stream.cancel();

    const backlog = client.receive(later);
    inOrder(await backlog.take(75));
    backlog.cancel();

    // As Java's SelectMessageQueueByHash has it: "a" is 97, and so on, of 8 queues.
    expect(await queueSizes(cluster, topic, 8)).toEqual([0, 25, 25, 25, 0, 0, 0, 0]);
  });

  test.concurrent('a delay by level ends on time and never early', async () => {
    const topic = 'levels';
    await cluster.createTopic(topic, { messageType: 'DELAY' });
    const producer_id = await client.createProducer(topic);
    const { stream } = await client.subscribe(topic, 'levels');
    const delaysMs = [1_000, 5_000];
    const before = Date.now();
    for (const level of [2, 1]) {
      await client.send('SendDelayMessage', { producer_id, message_body: `${level}`, delay_time_level: level });
    }
    const messages = await stream.take(2);
    expect(messages.map(bodyOf)).toEqual(['1', '2']);
    messages.forEach(({ arrivedAtMs, born_timestamp }, index) => {
      const delayMs = delaysMs[index] ?? 0;
      expect(arrivedAtMs - before).toBeGreaterThanOrEqual(delayMs);
      expect(arrivedAtMs - Number(born_timestamp)).toBeLessThan(delayMs + lateMsMax);
    });
    stream.cancel();
  });

  const knowsNoTimes = isBefore5(variant, 'noDeliveryTime');

  test.skipIf(knowsNoTimes).concurrent('a delay to a time ends on time and never early', async () => {
    const topic = 'times';
    await cluster.createTopic(topic, { messageType: 'DELAY' });
    const producer_id = await client.createProducer(topic);
    const { stream } = await client.subscribe(topic, 'times');
    const start_deliver_time = Date.now() + 2_345;
    // The time wins over a level.
    await client.send('SendDelayMessage', {
      producer_id,
      message_body: 'time',
      start_deliver_time,
      delay_time_level: 3,
    });
    const [message] = await stream.take(1);
    expect(message?.arrivedAtMs).toBeGreaterThanOrEqual(start_deliver_time);
    expect(message?.arrivedAtMs).toBeLessThan(start_deliver_time + lateMsMax);
    stream.cancel();
  });

  test
    .skipIf(knowsNoTimes)
    .concurrent('start_deliver_time set in MessageProperties only: honoured by every send RPC', async () => {
      const topic = 'property-times';
      await cluster.createTopic(topic);
      const producer_id = await client.createProducer(topic);
      const { stream } = await client.subscribe(topic, 'property-times');
      const start_deliver_time = Date.now() + 2_000;
      for (const rpc of sendRpcs) {
        const properties = { start_deliver_time, sharding_key: 'key' };
        await client.send(rpc, { producer_id, message_body: rpc, properties });
      }
      const messages = await stream.take(sendRpcs.length);
      expect(messages.map(bodyOf).sort()).toEqual([...sendRpcs].sort());
      for (const { arrivedAtMs } of messages) {
        expect(arrivedAtMs).toBeGreaterThanOrEqual(start_deliver_time);
        expect(arrivedAtMs).toBeLessThan(start_deliver_time + lateMsMax);
      }
      stream.cancel();
    });

  test
    .runIf(knowsNoTimes)
    .concurrent(
      'a delay to a time is refused by every send RPC, naming the nearest level and PROXY_VENDOR, and nothing is stored',
      async () => {
        const topic = 'no-times';
        await cluster.createTopic(topic, { queueCount: 1 });
        const producer_id = await client.createProducer(topic);
        const start_deliver_time = Date.now() + 9_000;
        for (const rpc of sendRpcs) {
          const message = {
            producer_id,
            message_body: 'never',
            properties: { start_deliver_time, sharding_key: 'key' },
          };
          expect(await failureOf(client.send(rpc, message))).toEqual({
            code: 'FAILED_PRECONDITION',
            details: expect.stringMatching(/delay level 3 .*PROXY_VENDOR/),
          });
        }
        expect(await queueSizes(cluster, topic, 1)).toEqual([0]);
      },
    );

  test.concurrent('sharding_key set in MessageProperties only: honoured by every send RPC', async () => {
    const topic = 'property-keys';
    await cluster.createTopic(topic, { queueCount: 8 });
    const producer_id = await client.createProducer(topic);
    const { stream } = await client.subscribe(topic, 'property-keys');
    for (const rpc of sendRpcs) {
      await client.send(rpc, { producer_id, message_body: rpc, properties: { sharding_key: 'a' } });
    }
    const messages = await stream.take(sendRpcs.length);
    expect(messages.map(({ properties }) => properties['__SHARDINGKEY'])).toEqual(sendRpcs.map(() => 'a'));
    expect(await queueSizes(cluster, topic, 8)).toEqual([0, sendRpcs.length, 0, 0, 0, 0, 0, 0]);
    stream.cancel();
  });

  test.concurrent('immunity time set in MessageProperties only: honoured', async () => {
    const topic = 'property-immunity';
    await cluster.createTopic(topic, { queueCount: 1, messageType: 'TRANSACTION' });
    const producer_id = await client.createProducer(topic);
    const { stream } = await client.subscribe(topic, 'property-immunity');
    const properties = { trans_check_immunity_time: 71 };
    await client.send('SendTransactionMessage', { producer_id, message_body: 'in properties', properties });
    await client.send('SendTransactionMessage', {
      producer_id,
      message_body: 'of its own',
      properties,
      trans_check_immunity_time: 72,
    });
    await stream.take(2);
    const half = await storedText(cluster, 'RMQ_SYS_TRANS_HALF_TOPIC');
    expect(half.split('in properties')[1]).toContain('CHECK_IMMUNITY_TIME_IN_SECONDS\u000171\u0002');
    expect(half.split('of its own')[1]).toContain('CHECK_IMMUNITY_TIME_IN_SECONDS\u000172\u0002');
    stream.cancel();
  });

  test.concurrent('delay level 0, no time; a time in the past: delivered at once', async () => {
    const topic = 'at-once';
    await cluster.createTopic(topic, { queueCount: 1 });
    const producer_id = await client.createProducer(topic);
    const { stream } = await client.subscribe(topic, 'at-once');
    await client.send('SendDelayMessage', { producer_id, message_body: 'no delay' });
    await client.send('SendDelayMessage', { producer_id, message_body: '1970', start_deliver_time: 1 });
    await client.send('SendMessage', {
      producer_id,
      message_body: 'past',
      properties: { start_deliver_time: Date.now() - 1 },
    });
    // One queue: a message that waited anywhere would come after those that did not.
    await client.send('SendMessage', { producer_id, message_body: 'last' });
    expect((await stream.take(4)).map(bodyOf)).toEqual(['no delay', '1970', 'past', 'last']);
    stream.cancel();
  });

  test.concurrent('two consumers of a group share, two groups each get all', async () => {
    const topic = 'shared';
    await cluster.createTopic(topic, { queueCount: 8 });
    const producer_id = await client.createProducer(topic);
    const [one, two, other] = await Promise.all([
      client.subscribe(topic, 'shared'),
      client.subscribe(topic, 'shared'),
      client.subscribe(topic, 'shared-other'),
    ]);
    const sent: string[] = [];
    while ([one, two].some(({ stream }) => stream.messages.length < 5)) {
      expect(sent.length).toBeLessThan(2_000);
      const message_body = `message ${sent.length}`;
      await client.send('SendMessage', { producer_id, message_body });
      sent.push(message_body);
    }
    await other.stream.until(({ length }) => length >= sent.length);
    const ofGroup = () => [...one.stream.messages, ...two.stream.messages];
    await Promise.any([one, two].map(({ stream }) => stream.until(() => ofGroup().length >= sent.length)));
    // Each once, none missing.
    expect(ofGroup().map(bodyOf).sort()).toEqual([...sent].sort());
    expect(other.stream.messages.map(bodyOf).sort()).toEqual([...sent].sort());
    for (const { stream } of [one, two, other]) stream.cancel();
  });
};

describeOnTargets('messages through the proxy and back', suite, takesUnsigned);
