import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Alarm, alarmIntervalMs } from '../../src/client/alarm.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** An alarm over ends of time, and those that it has told of, with the time of each. */
function watch() {
  const ends = new Set<number>();
  const told: (readonly [number, number])[] = [];
  const alarm = new Alarm((nowMs) => {
    for (const end of [...ends]) {
      if (end > nowMs) continue;
      ends.delete(end);
      told.push([end, nowMs]);
    }
    return Math.min(...ends);
  });
  const startMs = performance.now();
  const add = (afterMs: number): void => {
    ends.add(startMs + afterMs);
    alarm.set(startMs + afterMs);
  };
  return { add, told: () => told.map(([end, atMs]) => [end - startMs, atMs - startMs]) };
}

test('rings at the first end, at once for a sooner one that comes later, and never early', async () => {
  const { add, told } = watch();
  add(1_000);
  add(100);
  await vi.advanceTimersByTimeAsync(99);
  expect(told()).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(told()).toEqual([[100, 100]]);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(told()).toEqual([
    [100, 100],
    [1_000, 1_000],
  ]);
});

test('tells of ends close behind each other together, however many there are', async () => {
  const { add, told } = watch();
  for (let afterMs = 1; afterMs <= 100; afterMs += 1) add(afterMs);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(told()).toHaveLength(100);
  for (const [end = 0, atMs = 0] of told()) expect(atMs - end).toBeLessThanOrEqual(alarmIntervalMs);
  expect(new Set(told().map(([, atMs]) => atMs)).size).toBeLessThan(10);
});

test('has one timer, and none where nothing is to come', async () => {
  const { add } = watch();
  for (const afterMs of [50, 40, 60]) add(afterMs);
  expect(vi.getTimerCount()).toBe(1);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(vi.getTimerCount()).toBe(0);
});

test('waits for ends beyond what a timer of Node can wait', async () => {
  const { add, told } = watch();
  add(2 ** 31 + 1_000);
  await vi.advanceTimersByTimeAsync(2 ** 31 + 999);
  expect(told()).toEqual([]);
  await vi.advanceTimersByTimeAsync(alarmIntervalMs);
  expect(told()).toHaveLength(1);
});
