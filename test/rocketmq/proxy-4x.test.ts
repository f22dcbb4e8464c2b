import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { queueSizes, storedText } from '../support/broker-queues.ts';
import { failureOf, ProxyClient } from '../support/grpc-client.ts';
import { type ProxyProcess, startProxyProcess } from '../support/proxy-process.ts';
import { sendRpcs } from '../support/published-api.ts';
import { type RocketMQCluster, startRocketMQ } from './cluster.ts';
import { skipRocketMQ } from './java.ts';

describe.skipIf(skipRocketMQ())('through the proxy to RocketMQ 4.9.7', () => {
  let cluster: RocketMQCluster;
  let proxy: ProxyProcess;
  /** Takes the broker for one of Volcengine, whose brokers say version 4 too. */
  let cloudProxy: ProxyProcess;
  /** Waits 3 s for acks. */
  let hastyProxy: ProxyProcess;
  let client: ProxyClient;
  let hastyClient: ProxyClient;
  let cloudClient: ProxyClient;

  beforeAll(async () => {
    cluster = await startRocketMQ({ version: '4.9.7' });
    const settings = { ROCKETMQ_ENDPOINT: cluster.nameServer };
    [proxy, cloudProxy, hastyProxy] = await Promise.all([
      startProxyProcess(settings),
      startProxyProcess({ ...settings, PROXY_VENDOR: 'volcengine' }),
      startProxyProcess({ ...settings, PROXY_INVISIBLE_DURATION: '3s' }),
    ]);
    client = new ProxyClient(proxy.address);
    cloudClient = new ProxyClient(cloudProxy.address);
    hastyClient = new ProxyClient(hastyProxy.address);
  });

  afterAll(async () => {
    client?.close();
    cloudClient?.close();
    hastyClient?.close();
    await Promise.all([proxy?.stop(), cloudProxy?.stop(), hastyProxy?.stop()]);
    await cluster?.stop();
  });

  /** Waits until a topic has so many messages in all: brokers put them into their queues a little after they answered. */
  async function becomesStored(topic: string, count: number, queueCount = 1): Promise<number[]> {
    let sizes: number[] = [];
    const isStored = async (): Promise<boolean> => {
      sizes = await queueSizes(cluster, topic, queueCount);
      return sizes.reduce((sum, size) => sum + size) >= count;
    };
    await vi.waitUntil(isStored, { timeout: 20_000, interval: 20 });
    return sizes;
  }

  test.each(sendRpcs)('%s: the message is stored as it was sent', async (rpc) => {
    const topic = `kinds-${rpc}`;
    await cluster.createTopic(topic, { queueCount: 1 });
    const producer_id = await client.createProducer(topic);
    const { message_id } = await client.send(rpc, {
      producer_id,
      message_body: 'Grüße, 世界 🚀',
      tag: 'Größe',
      properties: { message_key: 'key', sharding_key: 'shard', properties: { color: 'blau' } },
    });
    // Also half messages: they are committed.
    await becomesStored(topic, 1);
    const text = await storedText(cluster, topic);
    expect(text).toContain('Grüße, 世界 🚀');
    const properties = { UNIQ_KEY: message_id, TAGS: 'Größe', KEYS: 'key', __SHARDINGKEY: 'shard', color: 'blau' };
    for (const [name, value] of Object.entries(properties)) expect(text).toContain(`${name}\u0001${value}`);
  });

  test('messages of one sharding key are stored in one queue, in order', async () => {
    const topic = 'ordered';
    await cluster.createTopic(topic, { queueCount: 8 });
    const producer_id = await client.createProducer(topic);
    for (const message_body of ['<1>', '<2>', '<3>']) {
      await client.send('SendOrderedMessage', { producer_id, message_body, sharding_key: 'a' });
    }
    expect(await becomesStored(topic, 3, 8)).toEqual([0, 3, 0, 0, 0, 0, 0, 0]);
    expect((await storedText(cluster, topic, 1)).match(/<\d>/g)).toEqual(['<1>', '<2>', '<3>']);
  });

  test('a delay by level ends on time and never early', async () => {
    const topic = 'levels';
    await cluster.createTopic(topic, { queueCount: 1 });
    const producer_id = await client.createProducer(topic);
    const sentAtMs = Date.now();
    await client.send('SendDelayMessage', { producer_id, message_body: 'later', delay_time_level: 1 });
    await becomesStored(topic, 1);
    expect(Date.now() - sentAtMs).toBeGreaterThanOrEqual(1_000);
    expect(Date.now() - sentAtMs).toBeLessThan(4_000);
  });

  test('a delay to a time is refused, naming the nearest level and PROXY_VENDOR, and nothing is stored', async () => {
    const topic = 'times';
    await cluster.createTopic(topic, { queueCount: 1 });
    const producer_id = await client.createProducer(topic);
    const start_deliver_time = Date.now() + 9_000;
    const refused = { code: 'FAILED_PRECONDITION', details: expect.stringMatching(/delay level 3 .*PROXY_VENDOR/) };
    for (const rpc of sendRpcs) {
      const message = { producer_id, message_body: 'never', properties: { start_deliver_time, sharding_key: 'key' } };
      expect(await failureOf(client.send(rpc, message))).toEqual(refused);
    }
    await client.send('SendDelayMessage', { producer_id, message_body: 'past', start_deliver_time: 1 });
    expect(await becomesStored(topic, 1)).toEqual([1]);
  });

  test('with PROXY_VENDOR=volcengine the message carries __STARTDELIVERTIME', async () => {
    const topic = 'cloud-times';
    await cluster.createTopic(topic, { queueCount: 1 });
    const producer_id = await cloudClient.createProducer(topic);
    const start_deliver_time = Date.now() + 60_000;
    for (const rpc of sendRpcs) {
      const properties = { start_deliver_time, sharding_key: 'key' };
      await cloudClient.send(rpc, { producer_id, message_body: rpc, properties });
    }
    // This broker does not know the property and stores at once.
    await becomesStored(topic, sendRpcs.length);
    const text = await storedText(cluster, topic);
    expect(text.split(`__STARTDELIVERTIME\u0001${start_deliver_time}`)).toHaveLength(sendRpcs.length + 1);
  });

  test('empty body: stored, since RocketMQ 4 can', async () => {
    const topic = 'empty';
    await cluster.createTopic(topic, { queueCount: 1 });
    const producer_id = await client.createProducer(topic);
    await client.send('SendMessage', { producer_id, message_body: '' });
    expect(await becomesStored(topic, 1)).toEqual([1]);
  });

  test('unknown topic: made by the broker', async () => {
    const producer_id = await client.createProducer('made-by-producer');
    await client.send('SendMessage', { producer_id, message_body: 'first' });
    const sizes = await becomesStored('made-by-producer', 1, 8);
    expect(sizes.reduce((sum, size) => sum + size)).toBe(1);
  });

  const bodyOf = ({ message_body }: { readonly message_body: string }): string => message_body;

  test('a consumer receives by pull what was sent after it was created, and an ack is for good', async () => {
    const topic = 'consumed';
    await cluster.createTopic(topic, { queueCount: 4 });
    const producer_id = await client.createProducer(topic);
    const consumerId = await client.createConsumer(topic, 'g-consumed', { tag_expression: 'tag || other' });
    const bodies = Array.from({ length: 40 }, (_, index) => `body ${index}`);
    for (const message_body of bodies) await client.send('SendMessage', { producer_id, message_body, tag: 'tag' });
    await client.send('SendMessage', { producer_id, message_body: 'unwanted', tag: 'third' });
    const stream = client.receive(consumerId);
    const messages = await stream.take(40);
    expect(messages.map(bodyOf).sort()).toEqual([...bodies].sort());
    expect(messages[0]).toMatchObject({ tag: 'tag', reconsume_times: 0 });
    for (const message of messages) await client.ack(consumerId, message);
    for (const message of messages.slice(0, 3)) await client.ack(consumerId, message);
    stream.cancel();
    const next = client.receive(consumerId);
    await client.send('SendMessage', { producer_id, message_body: 'last', tag: 'other' });
    expect((await next.take(1)).map(bodyOf)).toEqual(['last']);
    next.cancel();
  });

  test('what is not acknowledged in time comes again as the same message, and its old handle is expired', async () => {
    const topic = 'redelivered';
    await cluster.createTopic(topic, { queueCount: 1 });
    const producer_id = await hastyClient.createProducer(topic);
    const { consumerId, stream } = await hastyClient.subscribe(topic, 'g-redelivered');
    const properties = { message_key: 'key', properties: { color: 'blau' } };
    await hastyClient.send('SendMessage', { producer_id, message_body: 'left', tag: 'tag', properties });
    const [first, second, third] = await stream.take(3);
    expect([first, second, third].map((message) => message?.reconsume_times)).toEqual([0, 1, 2]);
    expect(third).toMatchObject({
      message_id: first?.message_id,
      message_body: 'left',
      tag: 'tag',
      born_timestamp: first?.born_timestamp,
      properties: { KEYS: 'key', color: 'blau' },
    });
    const late = await failureOf(hastyClient.ack(consumerId, { receipt_handle: first?.receipt_handle ?? '' }));
    expect(late).toEqual({ code: 'FAILED_PRECONDITION', details: expect.stringMatching(/delivered again/) });
    if (third !== undefined) await hastyClient.ack(consumerId, third);
    stream.cancel();
  });

  test('the end of a stream gives its queues and messages to the others of the group, also through another proxy', async () => {
    const topic = 'released';
    await cluster.createTopic(topic, { queueCount: 4 });
    const producer_id = await client.createProducer(topic);
    const one = await client.subscribe(topic, 'g-released');
    const other = await hastyClient.subscribe(topic, 'g-released');
    const received = (): number => one.stream.messages.length + other.stream.messages.length;
    let sentCount = 0;
    const send = async (): Promise<void> => {
      sentCount += 1;
      await client.send('SendMessage', { producer_id, message_body: `body ${sentCount}` });
    };
    // Until each has some of the queues.
    while (one.stream.messages.length === 0 || other.stream.messages.length === 0) {
      expect(sentCount).toBeLessThan(200);
      await send();
      await vi.waitUntil(() => received() >= sentCount, { timeout: 20_000, interval: 20 });
    }
    for (const message of one.stream.messages) await client.ack(one.consumerId, message);
    for (const message of other.stream.messages) await hastyClient.ack(other.consumerId, message);
    const [before, otherBefore] = [one.stream.messages.length, other.stream.messages.length];
    for (let count = 0; count < 20; count += 1) await send();
    await vi.waitUntil(() => received() >= sentCount, { timeout: 20_000, interval: 20 });
    for (const message of other.stream.messages.slice(otherBefore)) await hastyClient.ack(other.consumerId, message);
    const [acknowledged, ...left] = one.stream.messages.slice(before);
    if (acknowledged !== undefined) await client.ack(one.consumerId, acknowledged);
    one.stream.cancel();
    const otherCount = other.stream.messages.length;
    await other.stream.until((messages) => messages.length >= otherCount + left.length);
    const again = other.stream.messages.slice(otherCount);
    expect(again.map(bodyOf).sort()).toEqual(left.map(bodyOf).sort());
    expect(again.every(({ reconsume_times }) => reconsume_times === 1)).toBe(true);
    for (const message of again) await hastyClient.ack(other.consumerId, message);
    other.stream.cancel();
  });

  test('a clean-up ends the consumer and its streams, and its group is usable at once', async () => {
    const topic = 'cleaned';
    await cluster.createTopic(topic, { queueCount: 4 });
    const producer_id = await client.createProducer(topic);
    const { consumerId, stream } = await client.subscribe(topic, 'g-cleaned');
    await client.send('SendMessage', { producer_id, message_body: 'first' });
    await stream.take(1);
    const { cleaned_count } = await client.call('CleanupConsumer', {
      consumer_id: consumerId,
      group_id: '',
      topic: '',
    });
    expect(cleaned_count).toBe(1);
    await stream.ended();
    expect(
      await failureOf(
        client
          .receive(consumerId)
          .ended()
          .then((error) => Promise.reject(error)),
      ),
    ).toMatchObject({
      code: 'NOT_FOUND',
    });
    const { stream: next } = await client.subscribe(topic, 'g-cleaned', { tag_expression: '*' });
    expect((await next.take(1)).map(bodyOf)).toEqual(['first']);
    next.cancel();
  });

  test('one group with two filters for one topic is refused, naming the first', async () => {
    const topic = 'filters';
    await cluster.createTopic(topic, { queueCount: 1 });
    await client.createConsumer(topic, 'g-filters', { tag_expression: 'a' });
    expect(await failureOf(client.createConsumer(topic, 'g-filters', { tag_expression: 'b' }))).toEqual({
      code: 'INVALID_ARGUMENT',
      details: expect.stringMatching(/filter a already/),
    });
  });

  test('a topic that does not exist yet is received from once it does', async () => {
    const { stream } = await client.subscribe('not-there-yet', 'g-early');
    const producer_id = await client.createProducer('not-there-yet');
    await client.send('SendMessage', { producer_id, message_body: 'first' });
    expect((await stream.take(1)).map(bodyOf)).toEqual(['first']);
    stream.cancel();
  });

  test('POP cannot be had from 4.x, and who insists on it is told', async () => {
    const popping = await startProxyProcess({ ROCKETMQ_ENDPOINT: cluster.nameServer, PROXY_CONSUME_MODE: 'pop' });
    const popClient = new ProxyClient(popping.address);
    await cluster.createTopic('popped', { queueCount: 1 });
    expect(await failureOf(popClient.createConsumer('popped', 'group'))).toEqual({
      code: 'FAILED_PRECONDITION',
      details: expect.stringMatching(/RocketMQ 4\.x.*no POP.*by pull/),
    });
    popClient.close();
    await popping.stop();
  });
});
