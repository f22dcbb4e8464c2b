import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { quickRedelivery } from '../rocketmq/cluster.ts';
import { failureOf, ProxyClient } from '../support/grpc-client.ts';
import type { ReceivedMessage } from '../support/message-stream.ts';
import { startProxyProcess, type TestedProxy } from '../support/proxy-process.ts';
import { sendRpcs } from '../support/published-api.ts';
import {
  describeOnTargets,
  isBefore5,
  lacks,
  startProxy,
  startTarget,
  type Target,
  takesUnsigned,
  type Variant,
} from './target.ts';

const GET_ALL_SUBSCRIPTION_GROUPS = 201;

const bodyOf = ({ message_body }: ReceivedMessage): string => message_body;

const suite = (variant: Variant): void => {
  const { version } = variant;
  let cluster: Target;
  let proxy: TestedProxy;
  let client: ProxyClient;

  beforeAll(async () => {
    cluster = await startTarget({ version, apache: quickRedelivery });
    proxy = await startProxy({ ROCKETMQ_ENDPOINT: cluster.nameServer });
    client = new ProxyClient(proxy.address);
  });

  afterAll(async () => {
    client?.close();
    await proxy?.stop();
    await cluster?.stop();
  });

  async function expectConsumerGone(consumerId: string): Promise<void> {
    const gone = { code: 'NOT_FOUND', details: expect.stringContaining('consumer_id') };
    const stream = await client.receive(consumerId).ended();
    expect(stream).toMatchObject({ code: 5, details: expect.stringContaining('consumer_id') });
    expect(await failureOf(client.ack(consumerId, { receipt_handle: 'x' }))).toEqual(gone);
    expect(await client.call('CleanupConsumer', { consumer_id: consumerId })).toMatchObject({ cleaned_count: 0 });
  }

  async function expectProducerGone(producerId: string): Promise<void> {
    const gone = { code: 'NOT_FOUND', details: expect.stringContaining('producer_id') };
    for (const rpc of sendRpcs) {
      const message = { producer_id: producerId, message_body: 'refused', properties: { sharding_key: 'key' } };
      expect(await failureOf(client.send(rpc, message))).toEqual(gone);
    }
    expect(await client.call('CleanupProducer', { producer_id: producerId })).toMatchObject({ cleaned_count: 0 });
  }

  test.concurrent('consumer cleaned up: its streams end, its id is refused in every RPC, its group is usable at once', async () => {
    const topic = 'cleaned';
    await cluster.createTopic(topic, { queueCount: 1 });
    const producer_id = await client.createProducer(topic);
    const { consumerId, stream } = await client.subscribe(topic, topic);
    const second = client.receive(consumerId);
    for (const message_body of ['1', '2', '3']) await client.send('SendMessage', { producer_id, message_body });
    await Promise.any(
      [stream, second].map((one) => one.until(() => stream.messages.length + second.messages.length >= 3)),
    );
    const [held] = [...stream.messages, ...second.messages];

    expect(await client.call('CleanupConsumer', { consumer_id: consumerId })).toMatchObject({
      success: true,
      cleaned_count: 1,
    });
    const next = await client.subscribe(topic, topic);
    expect(await Promise.all([stream.ended(), second.ended()])).toEqual([undefined, undefined]);
    await expectConsumerGone(consumerId);
    // Long before their 30 s are over.
    const again = await next.stream.take(3, 10_000);
    expect(again.map(bodyOf).sort()).toEqual(['1', '2', '3']);
    expect(await failureOf(client.ack(next.consumerId, { receipt_handle: held?.receipt_handle ?? '' }))).toMatchObject({
      code: 'FAILED_PRECONDITION',
    });
    await Promise.all(again.map((message) => client.ack(next.consumerId, message)));
    next.stream.cancel();
  });

  test.concurrent('CleanupConsumer by group: all of that group and topic on this proxy, nobody else', async () => {
    const topics = ['by-group', 'by-group-other'];
    for (const topic of topics) await cluster.createTopic(topic, { queueCount: 1 });
    const [one = '', other = ''] = topics;
    const ended = await Promise.all([client.subscribe(one, 'by-group'), client.subscribe(one, 'by-group')]);
    const ofOtherTopic = await client.subscribe(other, 'by-group');
    const ofOtherGroup = await client.subscribe(one, 'by-group-2');

    const cleanUp = (request: object) => client.call('CleanupConsumer', request);
    expect(await cleanUp({ group_id: 'by-group', topic: one })).toMatchObject({ success: true, cleaned_count: 2 });
    for (const { consumerId, stream } of ended) {
      expect(await stream.ended()).toBeUndefined();
      await expectConsumerGone(consumerId);
    }
    expect(await cleanUp({ group_id: 'by-group', topic: one })).toMatchObject({ cleaned_count: 0 });
    const again = await client.subscribe(one, 'by-group');

    for (const topic of topics) {
      const producer_id = await client.createProducer(topic);
      await client.send('SendMessage', { producer_id, message_body: 'still here' });
    }
    for (const { stream } of [ofOtherTopic, ofOtherGroup, again]) {
      expect((await stream.take(1)).map(bodyOf)).toEqual(['still here']);
    }
    // Whatever the topic.
    expect(await cleanUp({ group_id: 'by-group' })).toMatchObject({ cleaned_count: 2 });
    expect(await Promise.all([ofOtherTopic.stream.ended(), again.stream.ended()])).toEqual([undefined, undefined]);
    expect(ofOtherGroup.stream.isOpen).toBe(true);
    ofOtherGroup.stream.cancel();
  });

  test.concurrent('CleanupProducer by id, by topic, and by topic and endpoint; a new one works at once', async () => {
    const topic = 'producers';
    await cluster.createTopic(topic, { queueCount: 1 });
    await cluster.createTopic('producers-other', { queueCount: 1 });
    const here = { endpoint: cluster.nameServer };
    const byName = { endpoint: cluster.nameServer.replace('127.0.0.1', 'localhost') };
    const alone = await client.createProducer(topic);
    expect(await client.call('CleanupProducer', { producer_id: alone })).toMatchObject({
      success: true,
      cleaned_count: 1,
    });
    await expectProducerGone(alone);

    const named = await client.createProducer(topic, byName);
    const rest = [await client.createProducer(topic, here), await client.createProducer(topic)];
    const other = await client.createProducer('producers-other');
    expect(await client.call('CleanupProducer', { topic, ...byName })).toMatchObject({ cleaned_count: 1 });
    await expectProducerGone(named);
    expect(await client.call('CleanupProducer', { topic })).toMatchObject({ cleaned_count: 2 });
    for (const producerId of rest) await expectProducerGone(producerId);

    const again = await client.createProducer(topic);
    for (const producer_id of [again, other]) await client.send('SendMessage', { producer_id, message_body: 'works' });
  });

  test.concurrent('Cleanup with an empty request: cleans nothing, cleaned_count 0, says what to name', async () => {
    const topic = 'spared';
    await cluster.createTopic(topic, { queueCount: 1 });
    const producer_id = await client.createProducer(topic);
    const { stream } = await client.subscribe(topic, topic);
    for (const request of [{}, { producer_id: '', topic: '', endpoint: '' }, { endpoint: cluster.nameServer }]) {
      const reply = await client.call('CleanupProducer', request);
      expect(reply).toEqual({
        success: true,
        cleaned_count: 0,
        message: expect.stringMatching(/producer_id or a topic/),
      });
    }
    for (const request of [{}, { consumer_id: '', group_id: '', topic: '' }, { topic }]) {
      const reply = await client.call('CleanupConsumer', request);
      expect(reply).toEqual({
        success: true,
        cleaned_count: 0,
        message: expect.stringMatching(/consumer_id or a group_id/),
      });
    }
    await client.send('SendMessage', { producer_id, message_body: 'spared' });
    expect((await stream.take(1)).map(bodyOf)).toEqual(['spared']);
    stream.cancel();
  });

  test.concurrent('one group name in two instances with namespaces: two groups; groups get the prefix too', async () => {
    const instances = ['MQ_INST_1', 'MQ_INST_2'].map((instance_id) => ({ instance_id }));
    for (const { instance_id } of instances) await cluster.createTopic(`${instance_id}%orders`, { queueCount: 1 });
    const consumers = await Promise.all(instances.map((instance) => client.subscribe('orders', 'clerks', instance)));
    for (const instance of instances) {
      const producer_id = await client.createProducer('orders', instance);
      await client.send('SendMessage', { producer_id, message_body: instance.instance_id });
    }
    for (const [index, { consumerId, stream }] of consumers.entries()) {
      const [message] = await stream.take(1);
      expect(message?.message_body).toBe(instances[index]?.instance_id);
      if (message !== undefined) await client.ack(consumerId, message);
    }
    const groups = (await cluster.brokerCall(GET_ALL_SUBSCRIPTION_GROUPS)).body.toString();
    expect(groups.match(/"[^"]*clerks"(?=:)/g)?.sort()).toEqual(['"MQ_INST_1%clerks"', '"MQ_INST_2%clerks"']);

    expect(await client.call('CleanupConsumer', { group_id: 'MQ_INST_1%clerks' })).toMatchObject({ cleaned_count: 1 });
    expect(await consumers[0]?.stream.ended()).toBeUndefined();
    expect(consumers[1]?.stream.isOpen).toBe(true);
    consumers[1]?.stream.cancel();
  });

  test.concurrent('an instance id of open-source brokers changes no names', async () => {
    await cluster.createTopic('plain', { queueCount: 1 });
    const { stream } = await client.subscribe('plain', 'plain', { instance_id: 'rocketmq-cn-1' });
    const producer_id = await client.createProducer('plain', { instance_id: 'another' });
    await client.send('SendMessage', { producer_id, message_body: 'same topic' });
    expect((await stream.take(1)).map(bodyOf)).toEqual(['same topic']);
    stream.cancel();
  });

  test.concurrent('unknown topic: a consumer works as soon as the topic exists, which a producer makes', async () => {
    const { stream } = await client.subscribe('made-later', 'made-later');
    const producer_id = await client.createProducer('made-later');
    await client.send('SendMessage', { producer_id, message_body: 'first' });
    expect((await stream.take(1)).map(bodyOf)).toEqual(['first']);
    stream.cancel();
  });

  test.concurrent('ids outlive their idle time', async () => {
    const topic = 'idle';
    await cluster.createTopic(topic, { queueCount: 1 });
    const idle = await startProxy({
      ROCKETMQ_ENDPOINT: cluster.nameServer,
      PRODUCER_CLEANUP_TIMEOUT: '1s',
      CONSUMER_CLEANUP_TIMEOUT: '1s',
    });
    const idleClient = new ProxyClient(idle.address);
    const producer_id = await idleClient.createProducer(topic);
    const { consumerId, stream } = await idleClient.subscribe(topic, topic);
    await idleClient.send('SendMessage', { producer_id, message_body: 'before' });
    const [message] = await stream.take(1);
    await vi.waitUntil(async () => (await idle.metrics())['active_producers'] === 0, 10_000);
    // A stream is a use.
    expect(await idle.metrics()).toMatchObject({ active_consumers: 1 });
    if (message !== undefined) await idleClient.ack(consumerId, message);
    stream.cancel();
    await vi.waitUntil(async () => (await idle.metrics())['active_consumers'] === 0, 10_000);
    await idleClient.send('SendMessage', { producer_id, message_body: 'after' });
    expect((await idleClient.receive(consumerId).take(1)).map(bodyOf)).toEqual(['after']);
    idleClient.close();
    await idle.stop();
  });

  test
    .skipIf(lacks('embedded', 'processes') || isBefore5(variant, 'pulledHandles'))
    .concurrent('a restart after SIGKILL: ids and receipt handles from before still work', async () => {
      const topic = 'restart';
      await cluster.createTopic(topic, { queueCount: 1 });
      const directory = await mkdtemp(join(tmpdir(), 'proxy-data-'));
      const settings = {
        ROCKETMQ_ENDPOINT: cluster.nameServer,
        PROXY_DATA_DIR: directory,
        // Longer than a process takes to start on a crowded machine.
        PROXY_INVISIBLE_DURATION: '15s',
      };
      const before = await startProxyProcess(settings);
      const clientBefore = new ProxyClient(before.address);
      const producer_id = await clientBefore.createProducer(topic);
      const { consumerId, stream } = await clientBefore.subscribe(topic, topic);
      for (const message_body of ['kept', 'clock'])
        await clientBefore.send('SendMessage', { producer_id, message_body });
      const [kept] = await stream.take(2);
      before.kill('SIGKILL');
      await before.exited;
      clientBefore.close();

      const after = await startProxyProcess(settings);
      const clientAfter = new ProxyClient(after.address);
      await clientAfter.ack(consumerId, { receipt_handle: kept?.receipt_handle ?? '' });
      await clientAfter.send('SendMessage', { producer_id, message_body: 'new' });
      expect((await clientAfter.receive(consumerId).take(2)).map(bodyOf)).toEqual(['new', 'clock']);
      clientAfter.close();
      await after.stop();
      await rm(directory, { recursive: true });
    });

  test.concurrent('two instances with one seal key: what one handed out is acknowledged through the other', async () => {
    const topic = 'instances';
    await cluster.createTopic(topic, { queueCount: 1 });
    const settings = {
      ROCKETMQ_ENDPOINT: cluster.nameServer,
      PROXY_SEAL_KEY: randomBytes(32).toString('hex'),
      PROXY_INVISIBLE_DURATION: '4s',
    };
    const proxies = await Promise.all([startProxy(settings), startProxy(settings)]);
    const [one, two] = proxies.map(({ address }) => new ProxyClient(address));
    if (one === undefined || two === undefined) return;
    const producer_id = await one.createProducer(topic);
    const { consumerId, stream } = await one.subscribe(topic, topic);
    for (const message_body of ['done', 'clock']) await two.send('SendMessage', { producer_id, message_body });
    const [done] = await stream.take(2);
    if (done !== undefined) await two.ack(consumerId, done);
    expect((await stream.take(2)).map(bodyOf)).toEqual(['clock', 'clock']);
    one.close();
    two.close();
    await Promise.all(proxies.map((instance) => instance.stop()));
  });
};

describeOnTargets('producers, consumers and their ids', suite, takesUnsigned);
