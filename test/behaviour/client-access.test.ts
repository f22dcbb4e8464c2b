import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ClusterClient } from '../../src/client/client.ts';
import type { Consumer } from '../../src/client/consumer.ts';
import { parseTagFilter } from '../../src/client/message-filter.ts';
import type { Receipt } from '../../src/client/receipt.ts';
import type { ReceivedMessage } from '../../src/client/received-message.ts';
import type { Subscriber } from '../../src/client/subscriber.ts';
import { channelDefaults } from '../../src/remoting/channel.ts';
import { dial } from '../../src/remoting/dial.ts';
import { TransactionOutcome } from '../../src/remoting/requests/end-transaction.ts';
import { queryMessage } from '../../src/remoting/requests/query-message.ts';
import { ResponseCode } from '../../src/remoting/response-code.ts';
import type { Credentials } from '../../src/remoting/signature.ts';
import { guestGroup, guestKeys, guestTopic, memberKeys } from '../rocketmq/access-control.ts';
import { failureOf, ProxyClient } from '../support/grpc-client.ts';
import { startProxyHere } from '../support/proxy-here.ts';
import type { TestedProxy } from '../support/proxy-process.ts';
import { outgoing, RealClients, soon } from '../support/real-client.ts';
import { describeOnTargets, lacks, startTarget, type Target } from './target.ts';

const GET_MAX_OFFSET = 30;
const membersTopic = 'members-only';

