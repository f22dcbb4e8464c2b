import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { ClusterClient } from '../../src/client/client.ts';
import type { ConsumerOptions } from '../../src/client/consumer.ts';
import { parseTagFilter } from '../../src/client/message-filter.ts';
import type { PullConsumer } from '../../src/client/pull/pull-consumer.ts';
import type { RocketMQVersion } from '../rocketmq/java.ts';
import { outgoing, RealClients, soon } from '../support/real-client.ts';
import { StreamReader } from '../support/stream-reader.ts';
import { describeOnTarget, startTarget, type Target, targetName } from './target.ts';

const QUERY_CONSUMER_OFFSET = 14;
const GET_MAX_OFFSET = 30;
const UPDATE_AND_CREATE_SUBSCRIPTION_GROUP = 200;
const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/** Pull is how 4.x is read, and may be chosen for 5.x. */
const versions: readonly RocketMQVersion[] = targetName === 'apache' ? ['4.9.7', '5.5.0'] : ['5.5.0'];

type PullOptions = Partial<Omit<ConsumerOptions, 'filter'>> & { readonly tags?: string };

for (const version of versions) {
  describeOnTarget(`receiving by pull, brokers ${version}`, () => {
    let cluster: Target;
    let clients: RealClients;
    let client: ClusterClient;

    beforeAll(async () => {
      cluster = await startTarget({ version });
      clients = new RealClients(cluster.nameServer);
      client = clients.create();
    });

    afterAll(async () => {
      await clients?.close();
      await cluster?.stop();
    });

    async function open(
      group: string,
      topic: string,
      { tags = '*', ...options }: PullOptions = {},
      on = client,
    ): Promise<PullConsumer> {
      const consumer = on.pullConsumer({
        subscriber: { group, topic },
        filter: parseTagFilter(tags),
        invisibleDurationMs: 30_000,
        renewalDurationMs: 0,
        pollDurationMs: 5_000,
        ...options,
      });
      await consumer.open(soon());
      return consumer;
    }

    const send = (topic: string, ...bodies: readonly string[]) =>
      Promise.all(bodies.map((body) => client.producer.send(outgoing(topic, body), soon())));

    const offsetOf = async (code: number, fields: Record<string, string>): Promise<number> => {
      const { extFields } = await cluster.brokerCall(code, { queueId: '0', ...fields });
      return Number(extFields['offset'] ?? Number.NaN);
    };
    const committed = (group: string, topic: string, queueId = 0): Promise<number> =>
      offsetOf(QUERY_CONSUMER_OFFSET, { consumerGroup: group, topic, queueId: String(queueId) });
    const storedCount = (topic: string): Promise<number> => offsetOf(GET_MAX_OFFSET, { topic });

    test('what is sent is received once, all of it, and the next consumer begins behind it', async () => {
      const topic = 'plain';
      await cluster.createTopic(topic, { queueCount: 4 });
      const consumer = await open('g-plain', topic);
      const reader = StreamReader.acking(consumer);
      const bodies = numbers(200).map((number) => `body ${number}`);
      await send(topic, ...bodies);
      await reader.count(200);
      expect([...reader.bodies].sort()).toEqual([...bodies].sort());
      await reader.stop();
      await consumer.close();
      const offsets = await Promise.all(numbers(4).map((queueId) => committed('g-plain', topic, queueId)));
      expect(offsets.reduce((sum, offset) => sum + offset)).toBe(200);

      const next = await open('g-plain', topic);
      const nextReader = StreamReader.acking(next);
      await send(topic, 'later');
      await nextReader.count(1);
      expect(nextReader.bodies).toEqual(['later']);
      await nextReader.stop();
      await next.close();
    });

    test('what is not acknowledged in time comes again as the same message; an ack stops it', async () => {
      const topic = 'again';
      await cluster.createTopic(topic, { queueCount: 1 });
      const consumer = await open('g-again', topic, { invisibleDurationMs: 2_000 });
      const reader = new StreamReader(consumer);
      await send(topic, 'one', 'two');
      const first = [...(await reader.count(2))];
      const two = first.find(({ body }) => body.toString() === 'two') ?? fail();
      await consumer.ack(two.receipt);
      const again = (await reader.count(3))[2] ?? fail();
      const one = first.find(({ body }) => body.toString() === 'one') ?? fail();
      expect(again).toMatchObject({ messageId: one.messageId, topic, reconsumeTimes: 1 });
      expect(again.body.toString()).toBe('one');
      await expect(consumer.ack(one.receipt)).rejects.toMatchObject({ kind: 'expired' });
      await consumer.ack(again.receipt);
      await consumer.ack(again.receipt);
      await consumer.ack(two.receipt);
      await reader.stop();
      await consumer.close();
      expect(reader.bodies).toHaveLength(3);
      // Both of the retry topic and of its own.
      expect(await committed('g-again', topic)).toBe(2);
      expect(await committed('g-again', '%RETRY%g-again')).toBe(1);
    });

    test('a nack brings the message again, at once or after its delay', async () => {
      const topic = 'nack';
      await cluster.createTopic(topic, { queueCount: 1 });
      const consumer = await open('g-nack', topic);
      const reader = new StreamReader(consumer);
      await send(topic, 'body');
      const [first = fail()] = await reader.count(1);
      await consumer.nack(first.receipt, 0, soon());
      await expect(consumer.ack(first.receipt)).rejects.toMatchObject({ kind: 'expired' });
      const second = (await reader.count(2))[1] ?? fail();
      const nackedAtMs = performance.now();
      await consumer.nack(second.receipt, 2_000, soon());
      const third = (await reader.count(3))[2] ?? fail();
      // The nearest level that is long enough is 5 s.
      expect((reader.receivedAtMs[2] ?? 0) - nackedAtMs).toBeGreaterThanOrEqual(4_900);
      expect([first, second, third].map(({ reconsumeTimes }) => reconsumeTimes)).toEqual([0, 1, 2]);
      expect(new Set([first, second, third].map(({ messageId }) => messageId)).size).toBe(1);
      await consumer.ack(third.receipt);
      await reader.stop();
      await consumer.close();
    });

    test('a longer time keeps a message; its old receipt is spent', async () => {
      const topic = 'longer';
      await cluster.createTopic(topic, { queueCount: 1 });
      const consumer = await open('g-longer', topic, { invisibleDurationMs: 1_000 });
      const reader = new StreamReader(consumer);
      await send(topic, 'body');
      const [message = fail()] = await reader.count(1);
      const receipt = await consumer.changeInvisibleDuration(message.receipt, 60_000);
      await expect(consumer.ack(message.receipt)).rejects.toMatchObject({ kind: 'expired' });
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      expect(reader.bodies).toHaveLength(1);
      await consumer.ack(receipt);
      await reader.stop();
      await consumer.close();
    });

    test('the end of a stream gives back what is not acknowledged, and nothing that is', async () => {
      const topic = 'given-back';
      await cluster.createTopic(topic, { queueCount: 1 });
      const consumer = await open('g-back', topic);
      const reader = new StreamReader(consumer, undefined, 6);
      const bodies = numbers(10).map(String);
      for (const body of bodies) await send(topic, body);
      await reader.count(6);
      for (const index of [1, 2, 5]) await consumer.ack(reader.messages[index]?.receipt ?? fail());
      await reader.until(() => reader.messages.length >= 9);
      await reader.stop();
      const endedAtMs = performance.now();

      const next = StreamReader.acking(consumer);
      await next.count(7);
      expect([...next.bodies].sort()).toEqual(['0', '3', '4', '6', '7', '8', '9']);
      const times = new Map(next.messages.map(({ body, reconsumeTimes }) => [body.toString(), reconsumeTimes]));
      expect(times.get('9')).toBe(0);
      expect(times.get('0')).toBe(1);
      expect((next.receivedAtMs.at(-1) ?? 0) - endedAtMs).toBeLessThan(10_000);
      await expect(consumer.ack(reader.messages[0]?.receipt ?? fail())).rejects.toMatchObject({ kind: 'expired' });
      await next.stop();
      await consumer.close();
    });

    test('tags are compared whole, and what a group does not want is done with', async () => {
      const topic = 'tags';
      await cluster.createTopic(topic, { queueCount: 1 });
      const consumer = await open('g-tags', topic, { tags: 'Aa || other' });
      const reader = StreamReader.acking(consumer);
      // "Aa" and "BB" have one hash.
      for (const tag of ['BB', 'Aa', 'none', 'other', 'BB']) {
        await client.producer.send(outgoing(topic, tag, { tag }), soon());
      }
      await reader.count(2);
      await vi.waitFor(async () => expect(await committed('g-tags', topic)).toBe(5), {
        timeout: 20_000,
        interval: 500,
      });
      expect(reader.bodies).toEqual(['Aa', 'other']);
      await expect(open('g-tags', topic, { tags: 'BB' })).rejects.toMatchObject({
        kind: 'invalid',
        message: expect.stringContaining('Aa || other'),
      });
      await reader.stop();
      await consumer.close();
    });

    test('a message that always fails is dead after exactly its tries', async () => {
      const [group, topic] = ['g-poison', 'poison'];
      await cluster.createTopic(topic, { queueCount: 1 });
      const settings = { groupName: group, consumeEnable: true, retryQueueNums: 1, retryMaxTimes: 2, brokerId: 0 };
      await cluster.brokerCall(UPDATE_AND_CREATE_SUBSCRIPTION_GROUP, {}, Buffer.from(JSON.stringify(settings)));
      const consumer = await open(group, topic);
      const reader = new StreamReader(consumer, async ({ receipt, body }) => {
        if (body.toString() === 'good') await consumer.ack(receipt);
        else await consumer.nack(receipt, 0, soon());
      });
      await send(topic, 'poison', 'good');
      await vi.waitFor(async () => expect(await storedCount(`%DLQ%${group}`)).toBe(1), {
        timeout: 30_000,
        interval: 200,
      });
      expect(reader.bodies.filter((body) => body === 'poison')).toHaveLength(3);
      expect(reader.bodies.filter((body) => body === 'good')).toHaveLength(1);
      await reader.stop();
      await consumer.close();
    });

    test('in order: a message that is given back, or whose time is over, comes again before all later ones', async () => {
      const topic = 'ordered';
      await cluster.createTopic(topic, { queueCount: 1 });
      const consumer = await open('g-ordered', topic, { orderly: true, invisibleDurationMs: 2_000 });
      for (const body of ['1', '2', '3']) await send(topic, body);
      let failuresLeft = 1;
      const reader = new StreamReader(consumer, async ({ receipt, body, reconsumeTimes }) => {
        // The first is given back once, the second is left alone once.
        if (body.toString() === '1' && failuresLeft > 0) {
          failuresLeft -= 1;
          await consumer.nack(receipt, 100, soon());
        } else if (body.toString() !== '2' || reconsumeTimes > 0) await consumer.ack(receipt);
      });
      await reader.count(5);
      expect(reader.bodies).toEqual(['1', '1', '2', '2', '3']);
      expect(reader.messages.map(({ reconsumeTimes }) => reconsumeTimes)).toEqual([0, 1, 0, 1, 0]);
      expect((reader.receivedAtMs[3] ?? 0) - (reader.receivedAtMs[2] ?? 0)).toBeGreaterThanOrEqual(1_990);
      await reader.stop();
      await consumer.close();
      expect(await committed('g-ordered', topic)).toBe(3);
    });

    test('in order: a message that always fails is dead after exactly its tries, and its queue goes on', async () => {
      const [group, topic] = ['g-ordered-poison', 'ordered-poison'];
      await cluster.createTopic(topic, { queueCount: 1 });
      const settings = { groupName: group, consumeEnable: true, retryQueueNums: 1, retryMaxTimes: 2, brokerId: 0 };
      await cluster.brokerCall(UPDATE_AND_CREATE_SUBSCRIPTION_GROUP, {}, Buffer.from(JSON.stringify(settings)));
      const consumer = await open(group, topic, { orderly: true });
      for (const body of ['poison', 'good']) await send(topic, body);
      const reader = new StreamReader(consumer, async ({ receipt, body }) => {
        if (body.toString() === 'good') await consumer.ack(receipt);
        else await consumer.nack(receipt, 0, soon());
      });
      await reader.count(4);
      expect(reader.bodies).toEqual(['poison', 'poison', 'poison', 'good']);
      await vi.waitFor(async () => expect(await storedCount(`%DLQ%${group}`)).toBe(1), {
        timeout: 20_000,
        interval: 200,
      });
      await reader.stop();
      await consumer.close();
    });

    test('in order: members come and go, and nothing overtakes what is not acknowledged', async () => {
      const topic = 'ordered-shared';
      await cluster.createTopic(topic, { queueCount: 4 });
      const [queueCount, perQueue] = [4, 30];
      const done = new Map<string, number[]>();
      const startMember = async (on: ClusterClient) => {
        const consumer = await open('g-ordered-shared', topic, { orderly: true }, on);
        const reader = new StreamReader(consumer, async ({ receipt, body }) => {
          const [key = '', number = ''] = body.toString().split(' ');
          await new Promise((resolve) => setTimeout(resolve, 20));
          await consumer.ack(receipt).then(
            () => done.set(key, [...(done.get(key) ?? []), Number(number)]),
            // Its queue has another reader now, which gets it again.
            (error: unknown) => expect(error).toMatchObject({ kind: 'expired' }),
          );
        });
        return { consumer, reader };
      };
      const first = await startMember(client);
      for (const number of numbers(perQueue)) {
        for (const key of numbers(queueCount)) {
          await client.producer.send(outgoing(topic, `${key} ${number}`, { shardingKey: String(key) }), soon());
        }
      }
      await first.reader.count(10);
      const second = await startMember(clients.create());
      await second.reader.count(5);
      await first.reader.stop();
      await first.consumer.close();
      const isDone = (): boolean =>
        numbers(queueCount).every((key) => (done.get(String(key))?.length ?? 0) >= perQueue);
      await vi.waitUntil(isDone, { timeout: 60_000, interval: 100 });
      for (const key of numbers(queueCount)) expect(done.get(String(key))).toEqual(numbers(perQueue));
      await second.reader.stop();
      await second.consumer.close();
    });

    test('members in several clients share the queues, and take over what one of them leaves', async () => {
      const topic = 'shared';
      await cluster.createTopic(topic, { queueCount: 4 });
      const other = clients.create();
      const consumers = [await open('g-shared', topic), await open('g-shared', topic, {}, other)] as const;
      const readers = consumers.map((consumer) => StreamReader.acking(consumer));
      const both = async (): Promise<void> => {
        await send(topic, ...numbers(40).map((number) => `${number}`));
        for (const { bodies } of readers) expect(bodies.length).toBeGreaterThan(0);
      };
      await vi.waitFor(both, { timeout: 40_000, interval: 500 });
      await readers[1]?.stop();
      await consumers[1].close();
      const before = readers[0]?.messages.length ?? 0;
      await send(topic, ...numbers(40).map((number) => `after ${number}`));
      await readers[0]?.until(() => readers[0]?.bodies.filter((body) => body.startsWith('after')).length === 40);
      expect(readers[0]?.messages.length).toBeGreaterThanOrEqual(before + 40);
      await readers[0]?.stop();
      await consumers[0].close();
    });
  });
}

function fail(): never {
  throw new Error('a message is missing');
}
