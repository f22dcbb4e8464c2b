import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { ClusterClient } from '../../src/client/client.ts';
import type { Delivery } from '../../src/client/send/delivery.ts';
import { TransactionOutcome } from '../../src/remoting/requests/end-transaction.ts';
import { ResponseCode } from '../../src/remoting/response-code.ts';
import { decodeStoredMessages, type StoredMessage } from '../../src/remoting/stored-message.ts';
import { outgoing, Reader, RealClients, soon } from '../support/real-client.ts';
import { type RocketMQCluster, startRocketMQ } from './cluster.ts';
import { skipRocketMQ } from './java.ts';

const { COMMIT, ROLLBACK } = TransactionOutcome;
const PULL_MESSAGE = 11;
const subscriptionInRequest = '4';

describe.skipIf(skipRocketMQ())('the client on RocketMQ 4.9.7', () => {
  let cluster: RocketMQCluster;
  let clients: RealClients;
  let client: ClusterClient;

  beforeAll(async () => {
    cluster = await startRocketMQ({
      version: '4.9.7',
      brokerConfig: { transactionTimeOut: 1_000, transactionCheckInterval: 500, autoCreateTopicEnable: false },
    });
    clients = new RealClients(cluster.nameServer);
    client = clients.create();
  });

  afterAll(async () => {
    await clients?.close();
    await cluster?.stop();
  });

  /** All that is in a topic of one queue, as a consumer would pull it. */
  async function contentOf(topic: string): Promise<StoredMessage[]> {
    const reply = await cluster.brokerCall(PULL_MESSAGE, {
      consumerGroup: 'g',
      topic,
      queueId: '0',
      queueOffset: '0',
      maxMsgNums: '32',
      sysFlag: subscriptionInRequest,
      commitOffset: '0',
      suspendTimeoutMillis: '0',
      subscription: '*',
      subVersion: '0',
      expressionType: 'TAG',
    });
    return reply.code === ResponseCode.SUCCESS ? decodeStoredMessages(reply.body) : [];
  }

  const bodiesOf = async (topic: string) => (await contentOf(topic)).map(({ body }) => body.toString());

  /** Waits until a topic holds exactly these. */
  const holds = (topic: string, ...bodies: readonly string[]) =>
    vi.waitFor(async () => expect(await bodiesOf(topic)).toEqual(bodies), { timeout: 20_000 });

  test('messages are stored as they were sent, an empty one too', async () => {
    await cluster.createTopic('plain', { queueCount: 1 });
    const properties = [['user', 'wert 😀']] as const;
    const { messageId } = await client.producer.send(
      outgoing('plain', 'Grüße', { tag: 't', keys: 'k1 k2', shardingKey: 's', properties }),
      soon(),
    );
    await client.producer.send(outgoing('plain', ''), soon());
    // Nothing that compression could make smaller.
    await client.producer.send(outgoing('plain', randomBytes(4_194_304)), soon());
    const [first, second, third] = await contentOf('plain');
    expect(first?.body.toString()).toBe('Grüße');
    expect(Object.fromEntries(first?.properties ?? [])).toMatchObject({
      TAGS: 't',
      KEYS: 'k1 k2',
      UNIQ_KEY: messageId,
      __SHARDINGKEY: 's',
      user: 'wert 😀',
    });
    expect(second?.body.length).toBe(0);
    // Brokers hand out so much at a time.
    expect([undefined, 4_194_304]).toContain(third?.body.length);
  });

  test('delay levels never come early', async () => {
    await cluster.createTopic('delayed', { queueCount: 1 });
    const sentAtMs = Date.now();
    await client.producer.send(outgoing('delayed', 'level 1', { delivery: { kind: 'level', level: 1 } }), soon());
    await client.producer.send(outgoing('delayed', 'at once'), soon());
    await holds('delayed', 'at once', 'level 1');
    const [, delayed] = await contentOf('delayed');
    expect(delayed?.storeTimestampMs).toBeGreaterThanOrEqual(sentAtMs + 1_000);
  });

  test('delivery at a time is refused, naming the nearest level; a time in the past is now', async () => {
    await cluster.createTopic('timed', { queueCount: 1 });
    const at = (delayMs: number): Delivery => ({ kind: 'time', deliverTimestampMs: Date.now() + delayMs });
    const sent = client.producer.send(outgoing('timed', 'later', { delivery: at(290_000) }), soon());
    await expect(sent).rejects.toMatchObject({ kind: 'unsupported', message: expect.stringContaining('level 9 ') });
    await client.producer.send(outgoing('timed', 'past', { delivery: at(-1_000) }), soon());
    await holds('timed', 'past');
  });

  test('transactions are seen after their commit, never after their rollback; those that nobody ended are asked for', async () => {
    const topic = 'transactions';
    await cluster.createTopic(topic, { queueCount: 1 });
    const asked: (string | undefined)[] = [];
    const { transactions } = clients.create({ producerGroup: 'p' }, ({ properties }) => {
      asked.push(properties.get('UNIQ_KEY'));
      return COMMIT;
    });
    const begin = (body: string) => transactions.begin(outgoing(topic, body), undefined, soon());
    const [committed, rolledBack] = [await begin('committed'), await begin('rolled back')];
    expect(await bodiesOf(topic)).toEqual([]);
    transactions.end(rolledBack, ROLLBACK);
    transactions.end(committed, COMMIT);
    await holds(topic, 'committed');
    const forgotten = await begin('asked for');
    await holds(topic, 'committed', 'asked for');
    expect(asked).toContain(forgotten.sent.messageId);
    // By the time that a second one was asked for, copies of the first would have come.
    await begin('clock');
    await holds(topic, 'committed', 'asked for', 'clock');
    expect((await contentOf(topic))[0]?.properties.get('UNIQ_KEY')).toBe(committed.sent.messageId);
  });

  test('what it does not store is refused', async () => {
    await cluster.createTopic('refused', { queueCount: 1 });
    const tooLarge = client.producer.send(outgoing('refused', Buffer.alloc(4_194_304 + 65_536)), soon());
    await expect(tooLarge).rejects.toMatchObject({ code: ResponseCode.MESSAGE_ILLEGAL });
    await expect(client.producer.send(outgoing('never-made', 'x'), soon())).rejects.toMatchObject({ kind: 'noRoute' });
  });

  test('receiving is not supported, and says so', async () => {
    await cluster.createTopic('unread');
    await expect(Reader.open(client, { group: 'g', topic: 'unread' })).rejects.toMatchObject({
      name: 'ClientError',
      kind: 'unsupported',
    });
  });
});
