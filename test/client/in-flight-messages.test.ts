import { describe, expect, test } from 'vitest';
import { InFlightMessages, receiptKey } from '../../src/client/in-flight-messages.ts';
import type { PopReceipt } from '../../src/remoting/pop-receipt.ts';

function receipt(queueOffset: bigint, change: Partial<PopReceipt> = {}): PopReceipt {
  return {
    startOffset: 0n,
    popTimeMs: 1,
    invisibleDurationMs: 60_000,
    reviveQueueId: 0,
    retry: '0',
    brokerName: 'broker-a',
    queueId: 0,
    queueOffset,
    ...change,
  };
}

describe('InFlightMessages', () => {
  test('count, find, and have room for so many', () => {
    const messages = new InFlightMessages(2);
    expect([messages.size, messages.room]).toEqual([0, 2]);
    messages.add(receipt(1n), 100);
    messages.add(receipt(2n), 100);
    expect([messages.size, messages.room]).toEqual([2, 0]);
    expect(messages.find(receipt(1n))).toMatchObject({
      handedOut: receipt(1n),
      receipt: receipt(1n),
      visibleAtMs: 100,
    });
    expect(messages.find(receipt(3n))).toBeUndefined();
    messages.add(receipt(3n), 100);
    expect(messages.room).toBe(0);
    messages.remove(receipt(9n));
    messages.remove(receipt(1n));
    expect([messages.size, messages.room]).toEqual([2, 0]);
  });

  test('tell when there is room after there was none, and only then', () => {
    let roomCount = 0;
    const messages = new InFlightMessages(2, () => {
      roomCount += 1;
    });
    messages.add(receipt(1n), 100);
    messages.remove(receipt(1n));
    expect(roomCount).toBe(0);
    for (const offset of [1n, 2n]) messages.add(receipt(offset), 100);
    messages.remove(receipt(1n));
    messages.remove(receipt(2n));
    expect(roomCount).toBe(1);
  });

  test('forget what is visible again, but not what is being renewed or acknowledged', () => {
    let roomCount = 0;
    const messages = new InFlightMessages(4, () => {
      roomCount += 1;
    });
    for (const offset of [1n, 2n, 3n, 4n]) messages.add(receipt(offset), Number(offset) * 100);
    const [, , third, fourth] = messages.all;
    if (third !== undefined) third.renewing = Promise.resolve();
    if (fourth !== undefined) fourth.acking = Promise.resolve();
    messages.removeExpired(99);
    expect(messages.size).toBe(4);
    messages.removeExpired(200);
    expect(messages.all.map(({ receipt: { queueOffset } }) => queueOffset)).toEqual([3n, 4n]);
    messages.removeExpired(1_000);
    expect(messages.size).toBe(2);
    expect(roomCount).toBe(1);
  });
});

test('a receipt key names one delivery of one message', () => {
  const others: Partial<PopReceipt>[] = [
    { queueOffset: 2n },
    { queueId: 1 },
    { retry: '1' },
    { brokerName: 'broker-b' },
    { popTimeMs: 2 },
  ];
  const keys = [receipt(1n), ...others.map((change) => receipt(1n, change))].map(receiptKey);
  expect(new Set(keys).size).toBe(6);
  expect(receiptKey(receipt(1n, { startOffset: 5n, invisibleDurationMs: 5, reviveQueueId: 5 }))).toBe(keys[0]);
});
