import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { ClusterClient } from '../../src/client/client.ts';
import { ClientError } from '../../src/client/errors.ts';
import type { SendResult } from '../../src/client/send/outgoing-message.ts';
import { ResponseError } from '../../src/remoting/errors.ts';
import { TransactionOutcome } from '../../src/remoting/requests/end-transaction.ts';
import { ResponseCode } from '../../src/remoting/response-code.ts';
import { countOf, outgoing, Reader, RealClients, soon } from '../support/real-client.ts';
import { describeOnTargets, startTarget, type Target, type Variant } from './target.ts';

const { COMMIT, ROLLBACK } = TransactionOutcome;
const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

describeOnTargets(
  'the client',
  (variant) => {
    let cluster: Target;
    let clients: RealClients;
    let client: ClusterClient;

    beforeAll(async () => {
      cluster = await startTarget({
        ...variant,
        transactionTimeoutMs: 1_000,
        transactionCheckIntervalMs: 500,
        durable: true,
      });
      clients = new RealClients(cluster.nameServer, cluster.credentials);
      client = clients.create();
    });

    afterAll(async () => {
      await clients?.close();
      await cluster?.stop();
    });

    /** A topic and a reader of it, both made for one test. */
    async function readerOf(topic: string, queueCount = 4): Promise<Reader> {
      await cluster.createTopic(topic, { queueCount });
      return Reader.open(client, { group: `g-${topic}`, topic });
    }

    test('every body comes back as it was sent, with all that belongs to it', async () => {
      const reader = await readerOf('round-trip');
      const bodies = [
        Buffer.from([0]),
        Buffer.from('Grüße, 订单 😀'),
        Buffer.from(numbers(256)),
        Buffer.alloc(1_048_576, 'RocketMQ'),
        Buffer.alloc(4_194_304, 1),
      ];
      const beforeMs = Date.now();
      const sent = new Map<string, Buffer>();
      for (const body of bodies) {
        const more = {
          tag: '标签',
          keys: 'key-1 key-2',
          properties: [
            ['user', 'wert=1;2'],
            ['emoji 😀', 'ü'],
          ] as const,
        };
        const { messageId, queue, offsetMessageId } = await client.producer.send(
          outgoing('round-trip', body, more),
          soon(),
        );
        expect(queue.brokerName).toBe(cluster.brokerName);
        expect(offsetMessageId).toMatch(/^[0-9A-F]{32}$/);
        sent.set(messageId, body);
      }
      const afterMs = Date.now();
      for (const message of await reader.count(bodies.length)) {
        expect(sent.get(message.messageId)?.equals(message.body)).toBe(true);
        sent.delete(message.messageId);
        expect(message).toMatchObject({ topic: 'round-trip', tag: '标签', reconsumeTimes: 0 });
        expect(message.bornTimestampMs).toBeGreaterThanOrEqual(beforeMs);
        expect(message.bornTimestampMs).toBeLessThanOrEqual(afterMs);
        expect(Object.fromEntries(message.properties)).toMatchObject({
          TAGS: '标签',
          KEYS: 'key-1 key-2',
          UNIQ_KEY: message.messageId,
          user: 'wert=1;2',
          'emoji 😀': 'ü',
        });
      }
      expect(sent.size).toBe(0);
      await reader.stop();
    });

    test('the largest messages of many queues come in one answer', async () => {
      const topic = 'largest';
      await cluster.createTopic(topic, { queueCount: 8 });
      for (const number of numbers(8)) {
        // Nothing that compression could make smaller.
        const body = Buffer.concat([Buffer.from([number]), randomBytes(4_194_303)]);
        await client.producer.send(outgoing(topic, body), soon());
      }
      const troublesBefore = clients.log.troubles.length;
      const reader = await Reader.open(client, { group: 'g-largest', topic });
      await reader.count(8);
      expect(new Set(reader.messages.map(({ body }) => body[0]))).toEqual(new Set(numbers(8)));
      expect(reader.messages.map(({ reconsumeTimes }) => reconsumeTimes)).toEqual(numbers(8).fill(0));
      expect(clients.log.troubles.slice(troublesBefore)).toEqual([]);
      await reader.stop();
    });

    test('what a broker does not store is refused at once, and its reason kept', async () => {
      await cluster.createTopic('refused');
      const refusal = (message: Parameters<typeof outgoing>[2], body: Uint8Array | string = 'x', topic = 'refused') =>
        client.producer.send(outgoing(topic, body, message), soon()).catch((error: unknown) => error);
      expect(await refusal({}, Buffer.alloc(4_194_304 + 65_536))).toMatchObject({ code: ResponseCode.MESSAGE_ILLEGAL });
      expect(await refusal({}, '', 'refused')).toMatchObject({ kind: 'invalid' });
      expect(await refusal({ properties: [['big', 'x'.repeat(32_767)]] })).toMatchObject({
        code: ResponseCode.MESSAGE_ILLEGAL,
      });
      const fourDaysMs = 4 * 24 * 3_600_000;
      const delivery = { kind: 'time', deliverTimestampMs: Date.now() + fourDaysMs } as const;
      expect(await refusal({ delivery })).toBeInstanceOf(ResponseError);
    });

    test('messages of one sharding key come from one queue, in the order in which they were sent', async () => {
      const reader = await readerOf('ordered', 8);
      const keys = ['a', 'order-1', 'order-2', '订单-42', '-', ''];
      await Promise.all(
        keys.map(async (shardingKey) => {
          for (const number of numbers(50)) {
            await client.producer.send(
              outgoing('ordered', String(number), { shardingKey, keys: `k${shardingKey}` }),
              soon(),
            );
          }
        }),
      );
      await reader.count(keys.length * 50);
      for (const key of keys.filter((each) => each !== '')) {
        const ofKey = reader.messages.filter(({ properties }) => properties.get('KEYS') === `k${key}`);
        expect(ofKey.map(({ body }) => Number(body.toString()))).toEqual(numbers(50));
        expect(new Set(ofKey.map(({ receipt }) => receipt.queueId)).size).toBe(1);
      }
      await reader.stop();
    });

    test.concurrent('a backlog comes in order too', async () => {
      await cluster.createTopic('backlog', { queueCount: 1 });
      for (const number of numbers(200)) await client.producer.send(outgoing('backlog', String(number)), soon());
      const reader = await Reader.open(client, { group: 'g-backlog', topic: 'backlog' });
      await reader.count(200);
      expect(reader.bodies).toEqual(numbers(200).map(String));
      await reader.stop();
    });

    test.concurrent('only the tags that are wanted come, equal hashes notwithstanding', async () => {
      await cluster.createTopic('tags', { queueCount: 1 });
      const reader = await Reader.open(client, { group: 'g-tags', topic: 'tags' }, { tags: 'Aa || x' });
      for (const tag of ['BB', 'Aa', 'AaBB', undefined, 'x', 'BB', 'Aa']) {
        await client.producer.send(outgoing('tags', String(tag), { tag }), soon());
      }
      await reader.count(3);
      expect(reader.bodies).toEqual(['Aa', 'x', 'Aa']);
      await reader.stop();
    });

    test.concurrent('delayed messages never come early, others do not wait for them, and a time in the past is now', async () => {
      const reader = await readerOf('delayed', 1);
      const dueMs = new Map<string, number>();
      const send = async (name: string, delivery: Parameters<typeof outgoing>[2], atMs: number): Promise<void> => {
        dueMs.set(name, atMs);
        await client.producer.send(outgoing('delayed', name, delivery), soon());
      };
      const nowMs = Date.now();
      for (const [name, deliverTimestampMs] of [
        ['in 1.5 s', nowMs + 1_500],
        ['in 4 s', nowMs + 4_000],
        ['an hour ago', nowMs - 3_600_000],
      ] as const) {
        await send(name, { delivery: { kind: 'time', deliverTimestampMs } }, deliverTimestampMs);
      }
      await send('level 1', { delivery: { kind: 'level', level: 1 } }, Date.now() + 1_000);
      await send('at once', {}, 0);
      await reader.count(5);
      for (const [index, name] of reader.bodies.entries()) {
        expect(reader.receivedAtMs[index]).toBeGreaterThanOrEqual(dueMs.get(name) ?? Number.POSITIVE_INFINITY);
      }
      expect(reader.bodies.slice(0, 2)).toEqual(['an hour ago', 'at once']);
      expect(reader.bodies.at(-1)).toBe('in 4 s');
      await reader.stop();
    });

    test.concurrent('transactions are seen after their commit, and never after their rollback', async () => {
      const reader = await readerOf('transactions');
      const { transactions } = client;
      const begin = (body: string) => transactions.begin(outgoing('transactions', body), undefined, soon());
      const [committed, rolledBack] = [await begin('committed'), await begin('rolled back')];
      await client.producer.send(outgoing('transactions', 'before'), soon());
      await reader.count(1);
      transactions.end(rolledBack, ROLLBACK);
      transactions.end(committed, COMMIT);
      await reader.count(2);
      expect(reader.bodies).toEqual(['before', 'committed']);
      expect(reader.messages[1]?.messageId).toBe(committed.sent.messageId);
      // A broker that asks has seen all older ones before.
      await askedFor('transactions', 'clock');
      await reader.count(3);
      expect(reader.bodies).toEqual(['before', 'committed', 'clock']);
      await reader.stop();
    });

    test.concurrent('transactions that nobody has ended are asked for', async () => {
      const reader = await readerOf('asked-for');
      const { messageId } = await askedFor('asked-for', 'asked for');
      const [message] = await reader.count(1);
      expect(message?.messageId).toBe(messageId);
      expect(asked).toContain(messageId);
      await reader.stop();
    });

    /** Message ids that the checker was asked about. */
    const asked: (string | undefined)[] = [];

    /** Stores a half message whose transaction nobody ends; who is asked for it says that it is committed. */
    async function askedFor(topic: string, body: string): Promise<SendResult> {
      const { transactions } = clients.create({ producerGroup: `p-${topic}` }, ({ properties }) => {
        asked.push(properties.get('UNIQ_KEY'));
        return COMMIT;
      });
      const { sent } = await transactions.begin(outgoing(topic, body), undefined, soon());
      return sent;
    }

    test.concurrent('transactions whose end got lost are asked for, and delivered once', async () => {
      const topic = 'lost-ends';
      const reader = await readerOf(topic);
      const producerGroup = 'lost-ends';
      const { producer, transactions } = clients.create({ producerGroup });
      const begin = (body: string) => transactions.begin(outgoing(topic, body), undefined, soon());
      for (const [body, outcome] of [
        ['lost commit', COMMIT],
        ['lost rollback', ROLLBACK],
      ] as const) {
        const pending = await begin(body);
        // The connection is gone; a new one is there for the broker to ask by.
        pending.sent.channel.close();
        await producer.send(outgoing(topic, `after ${body}`), soon());
        transactions.end(pending, outcome);
      }
      await reader.until(() => reader.bodies.includes('lost commit'));
      // By the time that one more has been asked for, a second copy would have come.
      const clock = await begin('clock');
      clock.sent.channel.close();
      await producer.send(outgoing(topic, 'after clock'), soon());
      transactions.end(clock, COMMIT);
      await reader.until(() => reader.bodies.includes('clock'));
      expect(reader.bodies.toSorted()).toEqual([
        'after clock',
        'after lost commit',
        'after lost rollback',
        'clock',
        'lost commit',
      ]);
      await reader.stop();
    });

    test.concurrent('two consumers of a group share: nothing is lost, nothing comes twice', async () => {
      const topic = 'shared';
      await cluster.createTopic(topic, { queueCount: 8 });
      const group = { group: 'g-shared', topic };
      const readers = await Promise.all([
        Reader.open(client, group, { messagesMax: 10 }),
        Reader.open(clients.create(), group, { messagesMax: 10 }),
      ]);
      const sent = numbers(500).map((number) => client.producer.send(outgoing(topic, String(number)), soon()));
      await Promise.all(sent);
      await countOf(readers, 500);
      const received = readers.flatMap((reader) => reader.bodies);
      expect(received.toSorted((one, other) => Number(one) - Number(other))).toEqual(numbers(500).map(String));
      for (const reader of readers) expect(reader.messages.length).toBeGreaterThan(0);
      await Promise.all(readers.map((reader) => reader.stop()));
    });

    test.concurrent('two groups each get all', async () => {
      const topic = 'two-groups';
      await cluster.createTopic(topic);
      const readers = await Promise.all(
        ['g-one', 'g-two'].map((group) => Reader.open(client, { group, topic }, { messagesMax: 7 })),
      );
      await Promise.all(numbers(100).map((number) => client.producer.send(outgoing(topic, String(number)), soon())));
      for (const reader of readers) {
        await reader.count(100);
        expect(new Set(reader.bodies)).toEqual(new Set(numbers(100).map(String)));
      }
      await Promise.all(readers.map((reader) => reader.stop()));
    });

    test.concurrent('a topic is made by its first message, for a consumer that was there before', async () => {
      const reader = await Reader.open(client, { group: 'g-made', topic: 'made-by-sending' });
      const { queue } = await client.producer.send(outgoing('made-by-sending', 'first'), soon());
      expect(queue).toMatchObject({ topic: 'made-by-sending', brokerName: cluster.brokerName });
      await reader.count(1);
      expect(reader.bodies).toEqual(['first']);
      await reader.stop();
    });

    // The last one: it kills the broker.
    test('a broker that is killed and comes back: nothing that was acknowledged to a sender is lost', async () => {
      const topic = 'killed';
      const reader = await readerOf(topic, 4);
      const stored = new Set<string>();
      const unknown = new Set<string>();
      let stopped = false;
      let number = 0;
      const failures: unknown[] = [];
      const sender = async (): Promise<void> => {
        while (!stopped) {
          number += 1;
          const body = String(number);
          try {
            await client.producer.send(outgoing(topic, body), soon());
            stored.add(body);
          } catch (error) {
            failures.push(error);
            if (error instanceof ClientError && error.kind === 'outcomeUnknown') unknown.add(body);
          }
          // The reader acknowledges one by one, so it is slower than eight senders.
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      };
      const senders = numbers(8).map(sender);
      await reader.count(200);
      await cluster.stopBroker();
      await vi.waitUntil(() => failures.length > 0, { timeout: 30_000 });
      await cluster.startBroker();
      const before = stored.size;
      await reader.until(() => stored.size > before + 200);
      stopped = true;
      await Promise.all(senders);
      let seenCount = 0;
      const missing = new Set(stored);
      await reader.until(() => {
        for (; seenCount < reader.messages.length; seenCount += 1) {
          missing.delete(reader.messages[seenCount]?.body.toString() ?? '');
        }
        return missing.size === 0;
      });
      for (const failure of failures) expect(failure).toBeInstanceOf(ClientError);
      const strangers = reader.bodies.filter((body) => !stored.has(body) && !unknown.has(body));
      expect(strangers).toEqual([]);
      await reader.stop();
    });
  },
  isNewest,
);

/** Receiving from 4.x is judged in client-pull.test.ts and client-access.test.ts. */
function isNewest({ version }: Variant): boolean {
  return version === '5.5.0';
}
