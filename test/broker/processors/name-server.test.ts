import { describe, expect, test } from 'vitest';
import { newTopic } from '../../../src/broker/topics.ts';
import { readJsonObject } from '../../../src/remoting/json.ts';
import { decodeBrokerNames, getClusterInfo } from '../../../src/remoting/requests/get-cluster-info.ts';
import { decodeRoute, getRoute } from '../../../src/remoting/requests/get-route.ts';
import {
  deleteKeyValueConfig,
  getKeyValueConfig,
  getKeyValueList,
} from '../../../src/remoting/requests/key-value-config.ts';
import { deleteTopicRoute } from '../../../src/remoting/requests/topic-config.ts';
import { getAllTopics, getSystemTopics, getTopicsOfCluster } from '../../../src/remoting/requests/topic-lists.ts';
import { connectEngine, startTestEngine } from '../../support/engine-client.ts';

async function start(options = {}) {
  const broker = await startTestEngine(options);
  return { broker, client: await connectEngine(broker.nameServer) };
}

describe('a route', () => {
  test('names the one broker and the queues of the topic', async () => {
    const { broker, client } = await start();
    await broker.engine.topics.put({ ...newTopic('T', 4), writeQueueCount: 2 }, broker.engine.state);
    expect(decodeRoute(await client.invoke(getRoute.encode({ topic: 'T' })))).toEqual({
      queues: [{ brokerName: 'broker-a', readQueueCount: 4, writeQueueCount: 2, permission: 6 }],
      brokers: [{ brokerName: 'broker-a', cluster: 'DefaultCluster', addresses: new Map([[0, broker.brokerAddress]]) }],
      orderTopicConfiguration: '',
    });
  });

  test('is not there for an unknown topic; that of TBW102 says whether one may be made', async () => {
    const open = await start();
    expect((await open.client.invoke(getRoute.encode({ topic: 'unknown' }))).code).toBe(17);
    const template = decodeRoute(await open.client.invoke(getRoute.encode({ topic: 'TBW102' })));
    expect(template.queues).toEqual([{ brokerName: 'broker-a', readQueueCount: 8, writeQueueCount: 8, permission: 7 }]);
    const closed = await start({ autoCreateTopics: false });
    expect((await closed.client.invoke(getRoute.encode({ topic: 'TBW102' }))).code).toBe(17);
  });
});

test('the cluster has the one broker', async () => {
  const { broker, client } = await start({ clusterName: 'here', brokerName: 'one' });
  const reply = await client.invoke(getClusterInfo.encode({}));
  expect(decodeBrokerNames(reply)).toEqual(['one']);
  expect(readJsonObject(reply.body, 'a cluster')).toEqual({
    brokerAddrTable: {
      one: {
        brokerAddrs: { 0: broker.brokerAddress },
        brokerName: 'one',
        cluster: 'here',
        enableActingMaster: false,
      },
    },
    clusterAddrTable: { here: ['one'] },
  });
});

test('topics are listed: all, those of a cluster, those of the system', async () => {
  const { broker, client } = await start();
  await broker.engine.topics.put(newTopic('T', 1), broker.engine.state);
  const list = async (content: Parameters<typeof client.invoke>[0]) =>
    readJsonObject((await client.invoke(content)).body, 'a list of topics');
  const all = await list(getAllTopics.encode({}));
  expect(all['topicList']).toEqual(expect.arrayContaining(['T', 'TBW102', 'broker-a', 'DefaultCluster']));
  expect(await list(getTopicsOfCluster.encode({ cluster: 'DefaultCluster' }))).toEqual(all);
  expect(await list(getTopicsOfCluster.encode({ cluster: 'other' }))).toEqual({ topicList: [] });
  expect(await list(getSystemTopics.encode({}))).toEqual({
    brokerAddr: broker.brokerAddress,
    topicList: ['DefaultCluster', 'broker-a'],
  });
});

test('there are no settings: they are not found, and to delete one changes nothing', async () => {
  const { client } = await start();
  const entry = { namespace: 'ORDER_TOPIC_CONFIG', key: 'T' };
  expect((await client.invoke(getKeyValueConfig.encode(entry))).code).toBe(22);
  expect((await client.invoke(getKeyValueList.encode({ namespace: 'ORDER_TOPIC_CONFIG' }))).code).toBe(22);
  expect((await client.invoke(deleteKeyValueConfig.encode(entry))).code).toBe(0);
  // PUT_KV_CONFIG and REGISTER_BROKER
  expect((await client.invoke({ code: 100, extFields: { ...entry, value: 'x' } })).code).toBe(3);
  expect((await client.invoke({ code: 103, extFields: {} })).code).toBe(3);
});

test('to delete a route is allowed, and leaves the topic of the broker', async () => {
  const { broker, client } = await start();
  await broker.engine.topics.put(newTopic('T', 1), broker.engine.state);
  expect((await client.invoke(deleteTopicRoute.encode({ topic: 'T' }))).code).toBe(0);
  expect((await client.invoke(getRoute.encode({ topic: 'T' }))).code).toBe(0);
});
