import { expect, test } from 'vitest';
import type { Command } from '../../../src/remoting/command.ts';
import { decodeOffsetMessageId } from '../../../src/remoting/message-id.ts';
import { checkTransaction } from '../../../src/remoting/requests/check-transaction.ts';
import { endTransaction, TransactionOutcome } from '../../../src/remoting/requests/end-transaction.ts';
import { encodeHeartbeat } from '../../../src/remoting/requests/heartbeat.ts';
import type { SendMessageReply } from '../../../src/remoting/requests/send-message.ts';
import { decodeStoredMessages } from '../../../src/remoting/stored-message.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { connectEngine, type EngineClient, startTestEngine } from '../../support/engine-client.ts';

function sendHalf(client: EngineClient, body: string): Promise<SendMessageReply> {
  return client.send('orders', body, { properties: { TRAN_MSG: 'true', PGROUP: 'buyers', UNIQ_KEY: `key-${body}` } });
}

function endOf(sent: SendMessageReply, outcome: number): Parameters<typeof endTransaction.encode>[0] {
  return {
    producerGroup: 'buyers',
    transactionStateTableOffset: sent.queueOffset,
    commitLogOffset: decodeOffsetMessageId(sent.messageId).commitLogOffset,
    outcome,
  };
}

test('commits and rolls back, each once, and answers alike when asked again', async () => {
  const broker = await startTestEngine();
  const client = await connectEngine(broker.brokerAddress);
  const [yes, no] = [await sendHalf(client, 'yes'), await sendHalf(client, 'no')];
  expect((await client.pull('orders')).bodies).toEqual([]);
  const commit = endTransaction.encode(endOf(yes, TransactionOutcome.COMMIT));
  const replies = await Promise.all([1, 2, 3].map(() => client.invoke(commit)));
  expect(replies.map(({ code }) => code)).toEqual([0, 0, 0]);
  for (const outcome of [TransactionOutcome.UNKNOWN, TransactionOutcome.ROLLBACK, TransactionOutcome.ROLLBACK]) {
    await client.ask(endTransaction, endOf(no, outcome));
  }
  const { bodies, messages } = await client.pull('orders');
  expect(bodies).toEqual(['yes']);
  expect(Object.fromEntries(messages[0]?.properties ?? [])).toMatchObject({
    TRAN_MSG: 'true',
    PGROUP: 'buyers',
    UNIQ_KEY: 'key-yes',
    __transactionId__: 'key-yes',
  });
});

test.each([
  ['the other way', (sent: SendMessageReply) => endOf(sent, TransactionOutcome.ROLLBACK), 604],
  ['by another group', (sent: SendMessageReply) => ({ ...endOf(sent, 8), producerGroup: 'sellers' }), 1],
  ['where nothing is', (sent: SendMessageReply) => ({ ...endOf(sent, 8), commitLogOffset: 2n ** 62n }), 1],
  ['below where anything is', (sent: SendMessageReply) => ({ ...endOf(sent, 8), commitLogOffset: -1n }), 1],
  [
    'with another queue offset',
    (sent: SendMessageReply) => ({ ...endOf(sent, 8), transactionStateTableOffset: 77n }),
    1,
  ],
  ['with an outcome that is none', (sent: SendMessageReply) => endOf(sent, 4), 29],
])('an end %s is refused', async (_what, fields, code) => {
  const broker = await startTestEngine();
  const client = await connectEngine(broker.brokerAddress);
  const sent = await sendHalf(client, 'one');
  await client.ask(endTransaction, endOf(sent, TransactionOutcome.COMMIT));
  expect(await client.invoke(endTransaction.encode(fields(sent)))).toMatchObject({ code });
  expect((await client.pull('orders')).bodies).toEqual(['one']);
});

test('a producer is asked for what it did not say, and its answer ends the transaction', async () => {
  const clock = new VirtualClock();
  const broker = await startTestEngine({ clock });
  let hear: (request: Command) => void = () => {};
  const asked = new Promise<Command>((resolve) => {
    hear = resolve;
  });
  const onServerRequest = async (request: Command): Promise<undefined> => {
    hear(request);
  };
  const client = await connectEngine(broker.brokerAddress, { onServerRequest });
  await client.invoke(encodeHeartbeat({ clientId: 'c1', producerGroups: ['buyers'], consumers: [] }));
  const sent = await sendHalf(client, 'forgotten');
  await clock.advance(6_000);
  const request = await asked;
  expect(request).toMatchObject({ code: 39, flag: 2 });
  const { transactionStateTableOffset, commitLogOffset, messageId, offsetMessageId } = checkTransaction.decode(request);
  expect({ messageId, offsetMessageId }).toEqual({ messageId: 'key-forgotten', offsetMessageId: sent.messageId });
  expect(decodeStoredMessages(request.body)).toMatchObject([{ topic: 'orders', body: Buffer.from('forgotten') }]);
  await client.ask(endTransaction, {
    producerGroup: 'buyers',
    transactionStateTableOffset,
    commitLogOffset,
    outcome: TransactionOutcome.COMMIT,
    fromTransactionCheck: true,
    messageId,
  });
  expect((await client.pull('orders')).bodies).toEqual(['forgotten']);
});
