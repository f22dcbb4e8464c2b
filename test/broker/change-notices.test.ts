import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ChangeNotices, noticeIntervalMs } from '../../src/broker/change-notices.ts';

let told: string[] = [];
let notices: ChangeNotices;

beforeEach(() => {
  vi.useFakeTimers();
  told = [];
  notices = new ChangeNotices((group) => told.push(group));
});
afterEach(() => {
  vi.useRealTimers();
});

test('the first change is told at once, the others of the next 100 ms as one at their end', () => {
  notices.changed('g');
  expect(told).toEqual(['g']);
  for (let count = 0; count < 1_000; count += 1) notices.changed('g');
  vi.advanceTimersByTime(noticeIntervalMs - 1);
  expect(told).toEqual(['g']);
  vi.advanceTimersByTime(1);
  expect(told).toEqual(['g', 'g']);
  notices.changed('g');
  vi.advanceTimersByTime(noticeIntervalMs);
  expect(told).toEqual(['g', 'g', 'g']);
});

test('a group that has rested is told at once again; one group does not wait for another', () => {
  notices.changed('g');
  notices.changed('h');
  expect(told).toEqual(['g', 'h']);
  vi.advanceTimersByTime(noticeIntervalMs);
  expect([told, vi.getTimerCount()]).toEqual([['g', 'h'], 0]);
  notices.changed('g');
  expect(told).toEqual(['g', 'h', 'g']);
});

test('nobody is told after the end, and no timer stays', () => {
  notices.changed('g');
  notices.changed('g');
  notices.close();
  notices.changed('h');
  vi.advanceTimersByTime(10 * noticeIntervalMs);
  expect([told, vi.getTimerCount()]).toEqual([['g'], 0]);
});
