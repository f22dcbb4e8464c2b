import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  EndTransactionRequestSchema,
  SendTransactionMessageRequestSchema,
  TransactionOutcome,
} from '../../../src/gen/rocketmq/rocketmq_pb.ts';
import { createTransactionHandlers, groupOf, type TransactionHandlers } from '../../../src/proxy/send/transactions.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { type ProxyParts, patientCall, proxyParts, refusalOf, sendOptions } from '../../support/proxy-parts.ts';
import { type ScriptedCluster, sentProperties } from '../../support/scripted-cluster.ts';
import { startTestCluster } from '../../support/started-proxy.ts';

const { END_TRANSACTION, QUERY_MESSAGE, SEND_MESSAGE_V2 } = RequestCode;

describe('transactions', () => {
  let cluster: ScriptedCluster;
  let parts: ProxyParts;
  let handlers: TransactionHandlers;
  let producerId: string;
  let sentCount: number;

  beforeEach(async () => {
    ({ cluster } = await startTestCluster());
    cluster.broker
      .on(QUERY_MESSAGE, () => ({ code: ResponseCode.QUERY_NOT_FOUND, remark: 'none' }))
      .on(END_TRANSACTION, () => ({}));
    parts = proxyParts(cluster);
    sentCount = 0;
    const onSent = (count: number): void => {
      sentCount += count;
    };
    handlers = createTransactionHandlers(parts, sendOptions({ onSent }), async () => ({ messageId: 'stored' }));
    producerId = producerOf('topic');
  });

  function producerOf(topic: string): string {
    const target = { endpoint: cluster.nameServer.address, accessKeyId: '', accessKeySecret: '' };
    return parts.sessions.createProducer({ ...target, topic, owner: '' });
  }

  const begin = (init: MessageInitShape<typeof SendTransactionMessageRequestSchema> = {}) =>
    handlers.sendTransactionMessage(
      create(SendTransactionMessageRequestSchema, { producerId, messageBody: 'x', leftPending: true, ...init }),
      patientCall(),
    );

  const end = (transactionHandle: string | undefined, outcome: TransactionOutcome = TransactionOutcome.COMMIT) =>
    handlers.endTransaction(
      create(EndTransactionRequestSchema, { producerId, transactionHandle: transactionHandle ?? '', outcome }),
      patientCall(),
    );

  it('left pending are half messages of a group of the topic’s name, which no broker is told the end of', async () => {
    const { transactionHandle, messageId } = await begin({ transCheckImmunityTime: 60 });
    const sent = sentProperties(await cluster.broker.request(SEND_MESSAGE_V2));
    expect(Object.fromEntries(sent)).toMatchObject({
      TRAN_MSG: 'true',
      PGROUP: 'topic',
      UNIQ_KEY: messageId,
      CHECK_IMMUNITY_TIME_IN_SECONDS: '60',
    });
    expect(sentCount).toBe(1);
    expect(cluster.broker.requests(END_TRANSACTION)).toEqual([]);
    // Of the send nothing is needed any more, and nothing of it is remembered.
    expect(await end(transactionHandle)).toMatchObject({ message: 'the transaction is committed' });
    const { extFields } = await cluster.broker.request(END_TRANSACTION);
    expect(extFields).toMatchObject({ producerGroup: 'topic', tranStateTableOffset: '0', commitLogOffset: '0' });
    expect(extFields).toMatchObject({ msgId: messageId, topic: 'topic', commitOrRollback: '8' });
    expect(await refusalOf(end(transactionHandle, TransactionOutcome.ROLLBACK))).toEqual([
      'INVALID_REQUEST',
      expect.stringContaining('has ended with the other outcome'),
    ]);
  });

  it('that are not left pending are committed as soon as they are stored, and delayed ones are sent as such', async () => {
    expect(await begin({ leftPending: false })).not.toHaveProperty('transactionHandle');
    const { extFields } = await cluster.broker.request(END_TRANSACTION);
    expect(extFields['producerGroup']).toBe('rocketmq-grpc-proxy');
    const later = { startDeliverTime: BigInt(Date.now() + 60_000) };
    expect(await begin({ leftPending: false, properties: later })).toMatchObject({ transactionId: 'stored' });
    expect(await refusalOf(begin({ properties: later }))).toEqual([
      'INVALID_REQUEST',
      expect.stringContaining('cannot be delivered later'),
    ]);
  });

  it('that the broker waits for no longer say what to do, and nothing of the broker', async () => {
    cluster.broker.on(END_TRANSACTION, () => ({ code: ResponseCode.ILLEGAL_OPERATION, remark: 'at 10.0.0.1' }));
    const { transactionHandle } = await begin();
    const [reason, text] = await refusalOf(end(transactionHandle));
    expect([reason, text]).toEqual(['RECEIPT_EXPIRED', expect.stringContaining('answer its check')]);
    expect(text).not.toMatch(/\d\.\d\.\d|127/);
  });

  it('whose end no broker confirms are open', async () => {
    const { transactionHandle } = await begin();
    cluster.broker.on(END_TRANSACTION, () => {
      cluster.broker.dropConnections();
      return undefined;
    });
    for (let times = 0; times < 2; times += 1) {
      expect(await refusalOf(end(transactionHandle))).toEqual([
        'OUTCOME_UNKNOWN',
        expect.stringContaining('which is not sent twice'),
      ]);
    }
    expect(cluster.broker.requests(END_TRANSACTION)).toHaveLength(1);
  });

  it('end by an outcome that is one', async () => {
    const { transactionHandle } = await begin();
    for (const outcome of [TransactionOutcome.UNSPECIFIED, 7 as TransactionOutcome])
      expect(await refusalOf(end(transactionHandle, outcome))).toEqual([
        'INVALID_REQUEST',
        expect.stringContaining('outcome'),
      ]);
  });
});

describe('the producer group of a transaction', () => {
  it.each([
    ['', 'orders', 'orders'],
    ['', 'MQ_INST_1%orders', 'MQ_INST_1%orders'],
    ['group', 'orders', 'group'],
    ['group', 'MQ_INST_1%orders', 'MQ_INST_1%group'],
    ['g'.repeat(120), 'orders', 'g'.repeat(120)],
  ])('"%s" of topic %s is %s', (group, topic, expected) => {
    expect(groupOf(group, topic)).toBe(expected);
  });

  it.each([
    ['rocketmq-grpc-proxy', 'orders', 'own'],
    ['', 'rocketmq-grpc-proxy', 'own'],
    ['a%b', 'orders', 'producer_group'],
    ['a b', 'orders', 'letters'],
    ['g'.repeat(121), 'orders', '120'],
    // A topic may be longer than a group: then one must be named.
    ['', 't'.repeat(121), '120'],
  ])('"%s" of topic %s is refused', (group, topic, text) => {
    expect(() => groupOf(group, topic)).toThrow(text);
  });
});