describeOnTargets('access', (variant) => {
  let cluster: Target;
  let clients: RealClients;

  beforeAll(async () => {
    cluster = await startTarget(variant);
    clients = new RealClients(cluster.nameServer, cluster.credentials);
    for (const topic of [guestTopic, membersTopic]) await cluster.createTopic(topic, { queueCount: 1 });
  });

  afterAll(async () => {
    await clients?.close();
    await cluster?.stop();
  });

  async function storedCount(topic: string): Promise<number> {
    return Number((await cluster.brokerCall(GET_MAX_OFFSET, { topic, queueId: '0' })).extFields['offset']);
  }

  test('whatever is sent is stored', async () => {
    const topic = 'sent';
    await cluster.createTopic(topic, { queueCount: 1 });
    const { producer, transactions } = clients.create();
    const { queueOffset } = await producer.send(outgoing(topic, 'one'), soon());
    expect(queueOffset).toBe(0n);
    await producer.sendBatch([outgoing(topic, 'two'), outgoing(topic, 'three')], soon());
    await producer.send(outgoing(topic, 'level', { delivery: { kind: 'level', level: 1 } }), soon());
    transactions.end(await transactions.begin(outgoing(topic, 'four'), undefined, soon()), TransactionOutcome.COMMIT);
    await expect.poll(() => storedCount(topic), { timeout: 30_000 }).toBe(5);
    // Heartbeats and what else goes on behind the scenes are signed as well.
    expect(clients.log.troubles).toEqual([]);
  });

  test('what is sent is received, given back, received again and acknowledged', async () => {
    const topic = 'received';
    await cluster.createTopic(topic, { queueCount: 1 });
    const client = clients.create();
    await client.producer.send(outgoing(topic, 'x'), soon());
    const times: number[] = [];
    await receive(client, { topic, group: 'g-received' }, async (message, consumer) => {
      times.push(message.reconsumeTimes);
      if (message.reconsumeTimes === 0) await consumer.nack(message.receipt, 0, soon());
      else await consumer.ack(message.receipt, soon());
      return message.reconsumeTimes > 0;
    });
    expect(times).toEqual([0, 1]);
    expect(clients.log.troubles).toEqual([]);
  });

  test('a look-up by message id, whose mark some brokers count among the signed values, is let in', async () => {
    const { credentials, brokerAddress } = cluster;
    const channel = await dial(brokerAddress, { ...channelDefaults, connectTimeoutMs: 3_000, credentials }, soon());
    const key = '7F0000010001000000000000000000B1';
    const times = { beginTimestamp: 0n, endTimestamp: 9_999_999_999_999n };
    const query = queryMessage.encode({ topic: membersTopic, key, countMax: 1, ...times, unique: true });
    expect((await channel.invoke(query, soon())).code).toBe(ResponseCode.QUERY_NOT_FOUND);
    channel.close();
  });

  describe.skipIf(!variant.accessControl)('is refused', () => {
    const strangers: readonly (readonly [string, Credentials | undefined])[] = [
      ['a wrong secret key', { ...memberKeys, secretKey: 'canary-secret' }],
      [
        'an unknown access key',
        { accessKey: 'canary-access', secretKey: 'canary-secret', securityToken: 'canary-token' },
      ],
      ['no access key', undefined],
    ];

    test.each(strangers)('to %s', async (_, credentials) => {
      const stranger = new RealClients(cluster.nameServer, credentials);
      const before = await storedCount(membersTopic);
      const client = stranger.create();
      const { producer, transactions } = client;
      const message = outgoing(membersTopic, 'x');
      const failures = [
        await errorOf(producer.send(message, soon())),
        await errorOf(producer.sendBatch([message], soon())),
        await errorOf(transactions.begin(message, undefined, soon())),
        await errorOf(receiveOne(client, membersTopic, 'g-strangers')),
      ];
      for (const failure of failures) {
        expect(failure).toMatchObject({
          name: 'ClientError',
          kind: 'unauthenticated',
          cause: { name: 'ResponseError' },
        });
        expect(failure).toMatchObject({ message: expect.stringMatching(/^the server refused the credentials: /) });
      }
      expect(await storedCount(membersTopic)).toBe(before);
      await stranger.close();
      for (const secret of ['canary', memberKeys.secretKey, credentials?.accessKey ?? 'canary'])
        expect(inspect([failures, stranger.log.lines], { depth: 10 })).not.toContain(secret);
    });

    describe.skipIf(lacks('embedded', 'rights'))('to those without the right', () => {
      let guests: RealClients;
      beforeAll(() => {
        guests = new RealClients(cluster.nameServer, guestKeys);
      });
      afterAll(() => guests?.close());
      const denied = { name: 'ClientError', kind: 'denied', message: expect.stringContaining('check the rights') };

      test('to send to a topic', async () => {
        const { producer } = guests.create();
        await producer.send(outgoing(guestTopic, 'for guests'), soon());
        expect(await errorOf(producer.send(outgoing(membersTopic, 'x'), soon()))).toMatchObject(denied);
        // 4.9 checks no batches.
        if (variant.version === '5.5.0')
          expect(await errorOf(producer.sendBatch([outgoing(membersTopic, 'x')], soon()))).toMatchObject(denied);
      });

      test('to receive from a topic, or in a group', async () => {
        const client = guests.create();
        await client.producer.send(outgoing(guestTopic, 'for guests'), soon());
        await receiveOne(client, guestTopic, guestGroup);
        expect(await errorOf(receiveOne(client, membersTopic, guestGroup))).toMatchObject(denied);
        expect(await errorOf(receiveOne(client, guestTopic, 'g-of-members'))).toMatchObject(denied);
      });
    });

    describe('by the proxy', () => {
      let proxy: TestedProxy;
      let proxyClient: ProxyClient;
      beforeAll(async () => {
        proxy = await startProxyHere({ ROCKETMQ_ENDPOINT: cluster.nameServer });
        proxyClient = new ProxyClient(proxy.address);
      });
      afterAll(async () => {
        proxyClient?.close();
        await proxy?.stop();
      });

      const keysOf = ({ accessKey, secretKey }: Credentials) => ({
        access_key_id: accessKey,
        access_key_secret: secretKey,
      });

      async function sendAs(credentials: Credentials, topic: string): Promise<unknown> {
        const producer_id = await proxyClient.createProducer(topic, keysOf(credentials));
        return proxyClient.send('SendMessage', { producer_id, message_body: 'x' });
      }

      test('with a status for each reason, in words of its own', async () => {
        await sendAs(memberKeys, membersTopic);
        expect(await failureOf(sendAs({ ...memberKeys, secretKey: 'canary' }, membersTopic))).toEqual({
          code: 'UNAUTHENTICATED',
          details: expect.stringMatching(/^the server refused the credentials: the signature is wrong/),
        });
        if (lacks('embedded', 'rights')) return;
        expect(await failureOf(sendAs(guestKeys, membersTopic))).toEqual({
          code: 'PERMISSION_DENIED',
          details: 'the server does not permit it: check the rights to this topic and group',
        });
      });
    });
  });

  /** Receives until `take` says that it is enough; fails with what the stream fails with. */
  async function receive(
    client: ClusterClient,
    subscriber: Subscriber,
    take: (message: ReceivedMessage<Receipt>, consumer: Consumer) => Promise<boolean>,
  ): Promise<void> {
    const durations = { invisibleDurationMs: 30_000, renewalDurationMs: 0, pollDurationMs: 1_000 };
    const consumer = client.consumer({ subscriber, filter: parseTagFilter('*'), ...durations });
    try {
      await consumer.open(soon());
      const { signal } = new AbortController();
      for await (const message of consumer.stream({ messagesMax: 1, signal })) {
        if (await take(message, consumer)) return;
      }
    } finally {
      await consumer.close();
    }
  }

  function receiveOne(client: ClusterClient, topic: string, group: string): Promise<void> {
    return receive(client, { topic, group }, async ({ receipt }, consumer) => {
      await consumer.ack(receipt, soon());
      return true;
    });
  }
});

/** What a call fails with; of a batch, what its part failed with. */
function errorOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => new Error('it succeeded'),
    (error: unknown) => (error instanceof Error && error.name === 'BatchError' ? error.cause : error),
  );
}
