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
  let client: ProxyClient;
  let cloudClient: ProxyClient;

  beforeAll(async () => {
    cluster = await startRocketMQ({ version: '4.9.7' });
    const settings = { ROCKETMQ_ENDPOINT: cluster.nameServer };
    [proxy, cloudProxy] = await Promise.all([
      startProxyProcess(settings),
      startProxyProcess({ ...settings, PROXY_VENDOR: 'volcengine' }),
    ]);
    client = new ProxyClient(proxy.address);
    cloudClient = new ProxyClient(cloudProxy.address);
  });

  afterAll(async () => {
    client?.close();
    cloudClient?.close();
    await Promise.all([proxy?.stop(), cloudProxy?.stop()]);
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

  test('CreateConsumer says that receiving from 4.x is not supported yet', async () => {
    await cluster.createTopic('consumed', { queueCount: 1 });
    for (const topic of ['consumed', 'not-there-yet']) {
      expect(await failureOf(client.createConsumer(topic, 'group'))).toEqual({
        code: 'FAILED_PRECONDITION',
        details: expect.stringMatching(/RocketMQ 4\.x.*cannot be received yet/),
      });
    }
  });
});
