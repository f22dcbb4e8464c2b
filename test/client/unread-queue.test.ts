import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { lookIntervalMs, stalledLooks, UnreadBytes } from '../../src/client/unread-bytes.ts';
import type { UnreadQueue } from '../../src/client/unread-queue.ts';

const stalledMs = stalledLooks * lookIntervalMs;

let all: UnreadBytes;
let ending: AbortController;
let shed: string[];
let ended: string[];

beforeEach(() => {
  vi.useFakeTimers();
  all = new UnreadBytes(100);
  ending = new AbortController();
  [shed, ended] = [[], []];
});

afterEach(() => {
  ending.abort();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

/** A queue that lets go of what it has when it is told to. */
function open(name: string): UnreadQueue {
  const queue: UnreadQueue = all.openQueue(() => {
    shed.push(name);
    queue.hold(0);
  });
  return queue;
}

/** A stream whose reader has so many bytes and reads them never. */
const openStream = (name: string, bytes: number): void =>
  all.open(ending.signal, () => ended.push(name)).giveOfQueue(bytes);

test('takes in what fits, to the byte', () => {
  const [first, second] = [open('first'), open('second')];
  expect(first.takeIn(60)).toBe(true);
  expect(second.takeIn(41)).toBe(false);
  expect(all.bytes).toBe(60);
  expect(second.takeIn(40)).toBe(true);
  expect([all.bytes, all.waitingCount]).toEqual([100, 0]);
  first.hold(50);
  expect(all.bytes).toBe(90);
});

test('takes in what is larger than all of it alone', () => {
  const [first, second] = [open('first'), open('second')];
  expect(first.takeIn(1_000)).toBe(true);
  expect(second.takeIn(1)).toBe(false);
});

test('waits for room for what was turned away, and gives back what it did not need of it', async () => {
  const [first, second] = [open('first'), open('second')];
  first.takeIn(100);
  const reserved = second.reserve(30);
  expect(all.waitingCount).toBe(1);
  first.hold(70);
  expect(await reserved).toBe(true);
  // What is taken of a queue while it pulls is no use of what is reserved.
  second.hold(0);
  expect(all.bytes).toBe(100);
  expect(second.takeIn(20)).toBe(true);
  expect([all.bytes, all.waitingCount]).toEqual([90, 0]);
  expect(second.takeIn(11)).toBe(false);
  expect(await second.reserve(10)).toBe(true);
  expect(second.takeIn(11)).toBe(false);
  expect(all.bytes).toBe(90);
  expect(await second.reserve(10)).toBe(true);
  second.release();
  expect(all.bytes).toBe(90);
});

test('while somebody waits, queues of which nobody takes let go, and no more of them than need be', async () => {
  openStream('reader', 10);
  const [first, second, third] = [open('first'), open('second'), open('third')];
  for (const queue of [first, second, third]) queue.takeIn(30);
  vi.advanceTimersByTime(10 * stalledMs);
  expect(shed).toEqual([]);
  third.hold(29);
  const reserved = open('fourth').reserve(40);
  vi.advanceTimersByTime(lookIntervalMs);
  expect(await reserved).toBe(true);
  // Not the one of which somebody takes, nor a stream.
  expect([shed, ended]).toEqual([['first', 'second'], []]);
  expect(all.bytes).toBe(10 + 29 + 40);
});

test('streams that stand still end only where that is not enough', async () => {
  openStream('reader', 80);
  open('first').takeIn(10);
  const reserved = open('second').reserve(90);
  vi.advanceTimersByTime(stalledMs);
  expect(await reserved).toBe(true);
  expect([shed, ended]).toEqual([['first'], ['reader']]);
});

test('whoever closes gives all back, and gets nothing any more', async () => {
  const [first, second] = [open('first'), open('second')];
  first.takeIn(80);
  expect(await second.reserve(20)).toBe(true);
  const waiting = first.reserve(10);
  first.close();
  first.close();
  expect(await waiting).toBe(false);
  expect([all.bytes, all.waitingCount]).toEqual([20, 0]);
  second.close();
  second.hold(5);
  expect(await second.reserve(1)).toBe(false);
  expect([all.bytes, all.waitingCount]).toEqual([0, 0]);
});

test('what is let in while its queue closes is given back', async () => {
  const [first, second] = [open('first'), open('second')];
  first.takeIn(100);
  const reserved = second.reserve(30);
  first.hold(0);
  second.close();
  expect(await reserved).toBe(false);
  expect(all.bytes).toBe(0);
});
