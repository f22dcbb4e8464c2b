import { expect, onTestFinished, test } from 'vitest';
import type { ClusterClient } from '../../../src/client/client.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { outgoing, soon } from '../../support/real-client.ts';
import { type ScriptedCluster, startScriptedCluster } from '../../support/scripted-cluster.ts';

interface Registered {
  readonly name: string;
  readonly clusterName?: string;
  readonly address?: string;
}

/** A name server that has these brokers registered, where they have an address. */
function register({ nameServer }: ScriptedCluster, brokers: readonly Registered[]): void {
  const table = brokers.map(({ name, clusterName = 'c', address }) => {
    const brokerAddrs = address === undefined ? { '1': 'h:1' } : { '0': address };
    return [name, { brokerAddrs, brokerName: name, cluster: clusterName }];
  });
  const body = Buffer.from(JSON.stringify({ brokerAddrTable: Object.fromEntries(table), clusterAddrTable: {} }));
  nameServer.on(RequestCode.GET_BROKER_CLUSTER_INFO, () => ({ body }));
}

async function startThree(): Promise<ScriptedCluster & { readonly ours: ClusterClient }> {
  const cluster = await startScriptedCluster(3);
  onTestFinished(() => cluster.stop());
  const [a, b, c] = cluster.brokers.map(({ address }) => address);
  register(cluster, [
    { name: 'broker-a', address: a ?? '' },
    { name: 'broker-b', address: b ?? '' },
    { name: 'broker-c', address: c ?? '', clusterName: 'other' },
  ]);
  return { ...cluster, ours: cluster.client() };
}

test('brokers are listed with their clusters and masters', async () => {
  const cluster = await startThree();
  register(cluster, [{ name: 'b', clusterName: 'two', address: 'h:2' }, { name: 'a' }]);
  expect(await cluster.ours.admin.brokers(soon())).toEqual([
    { name: 'a', clusterName: 'c', masterAddress: undefined },
    { name: 'b', clusterName: 'two', masterAddress: 'h:2' },
  ]);
});

test('a topic is made at every master, or those of one cluster, as it was described', async () => {
  const { ours, brokers } = await startThree();
  const asked = () => brokers.map((peer) => peer.requests(RequestCode.UPDATE_AND_CREATE_TOPIC).length);
  const topic = { name: 'orders', queueCount: 8, messageType: 'FIFO', order: true } as const;
  expect(await ours.admin.createTopic(topic, soon())).toEqual(['broker-a', 'broker-b', 'broker-c']);
  expect(asked()).toEqual([1, 1, 1]);
  expect(brokers[0]?.requests(RequestCode.UPDATE_AND_CREATE_TOPIC)[0]?.extFields).toEqual({
    topic: 'orders',
    defaultTopic: 'TBW102',
    readQueueNums: '8',
    writeQueueNums: '8',
    perm: '6',
    topicFilterType: 'SINGLE_TAG',
    topicSysFlag: '0',
    order: 'true',
    attributes: '+message.type=FIFO',
  });
  expect(await ours.admin.createTopic({ ...topic, clusterName: 'other' }, soon())).toEqual(['broker-c']);
  expect(asked()).toEqual([1, 1, 2]);
  await expect(ours.admin.createTopic({ ...topic, clusterName: 'none' }, soon())).rejects.toMatchObject({
    kind: 'noBroker',
  });
});

test('one error names each broker that failed, and those that did not', async () => {
  const cluster = await startThree();
  const [first] = cluster.brokers;
  register(cluster, [
    { name: 'broker-a', address: first?.address ?? '' },
    { name: 'broker-down', address: '127.0.0.1:1' },
    { name: 'broker-gone' },
  ]);
  const creating = cluster.ours.admin.createGroup({ name: 'g' }, soon());
  await expect(creating).rejects.toMatchObject({ name: 'PartialFailureError', succeeded: ['broker-a'] });
  await expect(creating).rejects.toThrow(/^creating group g failed at broker-down: .*; broker-gone: .*no master/);
  expect(first?.requests(RequestCode.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP)).toHaveLength(1);
});

test('a topic is deleted at brokers, which may not have it, and at every name server', async () => {
  const { ours, brokers, nameServer } = await startThree();
  brokers[1]?.on(RequestCode.DELETE_TOPIC_IN_BROKER, () => ({ code: ResponseCode.TOPIC_NOT_EXIST }));
  expect(await ours.admin.deleteTopic('topic', {}, soon())).toEqual(['broker-a', 'broker-b', 'broker-c']);
  expect(nameServer.requests(RequestCode.DELETE_TOPIC_IN_NAMESRV)[0]?.extFields).toEqual({ topic: 'topic' });
  nameServer.on(RequestCode.DELETE_TOPIC_IN_NAMESRV, () => ({ code: ResponseCode.SYSTEM_ERROR, remark: 'no' }));
  await expect(ours.admin.deleteTopic('topic', {}, soon())).rejects.toThrow(nameServer.address);
  // As long as a broker has the topic, name servers would hear of it again.
  nameServer.received.length = 0;
  brokers[0]?.on(RequestCode.DELETE_TOPIC_IN_BROKER, () => ({ code: ResponseCode.SYSTEM_ERROR }));
  await expect(ours.admin.deleteTopic('topic', {}, soon())).rejects.toThrow('broker-a');
  expect(nameServer.requests(RequestCode.DELETE_TOPIC_IN_NAMESRV)).toEqual([]);
});

test('a topic that was made or deleted is looked up again', async () => {
  const { ours, nameServer } = await startThree();
  const lookUps = () => nameServer.requests(RequestCode.GET_ROUTEINFO_BY_TOPIC).length;
  await ours.producer.send(outgoing('topic', 'x'), soon());
  const before = lookUps();
  await ours.producer.send(outgoing('topic', 'x'), soon());
  expect(lookUps()).toBe(before);
  await ours.admin.createTopic({ name: 'topic', queueCount: 2 }, soon());
  await ours.producer.send(outgoing('topic', 'x'), soon());
  expect(lookUps()).toBe(before + 1);
});

test('what no broker could take is refused here', async () => {
  const { ours, brokers } = await startThree();
  for (const queueCount of [0, 1.5, 1_025]) {
    await expect(ours.admin.createTopic({ name: 'topic', queueCount }, soon())).rejects.toMatchObject({
      kind: 'invalid',
    });
  }
  for (const name of ['', 'a b', 'x'.repeat(128)]) {
    for (const call of [
      ours.admin.createTopic({ name, queueCount: 1 }, soon()),
      ours.admin.deleteTopic(name, {}, soon()),
      ours.admin.createGroup({ name }, soon()),
      ours.admin.deleteGroup(name, {}, soon()),
      ours.admin.resetOffsets({ group: name, topic: 'topic', to: 0 }, soon()),
    ]) {
      await expect(call).rejects.toMatchObject({ kind: 'invalid' });
    }
  }
  expect(brokers.flatMap(({ received }) => received)).toEqual([]);
  for (const call of [
    ours.admin.topicOffsets('unknown', soon()),
    ours.admin.groupOffsets('g', 'unknown', soon()),
    ours.admin.resetOffsets({ group: 'g', topic: 'unknown', to: 0 }, soon()),
  ]) {
    await expect(call).rejects.toMatchObject({ kind: 'noRoute' });
  }
});
