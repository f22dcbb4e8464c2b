import { beforeAll, describe, expect, test, vi } from 'vitest';
import type { ClusterClient } from '../../../src/client/client.ts';
import { outgoing, Reader, soon } from '../../support/real-client.ts';
import { type ClientSuite, withinMinute } from './client-suite.ts';

/** What operators ask of a cluster, and what programs ask about messages that were sent. */
export function describeAdministration(suite: ClientSuite): void {
  describe('queries and administration', { concurrent: true }, () => {
    let client: ClusterClient;
    beforeAll(() => {
      client = suite.admin();
    });

    /** Makes a topic, and waits until name servers know it. */
    async function createTopic(name: string, queueCount = 1): Promise<void> {
      expect(await client.admin.createTopic({ name, queueCount }, soon())).toEqual([suite.target.brokerName]);
      await vi.waitFor(async () => expect(await client.admin.topics({}, soon())).toContain(name), withinMinute);
    }

    test('brokers, topics and groups are made, listed and deleted', async () => {
      const { brokerName, clusterName, brokerAddress } = suite.target;
      const brokers = [{ name: brokerName, clusterName, masterAddress: brokerAddress }];
      expect(await client.admin.brokers(soon())).toEqual(brokers);
      await createTopic('managed', 3);
      expect(await client.admin.topics({ clusterName }, soon())).toContain('managed');
      const offsets = await client.admin.topicOffsets('managed', soon());
      const places = [0, 1, 2].map((queueId) => [queueId, 0]);
      expect(offsets.map(({ queue, maxOffset }) => [queue.queueId, maxOffset])).toEqual(places);
      const name = 'managed-group';
      await client.admin.createGroup({ name, retryMaxTimes: 3 }, soon());
      const found = async () => {
        const groups = await client.admin.groups({ clusterName }, soon());
        return groups.get(brokerName)?.find((group) => group.name === name);
      };
      expect(await found()).toMatchObject({ retryMaxTimes: 3, consumeEnable: true, consumeMessageOrderly: false });
      await client.admin.createGroup({ name, consumeMessageOrderly: true }, soon());
      expect(await found()).toMatchObject({ retryMaxTimes: 16 });
      expect(await client.admin.deleteGroup(name, {}, soon())).toEqual([brokerName]);
      expect(await found()).toBeUndefined();
      expect(await client.admin.deleteTopic('managed', {}, soon())).toEqual([brokerName]);
      await expect(client.admin.topicOffsets('managed', soon())).rejects.toMatchObject({ kind: 'noRoute' });
      await client.admin.deleteTopic('managed', {}, soon());
    });

    test('a group is moved back and ahead, and what it has before it is told', async () => {
      const [topic, group] = ['moved', 'moved-group'];
      await createTopic(topic);
      await client.admin.createGroup({ name: group }, soon());
      await suite.sendInTurn(topic, 'one', 'two', 'three');
      const reader = await Reader.open(suite.client, { group, topic });
      await reader.count(3);
      const offsets = async () => {
        const queues = await client.admin.groupOffsets(group, topic, soon());
        return queues.map(({ queue, brokerOffset, consumerOffset }) => [queue.queueId, brokerOffset, consumerOffset]);
      };
      await vi.waitFor(async () => expect(await offsets()).toEqual([[0, 3, 3]]), withinMinute);
      await reader.stop();
      const queue = { topic, brokerName: suite.target.brokerName, queueId: 0 };
      const reset = (to: Parameters<typeof client.admin.resetOffsets>[0]['to']) =>
        client.admin.resetOffsets({ group, topic, to }, soon());
      expect(await reset(0)).toEqual([{ queue, offset: 0 }]);
      const again = await Reader.open(suite.client, { group, topic });
      await again.count(3);
      expect(again.bodies.slice(0, 3)).toEqual(['one', 'two', 'three']);
      await again.stop();
      await suite.sendInTurn(topic, 'four');
      // Those of one millisecond cannot be told apart by time.
      await new Promise((resolve) => setTimeout(resolve, 10));
      const fifth = await indexed(topic, 'fifth');
      expect(await reset(fifth.storeTimestampMs)).toEqual([{ queue, offset: Number(fifth.queueOffset) }]);
      const [stats] = await client.admin.topicOffsets(topic, soon());
      expect(await reset('end')).toEqual([{ queue, offset: stats?.maxOffset }]);
    });

    /** Sends messages of one key until it can be asked for one: Apache builds its index a little later. @returns the first of them. */
    async function indexed(topic: string, keys: string) {
      const found = await vi.waitFor(async () => {
        const { messageId } = await client.producer.send(outgoing(topic, keys, { keys }), soon());
        const messages = await client.queries.byKey(topic, keys, {}, soon());
        expect(messages.map((message) => message.messageId)).toContain(messageId);
        return messages;
      }, withinMinute);
      const [first] = found.toSorted((one, other) => Number(one.queueOffset - other.queueOffset));
      if (first === undefined) throw new Error('nothing was found');
      return first;
    }

    test('a message is found by either of its ids and by its keys', async () => {
      const topic = 'queried';
      await createTopic(topic, 4);
      const sent = await client.producer.send(outgoing(topic, 'body', { tag: 'tag', keys: 'order-1 order-2' }), soon());
      const { messageId, offsetMessageId, queue, queueOffset } = sent;
      const byId = (id: string) => client.queries.byMessageId(topic, id, soon());
      const found = await vi.waitFor(async () => {
        const one = await byId(messageId);
        expect(one).toBeDefined();
        return one;
      }, withinMinute);
      const body = Buffer.from('body');
      expect(found).toMatchObject({ messageId, offsetMessageId, queue, queueOffset, body, tag: 'tag' });
      expect(await byId(offsetMessageId)).toEqual(found);
      const endTimestampMs = Date.now() + 60_000;
      for (const key of ['order-1', 'order-2'])
        expect(await client.queries.byKey(topic, key, { endTimestampMs }, soon())).toEqual([found]);
      expect(await client.queries.byKey(topic, 'order', {}, soon())).toEqual([]);
      // One byte further, where no message begins.
      const place = (BigInt(`0x${offsetMessageId.slice(16)}`) + 1n).toString(16).toUpperCase().padStart(16, '0');
      expect(await byId(offsetMessageId.slice(0, 16) + place)).toBeUndefined();
    });

    test('a request gets the reply of who received it', async () => {
      const topic = 'requests';
      const responder = suite.clients.create();
      const reader = await suite.reader(topic, 4);
      const many = ['one', 'two', 'three'].map((body) =>
        suite.client.requestReply.request(outgoing(topic, body), soon()),
      );
      const requests = await reader.count(3);
      for (const request of requests) {
        const body = Buffer.from(`${request.body} 😀`);
        await responder.requestReply.reply(request, body, { properties: [['user', 'value']] }, soon());
      }
      const replies = await Promise.all(many);
      expect(replies.map(({ body }) => body.toString())).toEqual(['one 😀', 'two 😀', 'three 😀']);
      expect(replies.map(({ properties }) => properties.get('user'))).toEqual(['value', 'value', 'value']);
      await reader.stop();
    });
  });
}
