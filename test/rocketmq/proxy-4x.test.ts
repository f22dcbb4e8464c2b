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
  let otherProxy: ProxyProcess;
  let client: ProxyClient;
  let otherClient: ProxyClient;
  let cloudClient: ProxyClient;

  beforeAll(async () => {
    cluster = await startRocketMQ({ version: '4.9.7' });
    const settings = { ROCKETMQ_ENDPOINT: cluster.nameServer };
    [proxy, cloudProxy, otherProxy] = await Promise.all([
      startProxyProcess(settings),
      startProxyProcess({ ...settings, PROXY_VENDOR: 'volcengine' }),
      startProxyProcess(settings),
    ]);
    client = new ProxyClient(proxy.address);
    cloudClient = new ProxyClient(cloudProxy.address);
    otherClient = new ProxyClient(otherProxy.address);
  });

  afterAll(async () => {
    client?.close();
    cloudClient?.close();
    otherClient?.close();
    await Promise.all([proxy?.stop(), cloudProxy?.stop(), otherProxy?.stop()]);
    await cluster?.stop();
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
    await vi.waitUntil(async () => Number((await queueSizes(cluster, topic, 1))[0]) >= sendRpcs.length, 20_000);
    const text = await storedText(cluster, topic);
    expect(text.split(`__STARTDELIVERTIME\u0001${start_deliver_time}`)).toHaveLength(sendRpcs.length + 1);
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

  test('the end of a stream gives its queues and messages to the others of the group, also through another proxy', async () => {
    const topic = 'released';
    await cluster.createTopic(topic, { queueCount: 4 });
    const producer_id = await client.createProducer(topic);
    const one = await client.subscribe(topic, 'g-released');
    const other = await otherClient.subscribe(topic, 'g-released');
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
    for (const message of other.stream.messages) await otherClient.ack(other.consumerId, message);
    const [before, otherBefore] = [one.stream.messages.length, other.stream.messages.length];
    for (let count = 0; count < 20; count += 1) await send();
    await vi.waitUntil(() => received() >= sentCount, { timeout: 20_000, interval: 20 });
    for (const message of other.stream.messages.slice(otherBefore)) await otherClient.ack(other.consumerId, message);
    const [acknowledged, ...left] = one.stream.messages.slice(before);
    if (acknowledged !== undefined) await client.ack(one.consumerId, acknowledged);
    one.stream.cancel();
    const otherCount = other.stream.messages.length;
    await other.stream.until((messages) => messages.length >= otherCount + left.length);
    const again = other.stream.messages.slice(otherCount);
    expect(again.map(bodyOf).sort()).toEqual(left.map(bodyOf).sort());
    expect(again.every(({ reconsume_times }) => reconsume_times === 1)).toBe(true);
    for (const message of again) await otherClient.ack(other.consumerId, message);
    other.stream.cancel();
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
