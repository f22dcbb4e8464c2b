import { expect, test } from 'vitest';
import { checkTransaction } from '../../../src/remoting/requests/check-transaction.ts';
import { endTransaction, TransactionOutcome } from '../../../src/remoting/requests/end-transaction.ts';
import { capturedCommand } from '../../support/captured-command.ts';
import { blankCommand } from '../../support/loopback-server.ts';

test('END_TRANSACTION has the code and the fields that Java writes', () => {
  expect(
    endTransaction.encode({
      producerGroup: 'pg',
      transactionStateTableOffset: 5n,
      commitLogOffset: 1_234_567_890_123n,
      outcome: TransactionOutcome.COMMIT,
      fromTransactionCheck: true,
      messageId: 'AC11',
      transactionId: 'tx',
      topic: 'T',
    }),
  ).toEqual({
    code: 37,
    extFields: {
      commitLogOffset: '1234567890123',
      commitOrRollback: '8',
      fromTransactionCheck: 'true',
      msgId: 'AC11',
      producerGroup: 'pg',
      topic: 'T',
      tranStateTableOffset: '5',
      transactionId: 'tx',
    },
  });
});

test('CHECK_TRANSACTION_STATE is read as Java writes it, with and without what is optional', () => {
  const required = { commitLogOffset: '1234567890123', tranStateTableOffset: '5' };
  const optional = { msgId: 'AC11', offsetMsgId: '0A', topic: 'RMQ_SYS_TRANS_HALF_TOPIC', transactionId: 'tx' };
  const offsets = { commitLogOffset: 1_234_567_890_123n, transactionStateTableOffset: 5n };
  expect(checkTransaction.decode({ ...blankCommand, extFields: { ...required, ...optional } })).toEqual({
    ...offsets,
    messageId: 'AC11',
    transactionId: 'tx',
    offsetMessageId: '0A',
    topic: 'RMQ_SYS_TRANS_HALF_TOPIC',
  });
  expect(checkTransaction.decode({ ...blankCommand, extFields: required })).toEqual(offsets);
  expect(() => checkTransaction.decode({ ...blankCommand, extFields: optional })).toThrow(
    'CHECK_TRANSACTION_STATE has no transactionStateTableOffset',
  );
});

test.each([
  ['check-transaction-4.9.7', {}],
  ['check-transaction-5.5.0', { topic: 'RMQ_SYS_TRANS_HALF_TOPIC', brokerName: 'broker-a' }],
])('%s of a real broker', (name, ofNewBrokers) => {
  const uniqKey = '7F0000010001000000000000000000B1';
  expect(checkTransaction.decode(capturedCommand(name))).toEqual({
    transactionStateTableOffset: expect.any(BigInt),
    commitLogOffset: expect.any(BigInt),
    messageId: uniqKey,
    transactionId: uniqKey,
    offsetMessageId: expect.stringMatching(/^7F000001[0-9A-F]{24}$/),
    ...ofNewBrokers,
  });
});
