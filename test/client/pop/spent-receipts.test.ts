import { expect, test } from 'vitest';
import { receiptKey } from '../../../src/client/pop/in-flight-messages.ts';
import { acksMin, SpentReceipts } from '../../../src/client/pop/spent-receipts.ts';
import type { PopReceipt } from '../../../src/remoting/pop-receipt.ts';

function receipt(queueOffset: bigint, invisibleDurationMs: number): PopReceipt {
  return {
    startOffset: 0n,
    popTimeMs: 1,
    invisibleDurationMs,
    reviveQueueId: 0,
    retry: '0',
    brokerName: 'broker-a',
    queueId: 0,
    queueOffset,
  };
}

const subscriber = { group: 'g', topic: 't' };

test('are told apart by group and topic: in one millisecond, two topics may give the same receipt', () => {
  const spentReceipts = new SpentReceipts();
  spentReceipts.add(subscriber, receipt(1n, 60_000), 'givenBack');
  spentReceipts.addAcknowledged(subscriber, receiptKey(receipt(2n, 60_000)));
  for (const other of [
    { group: 'g', topic: 'other' },
    { group: 'other', topic: 't' },
  ]) {
    expect(spentReceipts.find(other, receiptKey(receipt(1n, 60_000)))).toBeUndefined();
    expect(spentReceipts.find(other, receiptKey(receipt(2n, 60_000)))).toBeUndefined();
  }
});

test('are remembered until their receipts would be late anyway', async () => {
  const spentReceipts = new SpentReceipts();
  spentReceipts.add(subscriber, receipt(1n, 20), 'replaced');
  spentReceipts.add(subscriber, receipt(2n, 60_000), 'givenBack');
  expect(spentReceipts.find(subscriber, receiptKey(receipt(1n, 20)))).toBe('replaced');
  expect(spentReceipts.find(subscriber, receiptKey(receipt(3n, 20)))).toBeUndefined();
  await expect.poll(() => spentReceipts.find(subscriber, receiptKey(receipt(1n, 20)))).toBeUndefined();
  expect(spentReceipts.find(subscriber, receiptKey(receipt(2n, 60_000)))).toBe('givenBack');
  spentReceipts.delete(subscriber, receipt(2n, 60_000));
  expect(spentReceipts.find(subscriber, receiptKey(receipt(2n, 60_000)))).toBeUndefined();
});

test('are bounded: the oldest go first', () => {
  const spentReceipts = new SpentReceipts();
  for (let offset = 0n; offset <= 65_536n; offset += 1n)
    spentReceipts.add(subscriber, receipt(offset, 60_000), 'givenBack');
  expect(spentReceipts.find(subscriber, receiptKey(receipt(0n, 60_000)))).toBeUndefined();
  expect(spentReceipts.find(subscriber, receiptKey(receipt(1n, 60_000)))).toBe('givenBack');
});

test('acks are remembered, too, and decide; the oldest go first', () => {
  const spentReceipts = new SpentReceipts();
  const ack = (offset: number): void =>
    spentReceipts.addAcknowledged(subscriber, receiptKey(receipt(BigInt(offset), 1)));
  spentReceipts.add(subscriber, receipt(0n, 60_000), 'givenBack');
  ack(0);
  expect(spentReceipts.find(subscriber, receiptKey(receipt(0n, 1)))).toBe('acknowledged');
  for (let offset = 1; offset < 2 * acksMin - 1; offset += 1) ack(offset);
  expect(spentReceipts.find(subscriber, receiptKey(receipt(0n, 1)))).toBe('acknowledged');
  ack(2 * acksMin - 1);
  expect(spentReceipts.find(subscriber, receiptKey(receipt(0n, 1)))).toBe('givenBack');
  expect(spentReceipts.find(subscriber, receiptKey(receipt(BigInt(acksMin - 1), 1)))).toBeUndefined();
  expect(spentReceipts.find(subscriber, receiptKey(receipt(BigInt(acksMin), 1)))).toBe('acknowledged');
});
