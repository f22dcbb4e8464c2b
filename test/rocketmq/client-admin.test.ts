import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { ClusterClient } from '../../src/client/client.ts';
import { outgoing, RealClients, soon } from '../support/real-client.ts';
import { type RocketMQCluster, startRocketMQ } from './cluster.ts';
import { skipRocketMQ } from './java.ts';
import { skipJavaClients } from './official/build.ts';
import { type Mqadmin, openMqadmin } from './official/official.ts';

describe.skipIf(skipRocketMQ() || skipJavaClients())('administration on RocketMQ 4.9.7', () => {
  let cluster: RocketMQCluster;
  let clients: RealClients;
  let client: ClusterClient;
  let mqadmin: Mqadmin;

  beforeAll(async () => {
    cluster = await startRocketMQ({ version: '4.9.7', brokerConfig: { autoCreateTopicEnable: false } });
    clients = new RealClients(cluster.nameServer);
    client = clients.create();
    mqadmin = await openMqadmin({ nameServer: cluster.nameServer, prefix: 'admin' });
  });

  afterAll(async () => {
    await mqadmin?.close();
    await clients?.close();
    await cluster?.stop();
  });

  const offsetsOf = async (group: string, topic: string) => {
    const queues = await client.admin.groupOffsets(group, topic, soon());
    return queues.map(({ brokerOffset, consumerOffset }) => [brokerOffset, consumerOffset]);
  };

  test('a group in which nobody is, is moved by this client; one with members by them', async () => {
    await client.admin.createTopic({ name: 'moved', queueCount: 1 }, soon());
    await client.admin.createGroup({ name: 'moved-group' }, soon());
    await vi.waitFor(() => client.producer.send(outgoing('moved', 'one'), soon()), { timeout: 20_000 });
    await client.producer.send(outgoing('moved', 'two'), soon());
    const queue = { topic: 'moved', brokerName: cluster.brokerName, queueId: 0 };
    const reset = { group: 'moved-group', topic: 'moved' };
    expect(await client.admin.resetOffsets({ ...reset, to: 'end' }, soon())).toEqual([{ queue, offset: 2 }]);
    expect(await offsetsOf('moved-group', 'moved')).toEqual([[2, 2]]);
    expect(await client.admin.resetOffsets({ ...reset, to: 0 }, soon())).toEqual([{ queue, offset: 0 }]);
    expect(await offsetsOf('moved-group', 'moved')).toEqual([[2, 0]]);
    // Whatever becomes of its offsets: the official client is in the group from now on.
    expect(await mqadmin.run('@join', 'moved', 'moved-group', '2')).toBe('2');
    const moved = await client.admin.resetOffsets({ ...reset, to: 0 }, soon());
    expect(moved).toEqual([{ queue, offset: 0 }]);
    await mqadmin.run('@leave', 'moved-group');
  });
});
