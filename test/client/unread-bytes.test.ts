import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  batchBytesMax,
  lookIntervalMs,
  messageBytesMax,
  stalledLooks,
  type TakenMessage,
  UnreadBytes,
  type UnreadStream,
} from '../../src/client/unread-bytes.ts';
import { deferred } from '../support/scripted-peer.ts';

const megabyte = 1_048_576;
const stalledMs = stalledLooks * lookIntervalMs;

describe('UnreadBytes', () => {
  let ending: AbortController;
  let stalled: string[];

  beforeEach(() => {
    vi.useFakeTimers();
    ending = new AbortController();
    stalled = [];
  });

  afterEach(() => {
    ending.abort();
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  const open = (all: UnreadBytes, name: string, signal = ending.signal): UnreadStream =>
    all.open(signal, () => void stalled.push(name));

  /** A message with a body of so many bytes comes for the stream. */
  const takes = (stream: UnreadStream, bytes: number): Promise<boolean> =>
    stream.take(1, async () => [{ stored: { body: Buffer.alloc(bytes) } }]);

  /** The same, and its reader is given it. */
  async function gets(stream: UnreadStream, bytes: number): Promise<void> {
    expect(await takes(stream, bytes)).toBe(true);
    stream.give(bytes);
  }

  test('lets streams take as long as what may come fits, to the byte', async () => {
    const all = new UnreadBytes(messageBytesMax + 100);
    const [first, second] = [open(all, 'first'), open(all, 'second')];
    await gets(first, 101);
    const late = takes(second, 7);
    expect([all.waitingCount, all.bytes]).toEqual([1, 101]);
    first.read();
    expect(await late).toBe(true);
    expect([all.waitingCount, all.bytes]).toEqual([0, 7]);
    await gets(first, 100);
    expect(all.bytes).toBe(107);
  });

  test('counts what requests under way may bring, and no longer when they have failed', async () => {
    const all = new UnreadBytes(messageBytesMax);
    const [first, second] = [open(all, 'first'), open(all, 'second')];
    const answer = deferred<void>();
    const failing = first.take(1, () => answer.promise.then(() => Promise.reject(new Error('no answer'))));
    expect(all.bytes).toBe(messageBytesMax);
    const late = takes(second, 7);
    expect(all.waitingCount).toBe(1);
    answer.resolve();
    await expect(failing).rejects.toThrow('no answer');
    expect(await late).toBe(true);
    expect(all.bytes).toBe(7);
  });

  test('lets in what is larger than all of it alone', async () => {
    const all = new UnreadBytes(10);
    await gets(open(all, 'first'), 1_000);
    expect(all.bytes).toBe(1_000);
  });

  test('a stream whose messages were small need not wait beside large ones', async () => {
    const all = new UnreadBytes(2 * messageBytesMax);
    const [small, large] = [open(all, 'small'), open(all, 'large')];
    await gets(small, 10);
    small.read();
    await gets(large, messageBytesMax);
    await takes(large, messageBytesMax - 1_000);
    const other = takes(open(all, 'other'), 1);
    expect(all.waitingCount).toBe(1);
    await gets(small, 10);
    expect(all.waitingCount).toBe(1);
    ending.abort();
    expect(await other).toBe(false);
  });

  test('asks for as many messages as a batch holds, by the largest of the last ones', async () => {
    const stream = open(new UnreadBytes(64 * megabyte), 'one');
    expect(stream.countOf(32)).toBe(1);
    await gets(stream, 100);
    expect(stream.countOf(32)).toBe(32);
    await gets(stream, megabyte);
    expect(stream.countOf(32)).toBe(4);
    await gets(stream, batchBytesMax + 1);
    expect(stream.countOf(32)).toBe(1);
    await gets(stream, 0);
    expect(stream.countOf(32)).toBe(32);
    await stream.take(1, async () => []);
    expect(stream.countOf(5)).toBe(5);
  });

  test('has no more than a batch taken ahead of a reader that reads', async () => {
    const stream = open(new UnreadBytes(64 * megabyte), 'one');
    await takes(stream, batchBytesMax);
    expect(stream.mayTakeAhead).toBe(true);
    stream.give(batchBytesMax);
    expect(stream.mayTakeAhead).toBe(true);
    await takes(stream, 1);
    expect(stream.mayTakeAhead).toBe(true);
    await takes(stream, batchBytesMax - 1);
    expect(stream.mayTakeAhead).toBe(false);
  });

  test('while somebody waits, ends who has stood still, the longest first, and no more than need be', async () => {
    const all = new UnreadBytes(3 * messageBytesMax);
    const names = ['first', 'second', 'third'];
    const streams = names.map((name) => open(all, name));
    for (const stream of streams) {
      await gets(stream, messageBytesMax);
      vi.advanceTimersByTime(lookIntervalMs);
    }
    vi.advanceTimersByTime(10 * stalledMs);
    expect(stalled).toEqual([]);
    const waiting = [takes(open(all, 'fourth'), 1), takes(open(all, 'fifth'), 1)];
    vi.advanceTimersByTime(lookIntervalMs);
    expect(stalled).toEqual(['first', 'second']);
    expect(await Promise.all(waiting)).toEqual([true, true]);
    expect(all.bytes).toBe(messageBytesMax + 2);
  });

  test('never ends a reader that goes on, however slowly, and ends one that stops then', async () => {
    const all = new UnreadBytes(messageBytesMax);
    const slow = open(all, 'slow');
    await gets(slow, messageBytesMax);
    const waiting = takes(open(all, 'waiting'), 1);
    for (let count = 0; count < 20; count += 1) {
      vi.advanceTimersByTime(stalledMs - lookIntervalMs);
      slow.progressed();
    }
    expect(stalled).toEqual([]);
    vi.advanceTimersByTime(stalledMs);
    expect(stalled).toEqual(['slow']);
    expect(await waiting).toBe(true);
  });

  test('does not blame readers for the time in which the process stood still', async () => {
    const all = new UnreadBytes(messageBytesMax);
    await gets(open(all, 'first'), messageBytesMax);
    const waiting = takes(open(all, 'waiting'), 1);
    vi.setSystemTime(Date.now() + 3_600_000);
    vi.advanceTimersByTime(lookIntervalMs);
    expect(stalled).toEqual([]);
    ending.abort();
    expect(await waiting).toBe(false);
  });

  test('does not end a stream that waits itself, or whose messages wait for no reader', async () => {
    const all = new UnreadBytes(messageBytesMax);
    const holder = open(all, 'holder');
    await takes(holder, messageBytesMax);
    const waiting = takes(open(all, 'waiting'), 1);
    vi.advanceTimersByTime(10 * stalledMs);
    expect(stalled).toEqual([]);
    holder.drop(messageBytesMax);
    expect(await waiting).toBe(true);
  });

  test('unpacks a message when what may come of it fits, by the size of the one before', async () => {
    const all = new UnreadBytes(messageBytesMax + 100);
    const [stream, other] = [open(all, 'stream'), open(all, 'other')];
    await takes(stream, 10);
    await gets(other, 91);
    const unpacked = stream.unpack(async () => ({ body: Buffer.alloc(5_000) }));
    expect(all.waitingCount).toBe(1);
    other.read();
    expect((await unpacked)?.body.length).toBe(5_000);
    stream.drop(10);
    expect([all.bytes, stream.isReading]).toEqual([5_000, true]);
    stream.read();
    expect([all.bytes, stream.isReading]).toEqual([0, false]);
    await gets(other, 200);
    expect(await stream.unpack(async () => undefined)).toBeUndefined();
    expect(all.bytes).toBe(200);
  });

  test('whoever ends gives all back, and gets nothing any more', async () => {
    const all = new UnreadBytes(messageBytesMax);
    const gone = new AbortController();
    const stream = open(all, 'gone', gone.signal);
    await takes(stream, 5);
    await gets(stream, 7);
    const answer = deferred<readonly TakenMessage[]>();
    const late = stream.take(1, () => answer.promise);
    const unpacking = stream.unpack(async () => ({ body: Buffer.alloc(1) }));
    expect(all.waitingCount).toBe(1);
    gone.abort();
    expect(await unpacking).toBeUndefined();
    answer.resolve([{ stored: { body: Buffer.alloc(9) } }]);
    await late;
    stream.give(5);
    stream.read();
    stream.drop(1);
    expect([all.bytes, all.waitingCount]).toEqual([0, 0]);
    expect(await takes(stream, 1)).toBe(false);
    expect(await takes(open(all, 'too late', gone.signal), 1)).toBe(false);
    expect(getEventListeners(gone.signal, 'abort')).toEqual([]);
  });
});
