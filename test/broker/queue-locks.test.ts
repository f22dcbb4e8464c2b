import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { lockDurationMs, QueueLocks } from '../../src/broker/queue-locks.ts';
import type { MessageQueue } from '../../src/remoting/message.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

function queues(...ids: number[]): MessageQueue[] {
  return ids.map((queueId) => ({ topic: 'T', brokerName: 'b', queueId }));
}

test('one client of a group has a queue, and another group its own lock', () => {
  const locks = new QueueLocks();
  expect(locks.lock('g', 'a', queues(0, 1))).toEqual(queues(0, 1));
  expect(locks.lock('g', 'b', queues(1, 2))).toEqual(queues(2));
  expect(locks.lock('h', 'b', queues(0))).toEqual(queues(0));
  expect(locks.count).toBe(4);
});

test('a lock holds 60 s from when it was renewed last', () => {
  const locks = new QueueLocks();
  locks.lock('g', 'a', queues(0));
  vi.advanceTimersByTime(lockDurationMs - 1);
  expect(locks.lock('g', 'b', queues(0))).toEqual([]);
  expect(locks.lock('g', 'a', queues(0))).toEqual(queues(0));
  vi.advanceTimersByTime(lockDurationMs - 1);
  expect(locks.lock('g', 'b', queues(0))).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(locks.lock('g', 'b', queues(0))).toEqual(queues(0));
  expect(locks.lock('g', 'a', queues(0))).toEqual([]);
  expect(locks.count).toBe(1);
});

test('who holds a lock gives it back, nobody else', () => {
  const locks = new QueueLocks();
  locks.lock('g', 'a', queues(0, 1));
  locks.unlock('g', 'b', queues(0));
  locks.unlock('h', 'a', queues(0));
  expect(locks.lock('g', 'b', queues(0, 1))).toEqual([]);
  locks.unlock('g', 'a', queues(0, 5));
  expect(locks.lock('g', 'b', queues(0, 1))).toEqual(queues(0));
});

test('who leaves gives back all of that group', () => {
  const locks = new QueueLocks();
  for (const group of ['g', 'h']) locks.lock(group, 'a', queues(0, 1));
  locks.lock('g', 'b', queues(2));
  locks.release('g', 'a');
  locks.release('none', 'a');
  expect(locks.lock('g', 'c', queues(0, 1, 2))).toEqual(queues(0, 1));
  expect(locks.lock('h', 'c', queues(0, 1))).toEqual([]);
  expect(locks.count).toBe(5);
});

test('there are at most so many; those that have ended make room', () => {
  const locks = new QueueLocks(3);
  locks.lock('g', 'a', queues(0, 1, 2));
  expect(locks.lock('g', 'a', queues(0, 1, 2))).toHaveLength(3);
  expect(() => locks.lock('h', 'a', queues(0))).toThrow(
    expect.objectContaining({
      name: 'RequestRefused',
      code: 2,
      message: expect.stringContaining('3 queues are locked'),
    }),
  );
  vi.advanceTimersByTime(lockDurationMs);
  expect(locks.lock('h', 'a', queues(0))).toEqual(queues(0));
  expect(locks.count).toBe(1);
});
