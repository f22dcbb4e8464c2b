import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { HalfMessage, TransactionEnds } from '../../../src/client/send/transaction-ends.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { TransactionOutcome } from '../../../src/remoting/requests/end-transaction.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { encodeStoredMessage } from '../../../src/remoting/stored-message.ts';
import { soon } from '../../support/real-client.ts';
import { type ScriptedCluster, startScriptedCluster, storedMessage } from '../../support/scripted-cluster.ts';
import { type Answer, deferred } from '../../support/scripted-peer.ts';

const { END_TRANSACTION, QUERY_MESSAGE } = RequestCode;
const { COMMIT, ROLLBACK } = TransactionOutcome;

const half: HalfMessage = {
  topic: 'topic',
  brokerName: 'broker-a',
  queueOffset: 7n,
  commitLogOffset: 700n,
  messageId: 'ID-1',
  transactionId: 'ID-1',
  producerGroup: 'orders',
  bornTimestampMs: 1_700_000_000_000,
  isChecked: false,
};
/** What the broker asks about after it has stored the half message once more. */
const copy: HalfMessage = { ...half, queueOffset: 8n, commitLogOffset: 800n, isChecked: true };

const nothingFound: Answer = { code: ResponseCode.QUERY_NOT_FOUND, remark: 'no' };

