import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ProcessQueue, type PulledMessage } from '../../../src/client/pull/process-queue.ts';
import { type ProcessQueueLimits, processQueueLimits } from '../../../src/client/pull/pull-options.ts';
import { arrived } from '../../support/pulled-messages.ts';

const nowMs = 1_000;

function queueOf(limits: Partial<ProcessQueueLimits> = {}, ordered = false): ProcessQueue {
  return new ProcessQueue(0n, { ...processQueueLimits, ...limits }, ordered);
}

const taken = (queue: ProcessQueue, topic = 'topic', atMs = nowMs): PulledMessage =>
  queue.take(topic, atMs) ?? expect.fail('nothing to take');
const offsetOf = ({ stored }: PulledMessage): bigint => stored.queueOffset;

describe('ProcessQueue', () => {
  test('hands out in the order of offsets, and commits up to the first that is not done', () => {
    const queue = queueOf();
    queue.add([arrived(0), arrived(1), arrived(2)], 3n);
    const messages = [taken(queue), taken(queue), taken(queue)];
    expect(messages.map(offsetOf)).toEqual([0n, 1n, 2n]);
    expect(queue.take('topic', nowMs)).toBeUndefined();
    const [zero, one, two] = messages;
    if (two !== undefined) queue.done(two);
    expect(queue.committedOffset).toBe(0n);
    if (zero !== undefined) queue.done(zero);
    expect(queue.committedOffset).toBe(1n);
    if (one !== undefined) queue.done(one);
    expect(queue.committedOffset).toBe(3n);
  });

  test('what nobody wants is committed with what is done, and no sooner', () => {
    const queue = queueOf();
    queue.add([arrived(4)], 9n);
    expect([queue.nextOffset, queue.committedOffset]).toEqual([9n, 4n]);
    queue.done(taken(queue));
    expect(queue.committedOffset).toBe(9n);
    queue.add([], 12n);
    expect(queue.committedOffset).toBe(12n);
  });

  test('takes no message twice, and never goes back, whatever the broker says', () => {
    const queue = queueOf();
    queue.add([arrived(0), arrived(1)], 2n);
    queue.add([arrived(0), arrived(1)], 0n);
    expect([queue.count, queue.nextOffset]).toEqual([2, 2n]);
  });

  test.each([
    ['messages', { messagesMax: 2 }, [0, 1]],
    ['bytes', { bytesMax: 8 }, [0, 1]],
    ['span', { spanMax: 7 }, [0, 7]],
  ])('is full at its limit of %s, and not one before', (_, limits, offsets) => {
    const queue = queueOf(limits);
    const [first = 0, last = 0] = offsets;
    queue.add([arrived(first, { body: Buffer.alloc(4) })], BigInt(first + 1));
    expect(queue.isFull).toBe(false);
    if (last === 7) {
      queue.add([arrived(6)], 7n);
      expect(queue.isFull).toBe(false);
    }
    queue.add([arrived(last, { body: Buffer.alloc(4) })], BigInt(last + 1));
    expect(queue.isFull).toBe(true);
    queue.done(taken(queue));
    expect(queue.isFull).toBe(false);
  });

  test('hands a message out again from its time on, before what is new, counting its tries', () => {
    const queue = queueOf();
    queue.add([arrived(0), arrived(1)], 2n);
    queue.handBack(taken(queue), nowMs + 10);
    expect(offsetOf(taken(queue))).toBe(1n);
    queue.add([arrived(2)], 3n);
    const again = taken(queue, 'topic', nowMs + 10);
    expect([offsetOf(again), again.localReconsumeTimes]).toEqual([0n, 1]);
    queue.done(again);
    queue.handBack(again, 0);
    expect(offsetOf(taken(queue))).toBe(2n);
  });

  test('in order: nothing overtakes a message that is handed out, or waits for its time', () => {
    const queue = queueOf({}, true);
    queue.add([arrived(0), arrived(1)], 2n);
    const first = taken(queue);
    expect(queue.take('topic', nowMs)).toBeUndefined();
    queue.handBack(first, nowMs + 10);
    expect(queue.take('topic', nowMs + 9)).toBeUndefined();
    const again = taken(queue, 'topic', nowMs + 10);
    expect(offsetOf(again)).toBe(0n);
    queue.done(again);
    expect(offsetOf(taken(queue))).toBe(1n);
  });

  test('keeps the messages of several topics apart', () => {
    const queue = queueOf();
    queue.add([arrived(0, { topic: 'a' }), arrived(1, { topic: 'b' }), arrived(2, { topic: 'b' })], 3n);
    expect(queue.freshTopics).toEqual(['a', 'b']);
    expect(offsetOf(taken(queue, 'b'))).toBe(1n);
    expect(queue.takeAllFresh('b').map(offsetOf)).toEqual([2n]);
    expect([queue.freshTopics, queue.freshCount]).toEqual([['a'], 1]);
  });

  test('lets go of what was never handed out, and goes on there', () => {
    const queue = queueOf({ spanMax: 3 });
    queue.add([arrived(4), arrived(6), arrived(7)], 9n);
    const first = taken(queue);
    expect(queue.isFull).toBe(true);
    expect(queue.dropFresh()?.queueOffset).toBe(6n);
    expect([queue.nextOffset, queue.committedOffset, queue.lastOffset]).toEqual([6n, 4n, 5n]);
    expect([queue.count, queue.freshCount, queue.freshBytes, queue.bytes]).toEqual([1, 0, 0, 6]);
    expect([queue.freshTopics, queue.isFull]).toEqual([[], false]);
    expect(queue.take('topic', nowMs)).toBeUndefined();
    expect(queue.dropFresh()).toBeUndefined();
    queue.add([arrived(6), arrived(7)], 9n);
    expect([taken(queue), taken(queue)].map(offsetOf)).toEqual([6n, 7n]);
    queue.done(first);
    expect(queue.committedOffset).toBe(6n);
  });

  test('does not let go of what comes again, nor of what lies before something that was handed out', () => {
    const queue = queueOf();
    queue.add([arrived(0, { topic: 'a' }), arrived(1, { topic: 'b' }), arrived(2, { topic: 'a' })], 3n);
    const other = taken(queue, 'b');
    expect(queue.dropFresh()?.queueOffset).toBe(2n);
    queue.handBack(other, nowMs);
    queue.done(taken(queue, 'b'));
    expect(queue.dropFresh()).toBeUndefined();
    expect([queue.nextOffset, queue.committedOffset, queue.freshCount]).toEqual([2n, 0n, 1]);
    expect(offsetOf(taken(queue, 'a'))).toBe(0n);
  });

  test('whatever is done in whatever order: each message is handed out once, and the commit is the first that is not done', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(4), { maxLength: 60 }), (steps) => {
        const queue = queueOf();
        const out: PulledMessage[] = [];
        const done = new Set<bigint>();
        const seen: bigint[] = [];
        let next = 0;
        for (const step of steps) {
          if (step === 0) {
            queue.add([arrived(next), arrived(next + 1)], BigInt(next + 2));
            next += 2;
          }
          if (step === 4) {
            queue.dropFresh();
            next = Number(queue.nextOffset);
          }
          const message = step === 1 ? queue.take('topic', nowMs) : undefined;
          if (message !== undefined) {
            out.push(message);
            seen.push(offsetOf(message));
          }
          const ended = step === 2 ? out.pop() : step === 3 ? out.shift() : undefined;
          if (ended !== undefined) {
            queue.done(ended);
            done.add(offsetOf(ended));
          }
          let expected = 0n;
          while (done.has(expected)) expected += 1n;
          expect(queue.committedOffset).toBe(expected);
          expect(queue.freshCount).toBe(next - seen.length);
        }
        expect(seen).toEqual(seen.toSorted((one, other) => Number(one - other)));
        expect(new Set(seen).size).toBe(seen.length);
      }),
    );
  });
});
