import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { ClusterClient } from '../../src/client/client.ts';
import { type Config, quickRedelivery } from '../rocketmq/cluster.ts';
import { outgoing, Reader, RealClients, soon } from '../support/real-client.ts';
import { describeOnTarget, differs, startTarget, type Target, targetName } from './target.ts';

const GET_MAX_OFFSET = 30;
const GET_MIN_OFFSET = 31;
const UPDATE_AND_CREATE_SUBSCRIPTION_GROUP = 200;
const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/** RocketMQ 5.5.0 has two ways to remember what it popped; ours has one. */
const ways = [
  ['in revive topics', {}],
  ['in a key-value store', quickRedelivery],
] as const;
const waysOfTarget: readonly (readonly [string, Config])[] = targetName === 'apache' ? ways : [['in one way', {}]];

for (const [title, apache] of waysOfTarget) {
  describeOnTarget(`the client, POPs remembered ${title}`, () => {
    let cluster: Target;
    let clients: RealClients;
    let client: ClusterClient;

    beforeAll(async () => {
      cluster = await startTarget({ apache, autoCreateTopics: false, durable: true, logFileBytes: 1_048_576 });
      clients = new RealClients(cluster.nameServer);
      client = clients.create();
    });

    afterAll(async () => {
      await clients?.close();
      await cluster?.stop();
    });

    const send = (topic: string, ...bodies: readonly string[]) =>
      Promise.all(bodies.map((body) => client.producer.send(outgoing(topic, body), soon())));

    const offsetOf = async (code: number, topic: string, queueId = 0): Promise<number> => {
      const { extFields } = await cluster.brokerCall(code, { topic, queueId: String(queueId) });
      return Number(extFields['offset']);
    };

    test.concurrent('a message that is not acknowledged comes again as the same one; an ack stops it', async () => {
      const topic = 'again';
      await cluster.createTopic(topic, { queueCount: 1 });
      const subscriber = { group: 'g-again', topic };
      const reader = await Reader.open(client, subscriber, { ack: false, invisibleDurationMs: 3_000 });
      const properties = [['user', 'wert']] as const;
      const { messageId } = await client.producer.send(outgoing(topic, 'left', { tag: 't', properties }), soon());
      await send(topic, 'done', 'clock');
      await reader.until(() => reader.bodies.includes('done'));
      const done = reader.messages.find(({ body }) => body.toString() === 'done');
      if (done === undefined) throw new Error('it was not received');
      await reader.consumer.ack(done.receipt, soon());
      await reader.until(() => reader.bodies.filter((body) => body === 'left').length === 2);
      const [first, second] = reader.messages.filter((message) => message.messageId === messageId);
      expect([first?.reconsumeTimes, second?.reconsumeTimes]).toEqual([0, 1]);
      expect(second).toMatchObject({ tag: 't', topic, bornTimestampMs: first?.bornTimestampMs });
      expect(second?.properties.get('user')).toBe('wert');
      expect(second?.receipt.retry === '0').toBe(differs('sameQueue', { apache: false, embedded: true }));
      // The receipt of the first delivery is no use any more, the second one's is.
      await expect(reader.consumer.ack(first?.receipt ?? done.receipt, soon())).rejects.toMatchObject({
        kind: 'expired',
      });
      await reader.consumer.ack(second?.receipt ?? done.receipt, soon());
      const clocks = (): number => reader.bodies.filter((body) => body === 'clock').length;
      await reader.until(() => clocks() === 3);
      expect(reader.bodies.filter((body) => body === 'left').length).toBe(2);
      expect(reader.bodies.filter((body) => body === 'done').length).toBe(1);
      await reader.stop();
    });

    test.concurrent('many acks at once count, each of them', async () => {
      const topic = 'many-acks';
      await cluster.createTopic(topic, { queueCount: 4 });
      const subscriber = { group: 'g-many', topic };
      const reader = await Reader.open(client, subscriber, { ack: false, invisibleDurationMs: 4_000 });
      await send(topic, ...numbers(200).map(String));
      await reader.count(200);
      await Promise.all(reader.messages.map(({ receipt }) => reader.consumer.ack(receipt, soon())));
      expect(reader.consumer.inFlightCount).toBe(0);
      await send(topic, 'clock');
      // The clock is never acknowledged: when it has come again twice, the others would have, too.
      await reader.count(203);
      expect(reader.bodies.slice(200)).toEqual(['clock', 'clock', 'clock']);
      await reader.stop();
    });

    test.concurrent('what a stream leaves behind goes to the next one at once, and only that', async () => {
      const topic = 'left-behind';
      await cluster.createTopic(topic, { queueCount: 4 });
      const subscriber = { group: 'g-left', topic };
      await send(topic, ...numbers(60).map(String));
      const first = await Reader.open(client, subscriber, { ack: false, invisibleDurationMs: 300_000 });
      await first.count(60);
      const acked = first.messages.filter((_message, index) => index % 3 === 0);
      await Promise.all(acked.map(({ receipt }) => first.consumer.ack(receipt, soon())));
      await first.stop();
      const second = await Reader.open(clients.create(), subscriber, { invisibleDurationMs: 300_000 });
      await second.count(40);
      expect(new Set(second.bodies)).toEqual(new Set(first.bodies.filter((_body, index) => index % 3 !== 0)));
      // Nothing comes twice: the next one to come is one that is new.
      await send(topic, 'new');
      await second.count(41);
      expect(second.bodies[40]).toBe('new');
      await second.stop();
    });

    test.concurrent('a renewed message stays with its reader, and its ack counts', async () => {
      const topic = 'renewed';
      await cluster.createTopic(topic, { queueCount: 1 });
      const subscriber = { group: 'g-renewed', topic };
      const options = { ack: false, invisibleDurationMs: 3_000 };
      const keeper = await Reader.open(client, subscriber, { ...options, renewalDurationMs: 60_000, messagesMax: 1 });
      await send(topic, 'kept');
      const [kept] = await keeper.count(1);
      // Without renewal, for which the kept message would come again before the clock does so twice.
      const other = await Reader.open(clients.create(), subscriber, options);
      await send(topic, 'clock');
      await other.count(3);
      expect(other.bodies).toEqual(['clock', 'clock', 'clock']);
      if (kept === undefined) throw new Error('it was not received');
      await keeper.consumer.ack(kept.receipt, soon());
      await keeper.stop();
      const receivedCount = other.messages.length;
      await other.count(receivedCount + 2);
      expect(new Set(other.bodies)).toEqual(new Set(['clock']));
      await other.stop();
    });

    test.concurrent('a message that failed too often goes to the dead letters, others go on', async () => {
      const topic = 'fails';
      const group = 'g-fails';
      await cluster.createTopic(topic, { queueCount: 1 });
      const settings = { groupName: group, retryMaxTimes: 1, retryQueueNums: 1, brokerId: 0, consumeEnable: true };
      await cluster.brokerCall(UPDATE_AND_CREATE_SUBSCRIPTION_GROUP, {}, Buffer.from(JSON.stringify(settings)));
      const reader = await Reader.open(client, { group, topic }, { ack: false, invisibleDurationMs: 1_000 });
      const { messageId } = await client.producer.send(outgoing(topic, 'fails', { keys: 'k' }), soon());
      await reader.count(2);
      expect(reader.messages.map(({ reconsumeTimes }) => reconsumeTimes)).toEqual([0, 1]);
      const isBuried = async (): Promise<void> => expect(await offsetOf(GET_MAX_OFFSET, `%DLQ%${group}`)).toBe(1);
      await vi.waitFor(isBuried, { timeout: 30_000 });
      // It is over: the clock comes again twice, the dead one does not.
      await send(topic, 'clock');
      await reader.count(4);
      expect(reader.bodies.slice(2)).toEqual(['clock', 'clock']);
      await reader.stop();
      const letters = await Reader.open(client, { group: 'g-letters', topic: `%DLQ%${group}` });
      const [letter] = await letters.count(1);
      expect(letter?.body.toString()).toBe('fails');
      expect(letter?.properties.get('KEYS')).toBe('k');
      expect([letter?.messageId, letter?.properties.get('ORIGIN_MESSAGE_ID')]).toContain(messageId);
      await letters.stop();
    });

    test.concurrent('brokers that make no topics: sending and receiving say that there is none', async () => {
      await expect(send('never-made', 'x')).rejects.toMatchObject({ name: 'ClientError', kind: 'noRoute' });
      await expect(client.checkTopic('never-made', soon())).rejects.toMatchObject({ kind: 'noRoute' });
      await expect(Reader.open(client, { group: 'g', topic: 'never-made' })).rejects.toMatchObject({ kind: 'noRoute' });
    });

    // The last one: it kills the broker.
    test('a group that is new to an old topic begins when its consumer is created, not when it is first read', async () => {
      const topic = 'old-topic';
      await cluster.createTopic(topic, { queueCount: 2 });
      await send(topic, ...numbers(4).map((number) => `old ${number}`));
      // A queue that still has its first message counts as young. As if they had expired, its oldest messages are taken away.
      await cluster.createTopic('filling', { queueCount: 1 });
      await send('filling', ...numbers(3).map(() => 'x'.repeat(600_000)));
      await send(topic, 'old 4', 'old 5', 'old 6', 'old 7');
      await cluster.stopBroker();
      const [oldest] = (await readdir(cluster.logDirectory)).toSorted();
      await rm(join(cluster.logDirectory, oldest ?? ''));
      await cluster.startBroker();
      for (const queueId of [0, 1]) expect(await offsetOf(GET_MIN_OFFSET, topic, queueId)).toBeGreaterThan(0);
      const consumer = clients.create().popConsumer({
        subscriber: { group: 'g-old', topic },
        filter: { type: 'TAG', expression: '*', matches: () => true },
        invisibleDurationMs: 30_000,
        renewalDurationMs: 0,
        pollDurationMs: 1_000,
      });
      await consumer.open(soon());
      await send(topic, ...numbers(4).map((number) => `new ${number}`));
      const reader = await Reader.open(client, { group: 'g-old', topic });
      await reader.count(4);
      expect(reader.bodies.toSorted()).toEqual(['new 0', 'new 1', 'new 2', 'new 3']);
      await reader.stop();
    });
  });
}
