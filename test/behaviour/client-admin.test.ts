import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { ClusterClient } from '../../src/client/client.ts';
import { outgoing, Reader, RealClients, soon } from '../support/real-client.ts';
import { describeOnTarget, startTarget, type Target } from './target.ts';

describeOnTarget('queries and administration', () => {
  let cluster: Target;
  let clients: RealClients;
  let client: ClusterClient;

  beforeAll(async () => {
    cluster = await startTarget();
    clients = new RealClients(cluster.nameServer);
    client = clients.create();
  });

  afterAll(async () => {
    await clients?.close();
    await cluster?.stop();
  });

  /** Makes a topic, and waits until name servers know it. */
  async function createTopic(name: string, queueCount = 1): Promise<void> {
    expect(await client.admin.createTopic({ name, queueCount }, soon())).toEqual([cluster.brokerName]);
    await vi.waitFor(async () => expect(await client.admin.topics({}, soon())).toContain(name), { timeout: 20_000 });
  }

  test('brokers, topics and groups are made, listed and deleted', async () => {
    const { brokerName, clusterName, brokerAddress } = cluster;
    expect(await client.admin.brokers(soon())).toEqual([
      { name: brokerName, clusterName, masterAddress: brokerAddress },
    ]);
    await createTopic('managed', 3);
    expect(await client.admin.topics({ clusterName }, soon())).toContain('managed');
    const offsets = await client.admin.topicOffsets('managed', soon());
    expect(offsets.map(({ queue, maxOffset }) => [queue.queueId, maxOffset])).toEqual([
      [0, 0],
      [1, 0],
      [2, 0],
    ]);
    await client.admin.createGroup({ name: 'managed-group', retryMaxTimes: 3 }, soon());
    const groupOf = async () => {
      const groups = await client.admin.groups({ clusterName }, soon());
      return groups.get(brokerName)?.find(({ name }) => name === 'managed-group');
    };
    expect(await groupOf()).toMatchObject({ retryMaxTimes: 3, consumeEnable: true, consumeMessageOrderly: false });
    await client.admin.createGroup({ name: 'managed-group', consumeMessageOrderly: true }, soon());
    expect(await groupOf()).toMatchObject({ retryMaxTimes: 16, consumeMessageOrderly: true });
    expect(await client.admin.deleteGroup('managed-group', {}, soon())).toEqual([brokerName]);
    expect(await groupOf()).toBeUndefined();
    expect(await client.admin.deleteTopic('managed', {}, soon())).toEqual([brokerName]);
    await expect(client.admin.topicOffsets('managed', soon())).rejects.toMatchObject({ kind: 'noRoute' });
    await client.admin.deleteTopic('managed', {}, soon());
  });

  test('a group is moved back and ahead, and what it has before it is told', async () => {
    await createTopic('moved');
    const group = 'moved-group';
    await client.admin.createGroup({ name: group }, soon());
    for (const body of ['one', 'two', 'three']) await client.producer.send(outgoing('moved', body), soon());
    const reader = await Reader.open(client, { group, topic: 'moved' });
    await reader.count(3);
    const offsets = async () => {
      const queues = await client.admin.groupOffsets(group, 'moved', soon());
      return queues.map(({ queue, brokerOffset, consumerOffset }) => [queue.queueId, brokerOffset, consumerOffset]);
    };
    await vi.waitFor(async () => expect(await offsets()).toEqual([[0, 3, 3]]), { timeout: 20_000 });
    await reader.stop();
    const queue = { topic: 'moved', brokerName: cluster.brokerName, queueId: 0 };
    const toStart = await client.admin.resetOffsets({ group, topic: 'moved', to: 0 }, soon());
    expect(toStart).toEqual([{ queue, offset: 0 }]);
    const again = await Reader.open(client, { group, topic: 'moved' });
    await again.count(3);
    expect(again.bodies.slice(0, 3)).toEqual(['one', 'two', 'three']);
    await again.stop();
    await client.producer.send(outgoing('moved', 'four'), soon());
    const [fourth] = await vi.waitFor(
      async () => {
        const { messageId } = await client.producer.send(outgoing('moved', 'five', { keys: 'fifth' }), soon());
        const found = await client.queries.byKey('moved', 'fifth', {}, soon());
        expect(found.some((message) => message.messageId === messageId)).toBe(true);
        return found;
      },
      { timeout: 20_000 },
    );
    if (fourth === undefined) throw new Error('nothing found');
    const toTime = await client.admin.resetOffsets({ group, topic: 'moved', to: fourth.storeTimestampMs }, soon());
    expect(toTime).toEqual([{ queue, offset: Number(fourth.queueOffset) }]);
    const [stats] = await client.admin.topicOffsets('moved', soon());
    const toEnd = await client.admin.resetOffsets({ group, topic: 'moved', to: 'end' }, soon());
    expect(toEnd).toEqual([{ queue, offset: stats?.maxOffset }]);
  });

  test('a message is found by either of its ids and by its keys', async () => {
    await createTopic('queried', 4);
    const message = outgoing('queried', 'body', { tag: 'tag', keys: 'order-1 order-2' });
    const sent = await client.producer.send(message, soon());
    const byId = async (id: string) => client.queries.byMessageId('queried', id, soon());
    // Apache builds its index a little later.
    const found = await vi.waitFor(
      async () => {
        const one = await byId(sent.messageId);
        expect(one).toBeDefined();
        return one;
      },
      { timeout: 20_000 },
    );
    expect(found).toMatchObject({
      ...{ messageId: sent.messageId, offsetMessageId: sent.offsetMessageId },
      tag: 'tag',
    });
    expect(found).toMatchObject({ queue: sent.queue, queueOffset: sent.queueOffset, body: Buffer.from('body') });
    expect(await byId(sent.offsetMessageId)).toEqual(found);
    for (const key of ['order-1', 'order-2']) {
      expect(await client.queries.byKey('queried', key, { endTimestampMs: Date.now() + 60_000 }, soon())).toEqual([
        found,
      ]);
    }
    expect(await client.queries.byKey('queried', 'order', {}, soon())).toEqual([]);
    expect(await byId(`${sent.offsetMessageId.slice(0, -2)}01`)).toBeUndefined();
  });
});
