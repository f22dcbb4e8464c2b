import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { OutgoingMessage, SendResult } from '../../../src/client/send/outgoing-message.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { TransactionOutcome } from '../../../src/remoting/requests/end-transaction.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { encodeStoredMessage, type StoredMessage } from '../../../src/remoting/stored-message.ts';
import {
  type ScriptedCluster,
  sentProperties,
  startScriptedCluster,
  storedMessage,
  storingScript,
} from '../../support/scripted-cluster.ts';
import { deferred } from '../../support/scripted-peer.ts';

const { CHECK_TRANSACTION_STATE, END_TRANSACTION, SEND_MESSAGE_V2 } = RequestCode;
const { COMMIT, ROLLBACK, UNKNOWN } = TransactionOutcome;
const soon = (): Deadline => Deadline.after(10_000);
const message: OutgoingMessage = { topic: 'topic', body: Buffer.from('hello'), delivery: { kind: 'now' } };

describe('Transactions', () => {
  let cluster: ScriptedCluster;

  beforeEach(async () => {
    cluster = await startScriptedCluster();
  });

  afterEach(() => cluster.stop());

  const ends = () => cluster.broker.requests(END_TRANSACTION).map(({ extFields }) => extFields);

  /** What a broker asks with: it stores the half message again before it does, so the offsets are others each time. */
  function check(sent: Pick<SendResult, 'messageId' | 'bornTimestampMs'>, offset: number): void {
    const half: StoredMessage = storedMessage({
      bornTimestampMs: sent.bornTimestampMs,
      properties: new Map([['UNIQ_KEY', sent.messageId]]),
    });
    cluster.broker.openConnections[0]?.ask({
      code: CHECK_TRANSACTION_STATE,
      extFields: {
        tranStateTableOffset: String(offset),
        commitLogOffset: String(offset * 10),
        msgId: sent.messageId,
        transactionId: sent.messageId,
      },
      body: encodeStoredMessage(half),
    });
  }

  test('a half message says whom to ask, and after which time', async () => {
    const { transactions } = cluster.client({ producerGroup: 'group' });
    const { transactionId, sent } = await transactions.begin(message, 60, soon());
    const request = await cluster.broker.request(SEND_MESSAGE_V2);
    expect(request.extFields['f']).toBe('4');
    const properties = sentProperties(request);
    expect(properties.get('TRAN_MSG')).toBe('true');
    expect(properties.get('PGROUP')).toBe('group');
    expect(properties.get('CHECK_IMMUNITY_TIME_IN_SECONDS')).toBe('60');
    expect(transactionId).toBe(sent.messageId);
    expect(String(sent.bornTimestampMs)).toBe(request.extFields['g']);
  });

  test('one that is to be delivered later is refused: brokers would lose it', async () => {
    const { transactions } = cluster.client();
    const later = { ...message, delivery: { kind: 'level', level: 1 } } as const;
    await expect(transactions.begin(later, undefined, soon())).rejects.toMatchObject({ kind: 'invalid' });
    expect(cluster.broker.requests(SEND_MESSAGE_V2)).toEqual([]);
  });

  test.each([
    ['commit', COMMIT],
    ['rollback', ROLLBACK],
  ] as const)('%s names the half message, and is sent once', async (_, outcome) => {
    const { transactions } = cluster.client({ producerGroup: 'group' });
    await transactions.begin(message, undefined, soon());
    const second = await transactions.begin(message, undefined, soon());
    transactions.end(second, outcome);
    transactions.end(second, outcome);
    await cluster.broker.request(END_TRANSACTION);
    expect(ends()).toEqual([
      {
        producerGroup: 'group',
        tranStateTableOffset: '1',
        commitLogOffset: '10',
        commitOrRollback: String(outcome),
        fromTransactionCheck: 'false',
        msgId: second.sent.messageId,
        transactionId: second.transactionId,
        topic: 'topic',
      },
    ]);
    const other = outcome === COMMIT ? ROLLBACK : COMMIT;
    expect(() => transactions.end(second, other)).toThrow(expect.objectContaining({ kind: 'invalid' }));
    expect(ends().length).toBe(1);
  });

  test.each([
    ['refused', () => ({ code: ResponseCode.ILLEGAL_OPERATION })],
    [
      'lost',
      (_: unknown, { socket }: { socket: { destroy(): void } }) => {
        socket.destroy();
        return undefined;
      },
    ],
  ])('an end that was %s is not sent again by itself; the broker asks and hears it', async (_, script) => {
    cluster.broker.on(END_TRANSACTION, script);
    const { producer, transactions } = cluster.client();
    const pending = await transactions.begin(message, undefined, soon());
    transactions.end(pending, COMMIT);
    await vi.waitFor(
      () => expect(cluster.log.troubles).toContainEqual(expect.stringContaining('not confirmed')),
      20_000,
    );
    expect(ends().length).toBe(1);
    cluster.broker.on(END_TRANSACTION, () => ({}));
    await producer.send(message, soon());
    check(pending.sent, 100);
    await cluster.broker.request(END_TRANSACTION, 1);
    expect(ends()[1]).toMatchObject({
      tranStateTableOffset: '100',
      commitLogOffset: '1000',
      commitOrRollback: String(COMMIT),
      fromTransactionCheck: 'true',
      msgId: pending.sent.messageId,
      transactionId: pending.transactionId,
      topic: 'topic',
    });
  });

  test('an end that never left is told when the broker asks', async () => {
    const { producer, transactions } = cluster.client();
    const pending = await transactions.begin(message, undefined, soon());
    cluster.broker.dropConnections();
    await pending.sent.channel.closed;
    transactions.end(pending, COMMIT);
    await producer.send(message, soon());
    check(pending.sent, 100);
    await cluster.broker.request(END_TRANSACTION);
    expect(ends()).toMatchObject([{ commitOrRollback: String(COMMIT), fromTransactionCheck: 'true' }]);
  });

  test('a check that crosses the end is not answered: both would be carried out', async () => {
    const { transactions, producer } = cluster.client();
    const pending = await transactions.begin(message, undefined, soon());
    const held = deferred<void>();
    cluster.broker.on(END_TRANSACTION, async () => {
      await held.promise;
      return {};
    });
    transactions.end(pending, COMMIT);
    await cluster.broker.request(END_TRANSACTION);
    check(pending.sent, 100);
    // The answer to a send that came after the check: by then the check was seen.
    await producer.send(message, soon());
    expect(ends().length).toBe(1);
    held.resolve();
  });

  test('a check after the end was carried out asks about a copy, which is dropped', async () => {
    const { producer, transactions } = cluster.client();
    const pending = await transactions.begin(message, undefined, soon());
    transactions.end(pending, COMMIT);
    await cluster.broker.request(END_TRANSACTION);
    await vi.waitFor(async () => {
      check(pending.sent, 100);
      await producer.send(message, soon());
      expect(ends().length).toBeGreaterThan(1);
    }, 20_000);
    for (const end of ends().slice(1)) {
      expect(end).toMatchObject({ commitOrRollback: String(ROLLBACK), fromTransactionCheck: 'true' });
    }
  });

  test('a transaction that was rolled back stays so', async () => {
    cluster.broker.on(END_TRANSACTION, () => ({ code: ResponseCode.SYSTEM_ERROR }));
    const { transactions } = cluster.client();
    const pending = await transactions.begin(message, undefined, soon());
    transactions.end(pending, ROLLBACK);
    await vi.waitFor(() => expect(cluster.log.troubles.length).toBe(1), 20_000);
    check(pending.sent, 100);
    await cluster.broker.request(END_TRANSACTION, 1);
    expect(ends()[1]).toMatchObject({ commitOrRollback: String(ROLLBACK), fromTransactionCheck: 'true' });
  });

  test('the half message of a try that got no answer is dropped: a later try was ended in its place', async () => {
    const store = storingScript(cluster.broker.address);
    cluster.broker.on(SEND_MESSAGE_V2, async (request, connection) => {
      const answer = await store(request, connection);
      if (cluster.broker.requests(SEND_MESSAGE_V2).length > 1) return answer;
      connection.socket.destroy();
      return undefined;
    });
    const { transactions } = cluster.client();
    const pending = await transactions.begin(message, undefined, soon());
    const [first, second] = cluster.broker.requests(SEND_MESSAGE_V2);
    expect(first?.extFields['g']).not.toBe(second?.extFields['g']);
    transactions.end(pending, COMMIT);
    await cluster.broker.request(END_TRANSACTION);
    check({ messageId: pending.sent.messageId, bornTimestampMs: Number(first?.extFields['g']) }, 100);
    await cluster.broker.request(END_TRANSACTION, 1);
    expect(ends()[1]).toMatchObject({ commitOrRollback: String(ROLLBACK), tranStateTableOffset: '100' });
  });

  describe('a check of a transaction that was not ended here', () => {
    const half = { messageId: 'ID-1', bornTimestampMs: 1_700_000_000_000 };

    test.each([
      ['commit', COMMIT],
      ['rollback', ROLLBACK],
    ] as const)('the checker says %s', async (_, outcome) => {
      const asked: StoredMessage[] = [];
      const client = cluster.client({}, (one) => {
        asked.push(one);
        return outcome;
      });
      await client.producer.send(message, soon());
      check(half, 7);
      await cluster.broker.request(END_TRANSACTION);
      expect(ends()).toMatchObject([
        { tranStateTableOffset: '7', commitLogOffset: '70', commitOrRollback: String(outcome), msgId: 'ID-1' },
      ]);
      expect(asked.map(({ topic, body }) => [topic, body.toString()])).toEqual([['topic', 'body']]);
    });

    test('the checker does not know yet: no answer, asked again the next time', async () => {
      let outcome: TransactionOutcome = UNKNOWN;
      const client = cluster.client({}, () => outcome);
      await client.producer.send(message, soon());
      check(half, 7);
      await client.producer.send(message, soon());
      expect(ends()).toEqual([]);
      outcome = COMMIT;
      check(half, 8);
      await cluster.broker.request(END_TRANSACTION);
      expect(ends()).toMatchObject([{ tranStateTableOffset: '8', commitOrRollback: String(COMMIT) }]);
    });

    test('without a checker nothing is known', async () => {
      const { producer } = cluster.client();
      await producer.send(message, soon());
      check(half, 7);
      await producer.send(message, soon());
      expect(ends()).toEqual([]);
    });

    test('a second check while the answer to the first is on its way is not answered', async () => {
      const held = deferred<void>();
      cluster.broker.on(END_TRANSACTION, async () => {
        await held.promise;
        return {};
      });
      const { producer } = cluster.client({}, () => COMMIT);
      await producer.send(message, soon());
      check(half, 7);
      await cluster.broker.request(END_TRANSACTION);
      check(half, 8);
      await producer.send(message, soon());
      expect(ends().length).toBe(1);
      held.resolve();
    });

    test('a checker that fails is told to the log', async () => {
      const { producer } = cluster.client({}, () => {
        throw new Error('no database');
      });
      await producer.send(message, soon());
      check(half, 7);
      await vi.waitFor(() => expect(cluster.log.troubles).toContainEqual(expect.stringContaining('check')), 20_000);
      expect(ends()).toEqual([]);
    });

    test.each(['', 'no message'])('a body %j that is no message changes nothing', async (body) => {
      const { producer } = cluster.client({}, () => COMMIT);
      await producer.send(message, soon());
      cluster.broker.openConnections[0]?.ask({
        code: CHECK_TRANSACTION_STATE,
        extFields: { tranStateTableOffset: '7', commitLogOffset: '70' },
        body: Buffer.from(body),
      });
      await producer.send(message, soon());
      expect(ends()).toEqual([]);
    });
  });
});