describe('TransactionEnds', () => {
  let cluster: ScriptedCluster;
  let ends: TransactionEnds;
  /** The copy of the half message that was committed, by whomever. */
  let committed: bigint | undefined;

  beforeEach(async () => {
    cluster = await startScriptedCluster();
    committed = undefined;
    cluster.broker
      .on(QUERY_MESSAGE, () => (committed === undefined ? nothingFound : found(committed)))
      .on(END_TRANSACTION, () => ({}));
    ends = cluster.client().transactionEnds;
  });

  afterEach(() => cluster.stop());

  function found(preparedTransactionOffset: bigint, messageId = half.messageId): Answer {
    const properties = new Map([['UNIQ_KEY', messageId]]);
    return { body: encodeStoredMessage(storedMessage({ preparedTransactionOffset, properties })) };
  }

  /** What the broker was told: outcome and copy. */
  const told = (): (readonly [number, string | undefined])[] =>
    cluster.broker
      .requests(END_TRANSACTION)
      .map(({ extFields }) => [Number(extFields['commitOrRollback']), extFields['commitLogOffset']]);

  test('an end is sent once, however often and from however many it comes', async () => {
    await Promise.all([ends.end(half, COMMIT, soon()), ends.end(half, COMMIT, soon())]);
    await ends.end(half, COMMIT, soon());
    expect(cluster.broker.requests(END_TRANSACTION).map(({ extFields }) => extFields)).toMatchObject([
      {
        producerGroup: 'orders',
        tranStateTableOffset: '7',
        commitLogOffset: '700',
        commitOrRollback: '8',
        fromTransactionCheck: 'false',
        msgId: 'ID-1',
        transactionId: 'ID-1',
        topic: 'topic',
      },
    ]);
  });

  test('the other outcome is refused, also while the first is on its way', async () => {
    const first = ends.end(half, ROLLBACK, soon());
    await expect(ends.end(half, COMMIT, soon())).rejects.toMatchObject({ kind: 'invalid' });
    await first;
    await expect(ends.end(copy, COMMIT, soon())).rejects.toMatchObject({ kind: 'invalid' });
    expect(told()).toEqual([[ROLLBACK, '700']]);
  });

  test('what another client has committed is not committed again, nor rolled back', async () => {
    committed = 700n;
    await ends.end(half, COMMIT, soon());
    expect(told()).toEqual([]);
    await expect(cluster.client().transactionEnds.end(half, ROLLBACK, soon())).rejects.toMatchObject({
      kind: 'invalid',
    });
    expect(told()).toEqual([]);
    const [{ extFields } = { extFields: {} }] = cluster.broker.requests(QUERY_MESSAGE);
    expect(extFields).toMatchObject({ topic: 'topic', key: 'ID-1', _UNIQUE_KEY_QUERY: 'true' });
  });

  test('a copy of what is committed is dropped, so that the broker asks no more', async () => {
    committed = 700n;
    await ends.end(copy, COMMIT, soon());
    await cluster.broker.request(END_TRANSACTION);
    expect(told()).toEqual([[ROLLBACK, '800']]);
    // The original is another copy to that, and ended already.
    await ends.end(half, COMMIT, soon());
    await cluster.broker.request(END_TRANSACTION, 1);
    expect(told()[1]).toEqual([ROLLBACK, '700']);
  });

  test('what only has the same hash as the message is another message', async () => {
    cluster.broker.on(QUERY_MESSAGE, () => found(700n, 'ID-2'));
    await ends.end(half, COMMIT, soon());
    expect(told()).toEqual([[COMMIT, '700']]);
  });

  test.each([
    ['may not look', { code: ResponseCode.NO_PERMISSION, remark: 'no rights' }],
    ['cannot', { code: ResponseCode.REQUEST_CODE_NOT_SUPPORTED, remark: 'no such code' }],
  ])('who %s ends it unseen', async (_, answer) => {
    cluster.broker.on(QUERY_MESSAGE, () => answer);
    await ends.end(half, COMMIT, soon());
    expect(told()).toEqual([[COMMIT, '700']]);
  });

  test('a broker that does not say whether it is committed is told nothing, and may be told later', async () => {
    cluster.broker.on(QUERY_MESSAGE, () => ({ code: ResponseCode.SYSTEM_BUSY, remark: 'busy' }));
    await expect(ends.end(half, COMMIT, soon())).rejects.toMatchObject({ code: ResponseCode.SYSTEM_BUSY });
    expect(told()).toEqual([]);
    cluster.broker.on(QUERY_MESSAGE, () => nothingFound);
    // Another outcome too: nothing was said yet.
    await ends.end(half, ROLLBACK, soon());
    expect(told()).toEqual([[ROLLBACK, '700']]);
  });

  test('an end that a broker refuses has not happened', async () => {
    cluster.broker.on(END_TRANSACTION, () => ({ code: ResponseCode.ILLEGAL_OPERATION, remark: 'too late' }));
    await expect(ends.end(half, COMMIT, soon())).rejects.toMatchObject({ kind: 'expired' });
    cluster.broker.on(END_TRANSACTION, () => ({ code: ResponseCode.SERVICE_NOT_AVAILABLE, remark: 'no' }));
    await expect(ends.end(half, COMMIT, soon())).rejects.toMatchObject({ code: ResponseCode.SERVICE_NOT_AVAILABLE });
    cluster.broker.on(END_TRANSACTION, () => ({}));
    await ends.end(copy, ROLLBACK, soon());
    expect(told()).toEqual([
      [COMMIT, '700'],
      [COMMIT, '700'],
      [ROLLBACK, '800'],
    ]);
  });

  describe('whose answer is lost', () => {
    /** The connection ends when the broker is told, and works again afterwards. */
    async function loseAnswer(): Promise<void> {
      cluster.broker.on(END_TRANSACTION, () => {
        cluster.broker.dropConnections();
        return undefined;
      });
      await expect(ends.end(half, COMMIT, soon())).rejects.toMatchObject({ kind: 'outcomeUnknown' });
      cluster.broker.on(END_TRANSACTION, () => ({}));
    }

    test('is not sent again, but looked for', async () => {
      await loseAnswer();
      await expect(ends.end(half, COMMIT, soon())).rejects.toMatchObject({ kind: 'outcomeUnknown' });
      await expect(ends.end(half, ROLLBACK, soon())).rejects.toMatchObject({ kind: 'invalid' });
      committed = 700n;
      await ends.end(half, COMMIT, soon());
      expect(told()).toEqual([[COMMIT, '700']]);
    });

    test('is sent for the copy that the broker asks about', async () => {
      await loseAnswer();
      await ends.end(copy, COMMIT, soon());
      expect(told()).toEqual([
        [COMMIT, '700'],
        [COMMIT, '800'],
      ]);
    });

    test('is not sent for that copy where it was carried out after all', async () => {
      await loseAnswer();
      committed = 700n;
      await ends.end(copy, COMMIT, soon());
      await cluster.broker.request(END_TRANSACTION, 1);
      expect(told()[1]).toEqual([ROLLBACK, '800']);
    });
  });

  test('who waits no longer is told that it is open; the end goes on', async () => {
    const answer = deferred<Answer>();
    cluster.broker.on(END_TRANSACTION, () => answer.promise);
    const waiting = ends.end(half, COMMIT, Deadline.after(100));
    await expect(waiting).rejects.toMatchObject({ kind: 'outcomeUnknown', cause: { kind: 'timeout' } });
    const second = ends.end(half, COMMIT, soon());
    answer.resolve({});
    await second;
    expect(told()).toEqual([[COMMIT, '700']]);
  });

  test('the client waits for ends on their way when it closes', async () => {
    const client = cluster.client();
    const answer = deferred<Answer>();
    cluster.broker.on(END_TRANSACTION, () => answer.promise);
    const end = client.transactionEnds.end(half, COMMIT, soon());
    await cluster.broker.request(END_TRANSACTION);
    const closed = client.close();
    answer.resolve({});
    await Promise.all([end, closed]);
  });
});
