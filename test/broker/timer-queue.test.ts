import { expect, test } from 'vitest';
import { TimerQueue } from '../../src/broker/timer-queue.ts';

type Entry = readonly [timeMs: number, value: number];

const byTimeThenValue = ([time, value]: Entry, [otherTime, otherValue]: Entry): number =>
  time - otherTime || value - otherValue;

/** Numbers that look random and are the same in each run (mulberry32). */
function numbersFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

function drain(queue: TimerQueue): Entry[] {
  const entries: Entry[] = [];
  while (queue.count > 0) entries.push([queue.firstMs, queue.pop() ?? Number.NaN]);
  return entries;
}

test('an empty queue has no first time and nothing to take out', () => {
  const queue = new TimerQueue();
  expect(queue.firstMs).toBe(Number.POSITIVE_INFINITY);
  expect(queue.pop()).toBeUndefined();
  queue.push(5, 50);
  expect(queue.pop()).toBe(50);
  expect(queue.firstMs).toBe(Number.POSITIVE_INFINITY);
});

test('what has one time comes by its value, and offsets beyond 32 bits keep all digits', () => {
  const queue = new TimerQueue();
  for (const value of [2 ** 52 + 1, 2 ** 33, 3]) queue.push(1_700_000_000_123, value);
  expect([queue.pop(), queue.pop(), queue.pop()]).toEqual([3, 2 ** 33, 2 ** 52 + 1]);
});

test.each([1, 2, 3, 4, 5])('any order of pushes, takes and drops is that of a sorted list (seed %i)', (seed) => {
  const below = numbersFrom(seed);
  const queue = new TimerQueue();
  let expected: Entry[] = [];
  for (let step = 0; step < 5_000; step += 1) {
    // Now more comes than goes, now less: the queue grows, and shrinks to nothing.
    const grows = Math.floor(step / 700) % 2 === 0;
    const dice = below(1_000);
    if (dice < 2) {
      const remainder = below(3);
      queue.retain((value, timeMs) => (value + timeMs) % 3 !== remainder);
      expected = expected.filter(([timeMs, value]) => (value + timeMs) % 3 !== remainder);
    } else if (dice < (grows ? 700 : 300)) {
      const entry: Entry = [below(500), below(1_000_000)];
      queue.push(...entry);
      expected.push(entry);
    } else {
      expected.sort(byTimeThenValue);
      expect(queue.firstMs).toBe(expected[0]?.[0] ?? Number.POSITIVE_INFINITY);
      expect(queue.pop()).toBe(expected.shift()?.[1]);
    }
    expect(queue.count).toBe(expected.length);
  }
  expect(drain(queue)).toEqual(expected.sort(byTimeThenValue));
});

test('20,000 times come in order', () => {
  const below = numbersFrom(9);
  const queue = new TimerQueue();
  const entries = Array.from({ length: 20_000 }, (_, value): Entry => [below(1_000_000), value]);
  for (const entry of entries) queue.push(...entry);
  expect(drain(queue)).toEqual(entries.toSorted(byTimeThenValue));
});
