import { describe, expect, onTestFinished, test } from 'vitest';
import { RocketMQClient } from '../../../src/client/api/rocketmq-client.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { startApi } from '../../support/api-client.ts';
import { startScriptedCluster } from '../../support/scripted-cluster.ts';

describe('Admin', () => {
  test('makes, lists, measures and deletes topics, by names without the namespace', async () => {
    const { client, broker } = await startApi({ namespace: 'shop' });
    await broker.createTopic('foreign', { queueCount: 1 });
    const admin = client.admin();
    const [info, ...others] = await admin.brokers();
    expect(others).toEqual([]);
    const names = [info?.name];
    expect(await admin.createTopic('orders', { queueCount: 2 })).toEqual(names);
    expect(await admin.topics()).toEqual(['orders']);
    const { queue, queueOffset } = await client.producer().send({ topic: 'orders', body: 'x' });
    const offsets = await admin.topicOffsets('orders');
    expect(offsets.map((one) => one.queue.topic)).toEqual(['orders', 'orders']);
    expect(offsets[queue.queueId]).toEqual({ queue, minOffset: 0n, maxOffset: 1n, lastStoredAt: expect.any(Date) });
    expect(offsets[1 - queue.queueId]).toMatchObject({ maxOffset: 0n, lastStoredAt: undefined });
    expect(queueOffset).toBe(0n);
    expect(await admin.deleteTopic('orders', { clusterName: info?.clusterName ?? '' })).toEqual(names);
    expect(await admin.topics()).toEqual([]);
    await expect(admin.topicOffsets('orders')).rejects.toMatchObject({ code: 'TOPIC_NOT_FOUND' });
  });

  test('makes, lists, moves and deletes groups', async () => {
    const { client } = await startApi({ namespace: 'shop' });
    const admin = client.admin();
    await admin.createTopic('orders', { queueCount: 1 });
    const [brokerName = ''] = await admin.createGroup('billing', { retryMaxTimes: 3, retryQueueCount: 2 });
    const settings = { consumeEnable: true, consumeBroadcastEnable: true, consumeMessageOrderly: false };
    expect((await admin.groups()).get(brokerName)).toEqual([
      { group: 'billing', ...settings, retryMaxTimes: 3, retryQueueCount: 2 },
    ]);
    const producer = client.producer();
    for (const body of ['0', '1', '2']) await producer.send({ topic: 'orders', body });
    const queue = { topic: 'orders', brokerName, queueId: 0 };
    expect(await admin.resetOffsets('billing', 'orders', 'last')).toEqual([{ queue, offset: 3n }]);
    expect(await admin.groupOffsets('billing', 'orders')).toEqual([{ queue, consumerOffset: 3n, maxOffset: 3n }]);
    expect(await admin.resetOffsets('billing', 'orders', 'first')).toEqual([{ queue, offset: 0n }]);
    expect(await admin.resetOffsets('billing', 'orders', new Date(0))).toEqual([{ queue, offset: 0n }]);
    expect(await admin.deleteGroup('billing')).toEqual([brokerName]);
    expect((await admin.groups()).get(brokerName)).toEqual([]);
  });

  test('without a namespace it sees all topics, those of RocketMQ too', async () => {
    const { client } = await startApi();
    expect(await client.admin().topics()).toContain('TBW102');
  });

  test('refuses what cannot be', async () => {
    const { client } = await startApi();
    const admin = client.admin();
    const refused = { code: 'INVALID_ARGUMENT' };
    await expect(admin.createTopic('a b')).rejects.toMatchObject(refused);
    await expect(admin.createTopic('a', { queueCount: 1_025 })).rejects.toMatchObject(refused);
    await expect(admin.createTopic('a', { permission: JSON.parse('"all"') })).rejects.toMatchObject(refused);
    await expect(admin.createGroup('g', { retryMaxTimes: -1 })).rejects.toMatchObject(refused);
    await expect(admin.createGroup('g', { retryQueueCount: 1_025 })).rejects.toMatchObject(refused);
    await expect(admin.resetOffsets('g', 'a', new Date(Number.NaN))).rejects.toMatchObject(refused);
    await expect(admin.brokers({ timeoutMs: 0 })).rejects.toMatchObject(refused);
    await expect(admin.deleteTopic('a', { clusterName: 'other' })).rejects.toMatchObject({ code: 'UNREACHABLE' });
    const signal = AbortSignal.abort(new Error('gone'));
    await expect(admin.topics({ signal })).rejects.toMatchObject({ code: 'CANCELLED', cause: signal.reason });
    await client.close();
    expect(() => client.admin()).toThrow(expect.objectContaining({ code: 'CLOSED' }));
    await expect(admin.brokers()).rejects.toMatchObject({ code: 'CLOSED' });
  });

  test('says which brokers have done it where some have not', async () => {
    const cluster = await startScriptedCluster(2);
    onTestFinished(() => cluster.stop());
    const [a, b] = cluster.brokers;
    const table = cluster.queues.map(({ brokerName, address }) => [
      brokerName,
      { brokerAddrs: { '0': address }, brokerName, cluster: 'c' },
    ]);
    const body = Buffer.from(JSON.stringify({ brokerAddrTable: Object.fromEntries(table), clusterAddrTable: {} }));
    cluster.nameServer.on(RequestCode.GET_BROKER_CLUSTER_INFO, () => ({ body }));
    a?.on(RequestCode.UPDATE_AND_CREATE_TOPIC, () => ({}));
    b?.on(RequestCode.UPDATE_AND_CREATE_TOPIC, () => ({ code: ResponseCode.SYSTEM_BUSY, remark: 'later' }));
    const client = new RocketMQClient({ nameServers: cluster.nameServer.address });
    onTestFinished(() => client.close());
    const failure = client.admin().createTopic('orders');
    await expect(failure).rejects.toMatchObject({
      ...{ code: 'BUSY', retryable: true, brokerCode: ResponseCode.SYSTEM_BUSY },
      servers: {
        succeeded: ['broker-a'],
        failures: new Map([['broker-b', expect.objectContaining({ code: 'BUSY' })]]),
      },
    });
  });
});
