import { expect, test } from 'vitest';
import { decodeHalf, encodeHalf } from '../../../src/client/send/half-messages.ts';
import type { HalfMessage } from '../../../src/client/send/transaction-ends.ts';

const half: HalfMessage = {
  topic: 'topic',
  brokerName: 'broker-a',
  queueOffset: 2n ** 63n - 1n,
  commitLogOffset: 2n ** 62n,
  messageId: 'A'.repeat(32),
  transactionId: 'A'.repeat(32),
  producerGroup: 'topic',
  bornTimestampMs: 1_700_000_000_000,
  isChecked: false,
};

test.each([
  ['of a send', {}],
  ['of a check', { isChecked: true }],
  ['with names of its own', { transactionId: 'other', producerGroup: 'group "with" marks' }],
])('what is written of a half message is read again: one %s', (_, change) => {
  const written = { ...half, ...change };
  expect(decodeHalf(encodeHalf(written), 'topic')).toEqual(written);
});

test('is short', () => {
  expect(encodeHalf(half).length).toBeLessThan(130);
});
