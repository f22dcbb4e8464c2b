import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../src/broker/clock.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

describe('the clock of the machine', () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: 1_700_000_000_000 });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('tells the time', () => {
    expect(systemClock.now()).toBe(1_700_000_000_000);
    vi.advanceTimersByTime(5);
    expect(systemClock.now()).toBe(1_700_000_000_005);
  });

  it('runs at the time, once, and not before', () => {
    const run = vi.fn();
    systemClock.at(systemClock.now() + 100, run);
    vi.advanceTimersByTime(99);
    expect(run).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(run).toHaveBeenCalledTimes(1);
    vi.advanceTimersByTime(dayMs);
    expect(run).toHaveBeenCalledTimes(1);
  });

  it.each([0, -1, -dayMs])('runs soon, and not at once, what is due in %i ms', (durationMs) => {
    const run = vi.fn();
    systemClock.at(systemClock.now() + durationMs, run);
    expect(run).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(run).toHaveBeenCalledTimes(1);
  });

  it('runs never what was taken back, however often', () => {
    const run = vi.fn();
    const cancel = systemClock.at(systemClock.now() + 10, run);
    cancel();
    cancel();
    vi.advanceTimersByTime(dayMs);
    expect(run).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('waits in pieces for what is far away', () => {
    const run = vi.fn();
    systemClock.at(systemClock.now() + hourMs, run);
    vi.advanceTimersByTime(hourMs - 1);
    expect(run).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(run).toHaveBeenCalledTimes(1);
  });

  it('can be taken back in a later piece, too', () => {
    const run = vi.fn();
    const cancel = systemClock.at(systemClock.now() + 60 * dayMs, run);
    vi.advanceTimersByTime(hourMs);
    cancel();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is a second late at most where the machine slept, or was set forward', () => {
    const run = vi.fn();
    systemClock.at(systemClock.now() + 8 * hourMs, run);
    vi.setSystemTime(systemClock.now() + 8 * hourMs);
    vi.advanceTimersByTime(1_000);
    expect(run).toHaveBeenCalledTimes(1);
  });

  it('waits again where the machine is set back meanwhile', () => {
    const run = vi.fn();
    systemClock.at(systemClock.now() + 1_000, run);
    vi.setSystemTime(systemClock.now() - 5_000);
    vi.advanceTimersByTime(1_000);
    expect(run).not.toHaveBeenCalled();
    vi.advanceTimersByTime(4_999);
    expect(run).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(run).toHaveBeenCalledTimes(1);
  });
});
