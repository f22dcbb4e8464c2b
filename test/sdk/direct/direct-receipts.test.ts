import { expect, test } from 'vitest';
import type { Receipt } from '../../../src/client/receipt.ts';
import { DirectReceipts } from '../../../src/sdk/direct/direct-receipts.ts';

const receipt: Receipt = {
  clientMark: 'abc',
  deliveryNumber: 7,
  brokerName: 'broker-a',
  queueTopic: 'orders',
  queueId: 3,
  queueOffset: 2n ** 53n + 1n,
};

test('a handle is read by the consumer that made it, and by no other', () => {
  const receipts = new DirectReceipts('group', 'orders');
  const handle = receipts.encode(receipt);
  expect(handle).toMatch(/^[\w-]+$/);
  expect(receipts.decode(handle)).toEqual(receipt);
  const others = [new DirectReceipts('other', 'orders'), new DirectReceipts('group', 'other')];
  for (const other of others) expect(() => other.decode(handle)).toThrow(/another group or topic/);
});

test.each(['', 'x', 'bnVsbA', Buffer.from('["group","orders",7]').toString('base64url')])('%j is refused', (handle) => {
  const refusal = expect.objectContaining({ code: 'INVALID_ARGUMENT', reason: 'INVALID_REQUEST' });
  expect(() => new DirectReceipts('group', 'orders').decode(handle)).toThrow(refusal);
});
