import { expect, test } from 'vitest';
import { ReleasedMessages } from '../../src/client/released-messages.ts';
import type { PopReceipt } from '../../src/remoting/pop-receipt.ts';

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
  const released = new ReleasedMessages();
  released.add(subscriber, receipt(1n, 60_000));
  expect(released.has({ group: 'g', topic: 'other' }, receipt(1n, 60_000))).toBe(false);
  expect(released.has({ group: 'other', topic: 't' }, receipt(1n, 60_000))).toBe(false);
});

test('are remembered until their receipts would be late anyway', async () => {
  const released = new ReleasedMessages();
  released.add(subscriber, receipt(1n, 20));
  released.add(subscriber, receipt(2n, 60_000));
  expect(released.has(subscriber, receipt(1n, 20))).toBe(true);
  expect(released.has(subscriber, receipt(3n, 20))).toBe(false);
  await expect.poll(() => released.has(subscriber, receipt(1n, 20))).toBe(false);
  expect(released.has(subscriber, receipt(2n, 60_000))).toBe(true);
  released.delete(subscriber, receipt(2n, 60_000));
  expect(released.has(subscriber, receipt(2n, 60_000))).toBe(false);
});

test('are bounded: the oldest go first', () => {
  const released = new ReleasedMessages();
  for (let offset = 0n; offset <= 65_536n; offset += 1n) released.add(subscriber, receipt(offset, 60_000));
  expect(released.has(subscriber, receipt(0n, 60_000))).toBe(false);
  expect(released.has(subscriber, receipt(1n, 60_000))).toBe(true);
});
