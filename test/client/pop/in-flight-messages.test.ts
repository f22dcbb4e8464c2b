import { describe, expect, test } from 'vitest';
import { type InFlightMessage, InFlightMessages, receiptKey } from '../../../src/client/pop/in-flight-messages.ts';
import type { PopReceipt } from '../../../src/remoting/pop-receipt.ts';

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
    expect(messages.find(receiptKey(receipt(1n)))).toMatchObject({
      handedOut: receipt(1n),
      receipt: receipt(1n),
      visibleAtMs: 100,
    });
    expect(messages.find(receiptKey(receipt(3n)))).toBeUndefined();
    messages.add(receipt(3n), 100);
    expect(messages.room).toBe(0);
    expect(messages.find(receiptKey(receipt(9n)))).toBeUndefined();
    messages.remove(found(messages, 1n));
    expect([messages.size, messages.room]).toEqual([2, 0]);
  });

  test('tell of each that is removed, once, and whether there was no room before', () => {
    const removed: (readonly [bigint, boolean])[] = [];
    const messages = new InFlightMessages(2, ({ receipt: { queueOffset } }, wasFull) => {
      removed.push([queueOffset, wasFull]);
    });
    const first = messages.add(receipt(1n), 100);
    messages.remove(first);
    messages.remove(first);
    for (const offset of [1n, 2n]) messages.add(receipt(offset), 100);
    messages.remove(first);
    messages.remove(found(messages, 1n));
    messages.remove(found(messages, 2n));
    expect(removed).toEqual([
      [1n, false],
      [1n, true],
      [2n, false],
    ]);
  });

  test('know a message by the receipt that its reader was given last', () => {
    const messages = new InFlightMessages(2);
    const message = messages.add(receipt(1n), 100);
    const next = receipt(1n, { popTimeMs: 2, invisibleDurationMs: 5 });
    messages.replace(message, next, 200);
    expect(messages.find(receiptKey(receipt(1n)))).toBeUndefined();
    expect(messages.find(receiptKey(next))).toBe(message);
    expect(message).toMatchObject({ handedOut: next, receipt: next, visibleAtMs: 200 });
    expect(messages.has(message)).toBe(true);
    messages.remove(message);
    expect([messages.has(message), messages.size]).toEqual([false, 0]);
    // It was removed meanwhile: no change brings it back.
    messages.replace(message, receipt(1n), 300);
    expect(messages.size).toBe(0);
  });

  test('forget what is visible again, but not what something is done with', () => {
    const messages = new InFlightMessages(3);
    for (const offset of [1n, 2n, 3n]) messages.add(receipt(offset), Number(offset) * 100);
    found(messages, 3n).busy = Promise.resolve();
    messages.removeExpired(99);
    expect(messages.size).toBe(3);
    messages.removeExpired(200);
    expect(messages.all.map(({ receipt: { queueOffset } }) => queueOffset)).toEqual([3n]);
    messages.removeExpired(1_000);
    expect(messages.size).toBe(1);
  });
});

function found(messages: InFlightMessages, queueOffset: bigint): InFlightMessage {
  const message = messages.find(receiptKey(receipt(queueOffset)));
  if (message === undefined) throw new Error('it must be there');
  return message;
}

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
