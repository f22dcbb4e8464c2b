import { beforeEach, describe, expect, it } from 'vitest';
import { LazyStream } from '../../../src/client/lazy-stream.ts';
import type { PullReceipt } from '../../../src/client/receipt.ts';
import { UnreadBytes } from '../../../src/client/unread-bytes.ts';
import { PropertyCuts } from '../../../src/proxy/receive/property-cuts.ts';
import { ReaderWatch } from '../../../src/proxy/receive/reader-watch.ts';
import { StreamDeliveries } from '../../../src/proxy/receive/stream-deliveries.ts';
import { messagesInARowMax, StreamMessages } from '../../../src/proxy/receive/stream-messages.ts';
import { MemoryLog } from '../../support/scripted-cluster.ts';

describe('StreamMessages', () => {
  let left: number;
  let receivedCount: number;
  let events: string[];
  let failure: Error | undefined;

  beforeEach(() => {
    left = 0;
    receivedCount = 0;
    events = [];
    failure = undefined;
  });

  function message(deliveryNumber: number) {
    const receipt = { clientMark: 'c', brokerName: 'b', queueTopic: 't', queueId: 0, queueOffset: 0n, deliveryNumber };
    const [messageId, topic, body] = [`ID-${deliveryNumber}`, 't', Buffer.from('body')];
    return {
      messageId,
      topic,
      body,
      tag: undefined,
      properties: new Map(),
      bornTimestampMs: 0,
      reconsumeTimes: 0,
      receipt,
    };
  }

  /** @param seal gives the handle of a message. */
  function messagesOf(count: number, seal = (): string => 'handle') {
    left = count;
    const take = () => (left === 0 ? undefined : message(left--));
    const ending = new AbortController();
    const unreadBytes = new UnreadBytes(1_000);
    const unread = unreadBytes.open(ending.signal, () => {});
    const stream = new LazyStream<PullReceipt>(() => ({
      messages: { takeNow: take, next: async () => take() },
      // Asked again, it has nothing more to do.
      end: async () => {
        if (!events.includes('end')) events.push('end');
      },
    }));
    const deliveries = new StreamDeliveries(stream, {
      binaryBodies: false,
      cuts: new PropertyCuts(),
      seal,
      onLeftOut() {},
      log: new MemoryLog(),
    });
    const messages = new StreamMessages(async () => {
      events.push('begin');
      return {
        deliveries,
        unread,
        reader: new ReaderWatch(() => {}),
        onReceived: () => {
          receivedCount += 1;
        },
        release: () => {
          events.push('release');
          ending.abort();
        },
        failure: () => failure,
      };
    });
    return { messages, unread, unreadBytes };
  }

  it('begin when the first is waited for', async () => {
    const { messages } = messagesOf(2);
    expect(messages.takeNow()).toBeUndefined();
    expect(events).toEqual([]);
    expect(await messages.next()).toMatchObject({ done: false, value: { messageId: 'ID-2', receiptHandle: 'handle' } });
    expect(messages.takeNow()).toMatchObject({ messageId: 'ID-1' });
    expect(messages.takeNow()).toBeUndefined();
    expect(receivedCount).toBe(2);
    expect(await messages.next()).toEqual({ done: true, value: undefined });
    expect(events).toEqual(['begin', 'end', 'release']);
    expect([messages.takeNow(), await messages.next()]).toEqual([undefined, { done: true, value: undefined }]);
  });

  it('give others a turn after so many in a row', async () => {
    const { messages } = messagesOf(messagesInARowMax + 2);
    await messages.next();
    for (let count = 1; count < messagesInARowMax; count += 1) expect(messages.takeNow()).toBeDefined();
    expect([messages.takeNow(), left]).toEqual([undefined, 2]);
    expect(await messages.next()).toMatchObject({ done: false });
    expect(messages.takeNow()).toBeDefined();
    await messages.return();
  });

  it('say that what was given is read when the next is asked for, in either way', async () => {
    const { messages, unread } = messagesOf(3);
    const readAfter = async (ask: () => unknown): Promise<boolean> => {
      unread.give(10);
      expect(unread.isReading).toBe(true);
      await ask();
      return !unread.isReading;
    };
    await messages.next();
    expect(await readAfter(() => messages.takeNow())).toBe(true);
    expect(await readAfter(() => messages.next())).toBe(true);
    await messages.return();
  });

  it('tell their reader why they ended', async () => {
    failure = new Error('shutting down');
    const { messages } = messagesOf(0);
    await expect(messages.next()).rejects.toBe(failure);
    expect(events).toEqual(['begin', 'end', 'release']);
  });

  it('end once when their reader leaves, and never begin for one that has left before', async () => {
    const { messages } = messagesOf(3);
    await messages.return();
    expect(events).toEqual([]);
    await messages.next();
    await messages.return();
    await messages.return();
    expect(events).toEqual(['begin', 'end', 'release']);
    expect(left).toBe(2);
  });

  it('end with what one of them fails with', async () => {
    const { messages } = messagesOf(1, () => {
      throw new Error('cannot be sealed');
    });
    await expect(messages.next()).rejects.toThrow('cannot be sealed');
    expect(events).toEqual(['begin', 'end', 'release']);
  });
});
