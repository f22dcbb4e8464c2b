import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ReaderWatch, slowReaderMs } from '../../../src/proxy/receive/reader-watch.ts';

describe('ReaderWatch', () => {
  let slowCount: number;
  let watch: ReaderWatch;

  beforeEach(() => {
    vi.useFakeTimers();
    slowCount = 0;
    watch = new ReaderWatch(() => {
      slowCount += 1;
    });
  });

  afterEach(() => {
    watch.stop();
    vi.useRealTimers();
  });

  it('says nothing of a reader that waits', () => {
    vi.advanceTimersByTime(slowReaderMs * 10);
    watch.given();
    watch.asked();
    vi.advanceTimersByTime(slowReaderMs * 10);
    expect(slowCount).toBe(0);
  });

  it('says nothing of a reader that takes every message in time', () => {
    for (let count = 0; count < 100; count += 1) {
      watch.given();
      vi.advanceTimersByTime(slowReaderMs - 1);
      watch.asked();
    }
    expect(slowCount).toBe(0);
  });

  it('says once that a reader is slow, and again for the next message', () => {
    watch.given();
    vi.advanceTimersByTime(slowReaderMs * 2);
    expect(slowCount).toBe(1);
    vi.advanceTimersByTime(slowReaderMs * 10);
    expect(slowCount).toBe(1);
    watch.asked();
    watch.given();
    vi.advanceTimersByTime(slowReaderMs * 2);
    expect(slowCount).toBe(2);
  });

  it('says nothing any more once it is stopped', () => {
    watch.given();
    watch.stop();
    vi.advanceTimersByTime(slowReaderMs * 10);
    expect(slowCount).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });
});
