import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { OutgoingMessage } from '../../../src/client/send/outgoing-message.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { TransactionOutcome } from '../../../src/remoting/requests/end-transaction.ts';
import { encodeStoredMessage } from '../../../src/remoting/stored-message.ts';
import {
  type ScriptedCluster,
  sentProperties,
  startScriptedCluster,
  storedMessage,
} from '../../support/scripted-cluster.ts';
import { deferred } from '../../support/scripted-peer.ts';

const { CHECK_TRANSACTION_STATE, END_TRANSACTION, HEART_BEAT, SEND_MESSAGE_V2, UNREGISTER_CLIENT } = RequestCode;
const { COMMIT, ROLLBACK } = TransactionOutcome;
const soon = (): Deadline => Deadline.after(10_000);
const message: OutgoingMessage = { topic: 'topic', body: Buffer.from('hello'), delivery: { kind: 'now' } };

describe('TransactionGroups', () => {
  let cluster: ScriptedCluster;

  beforeEach(async () => {
    cluster = await startScriptedCluster();
  });

  afterEach(() => cluster.stop());

  /** A broker asks about a half message of a group. */
  function check(group: string, offset: number, messageId = 'ID-1'): void {
    const half = storedMessage({
      properties: new Map([
        ['UNIQ_KEY', messageId],
        ['PGROUP', group],
      ]),
    });
    cluster.broker.openConnections[0]?.ask({
      code: CHECK_TRANSACTION_STATE,
      extFields: { tranStateTableOffset: String(offset), commitLogOffset: String(offset * 10), msgId: messageId },
      body: encodeStoredMessage(half),
    });
  }

  const producerGroups = async (index: number): Promise<string[]> => {
    const { body } = await cluster.broker.request(HEART_BEAT, index);
    const { producerDataSet } = JSON.parse(body.toString());
    return producerDataSet.map(({ groupName }: { groupName: string }) => groupName);
  };

  test('each has a checker of its own, which is asked also about messages of other members', async () => {
    const { producer, transactionGroups } = cluster.client();
    await producer.send(message, soon());
    transactionGroups.join('orders', () => COMMIT);
    transactionGroups.join('payments', () => ROLLBACK);
    check('orders', 1);
    await cluster.broker.request(END_TRANSACTION);
    check('payments', 2, 'ID-2');
    await cluster.broker.request(END_TRANSACTION, 1);
    const ends = cluster.broker.requests(END_TRANSACTION).map(({ extFields }) => extFields);
    expect(ends).toMatchObject([
      { producerGroup: 'orders', commitOrRollback: String(COMMIT), tranStateTableOffset: '1' },
      { producerGroup: 'payments', commitOrRollback: String(ROLLBACK), tranStateTableOffset: '2' },
    ]);
  });

  test('half messages name their group', async () => {
    const { transactionGroups } = cluster.client();
    const { transactions } = transactionGroups.join('orders', () => COMMIT);
    await transactions.begin(message, undefined, soon());
    expect(sentProperties(await cluster.broker.request(SEND_MESSAGE_V2)).get('PGROUP')).toBe('orders');
  });

  test('brokers hear of a new group at once, and of its end', async () => {
    const { producer, transactionGroups } = cluster.client({ producerGroup: 'own' });
    await producer.send(message, soon());
    const group = transactionGroups.join('orders', () => COMMIT);
    expect(await producerGroups(1)).toEqual(['own', 'orders']);
    await group.leave();
    await group.leave();
    expect(cluster.broker.requests(UNREGISTER_CLIENT).map(({ extFields }) => extFields['producerGroup'])).toEqual([
      'orders',
    ]);
    check('orders', 1);
    await producer.send(message, soon());
    expect(cluster.broker.requests(END_TRANSACTION)).toEqual([]);
  });

  test('a client is a member once, and may come back', async () => {
    const { transactionGroups } = cluster.client();
    const group = transactionGroups.join('orders', () => COMMIT);
    expect(() => transactionGroups.join('orders', () => COMMIT)).toThrow(expect.objectContaining({ kind: 'invalid' }));
    await group.leave();
    transactionGroups.join('orders', () => COMMIT);
  });

  test('a checker may take its time: what is asked meanwhile has one answer, about the last copy', async () => {
    const outcome = deferred<TransactionOutcome>();
    const asked = vi.fn(() => outcome.promise);
    const { producer, transactionGroups } = cluster.client();
    await producer.send(message, soon());
    transactionGroups.join('orders', asked);
    check('orders', 1);
    check('orders', 2);
    // Its answer comes behind the checks, which are seen by then.
    await producer.send(message, soon());
    expect(asked).toHaveBeenCalledTimes(1);
    outcome.resolve(COMMIT);
    await cluster.broker.request(END_TRANSACTION);
    const ends = cluster.broker.requests(END_TRANSACTION).map(({ extFields }) => extFields);
    expect(ends).toMatchObject([{ tranStateTableOffset: '2', commitOrRollback: String(COMMIT) }]);
  });

  test('a checker that fails later is told to the log, and asked again', async () => {
    const { producer, transactionGroups } = cluster.client();
    await producer.send(message, soon());
    const checker = vi.fn(async () => COMMIT).mockRejectedValueOnce(new Error('no database'));
    transactionGroups.join('orders', checker);
    check('orders', 1);
    await vi.waitFor(() => expect(cluster.log.troubles).toContainEqual(expect.stringContaining('check')), 20_000);
    check('orders', 2);
    await cluster.broker.request(END_TRANSACTION);
    expect(checker).toHaveBeenCalledTimes(2);
  });

  test('who leaves, or closes the client, waits until brokers have heard of all ends', async () => {
    const client = cluster.client();
    const group = client.transactionGroups.join('orders', () => COMMIT);
    const held = deferred<void>();
    cluster.broker.on(END_TRANSACTION, async () => {
      await held.promise;
      return {};
    });
    const endings = [group.transactions, client.transactions];
    for (const transactions of endings) transactions.end(await transactions.begin(message, undefined, soon()), COMMIT);
    const ended: string[] = [];
    const leaving = group.leave().then(() => ended.push('left'));
    const closing = client.close().then(() => ended.push('closed'));
    await cluster.broker.request(END_TRANSACTION, 1);
    expect(ended).toEqual([]);
    held.resolve();
    await Promise.all([leaving, closing]);
    expect(cluster.log.troubles).toEqual([]);
  });

  test('a checker that is at work when its client closes has its say', async () => {
    const outcome = deferred<TransactionOutcome>();
    const client = cluster.client();
    await client.producer.send(message, soon());
    const asked = deferred<void>();
    client.transactionGroups.join('orders', () => {
      asked.resolve();
      return outcome.promise;
    });
    check('orders', 1);
    await asked.promise;
    const closing = client.close();
    outcome.resolve(COMMIT);
    await closing;
    expect(cluster.broker.requests(END_TRANSACTION).map(({ extFields }) => extFields)).toMatchObject([
      { commitOrRollback: String(COMMIT) },
    ]);
  });
});
