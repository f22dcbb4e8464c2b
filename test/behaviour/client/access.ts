import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ClusterClient } from '../../../src/client/client.ts';
import { channelDefaults } from '../../../src/remoting/channel.ts';
import { dial } from '../../../src/remoting/dial.ts';
import { TransactionOutcome } from '../../../src/remoting/requests/end-transaction.ts';
import { queryMessage } from '../../../src/remoting/requests/query-message.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import type { Credentials } from '../../../src/remoting/signature.ts';
import { guestGroup, guestKeys, guestTopic, memberKeys } from '../../rocketmq/access-control.ts';
import { failureOf, ProxyClient } from '../../support/grpc-client.ts';
import { startProxyHere } from '../../support/proxy-here.ts';
import type { TestedProxy } from '../../support/proxy-process.ts';
import { outgoing, Reader, RealClients, soon } from '../../support/real-client.ts';
import { isBefore5, lacks } from '../target.ts';
import type { ClientSuite } from './client-suite.ts';

const membersTopic = 'members-only';

/** Requests are signed where they must be, and who may not is told so. */
export function describeAccess(suite: ClientSuite): void {
  const { variant } = suite;

  beforeAll(async () => {
    for (const topic of [guestTopic, membersTopic]) await suite.topic(topic, 1);
  });

  test('whatever goes on behind the scenes is let in', async () => {
    const topic = await suite.topic('behind-the-scenes', 1);
    const clients = new RealClients(suite.target.nameServer, suite.target.credentials);
    const client = clients.create({ heartbeatIntervalMs: 500, routeRefreshIntervalMs: 500 });
    const { producer, transactions } = client;
    await producer.sendBatch([outgoing(topic, 'one'), outgoing(topic, 'two')], soon());
    await producer.send(outgoing(topic, 'level', { delivery: { kind: 'level', level: 1 } }), soon());
    transactions.end(await transactions.begin(outgoing(topic, 'four'), undefined, soon()), TransactionOutcome.COMMIT);
    await expect.poll(() => suite.storedCount(topic), { timeout: 30_000 }).toBe(4);
    const reader = await suite.join(topic, { ack: false }, client);
    const { receipt } = await reader.nth(0);
    await reader.consumer.nack(receipt, 0, soon());
    await reader.count(5);
    for (const message of reader.messages.slice(1)) await reader.consumer.ack(message.receipt, soon());
    await reader.stop();
    await clients.close();
    expect(clients.log.troubles).toEqual([]);
  });

  test('a look-up by message id, whose mark some brokers count among the signed values, is let in', async () => {
    const { credentials, brokerAddress } = suite.target;
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
      const stranger = new RealClients(suite.target.nameServer, credentials);
      const before = await suite.storedCount(membersTopic);
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
      expect(await suite.storedCount(membersTopic)).toBe(before);
      await stranger.close();
      for (const secret of ['canary', memberKeys.secretKey, credentials?.accessKey ?? 'canary'])
        expect(inspect([failures, stranger.log.lines], { depth: 10 })).not.toContain(secret);
    });

    describe.skipIf(lacks('embedded', 'rights'))('to those without the right', () => {
      let guests: RealClients;
      beforeAll(() => {
        guests = new RealClients(suite.target.nameServer, guestKeys);
      });
      afterAll(() => guests?.close());
      const denied = { name: 'ClientError', kind: 'denied', message: expect.stringContaining('check the rights') };

      test('to send to a topic', async () => {
        const { producer } = guests.create();
        await producer.send(outgoing(guestTopic, 'for guests'), soon());
        expect(await errorOf(producer.send(outgoing(membersTopic, 'x'), soon()))).toMatchObject(denied);
        if (!isBefore5(variant, 'batchRights'))
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
        proxy = await startProxyHere({ ROCKETMQ_ENDPOINT: suite.target.nameServer });
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
}

/** Receives one message, and acknowledges it; fails with what the stream fails with. */
async function receiveOne(client: ClusterClient, topic: string, group: string): Promise<void> {
  const reader = await Reader.open(client, { group, topic }, { messagesMax: 1 });
  try {
    await reader.until(() => reader.acknowledged.length === 1);
  } finally {
    await reader.stop();
  }
}

/** What a call fails with; of a batch, what its part failed with. */
function errorOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => new Error('it succeeded'),
    (error: unknown) => (error instanceof Error && error.name === 'BatchError' ? error.cause : error),
  );
}
