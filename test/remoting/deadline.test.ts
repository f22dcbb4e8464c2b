import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Deadline, pause } from '../../src/remoting/deadline.ts';

const cancelled = expect.objectContaining({ name: 'RemotingError', kind: 'cancelled' });
const timeout = expect.objectContaining({ name: 'RemotingError', kind: 'timeout', outcomeUnknown: false });

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

function listenerCount(signal: AbortSignal): number {
  return getEventListeners(signal, 'abort').length;
}

/** Says how a promise has ended so far. */
function outcomeOf(promise: Promise<unknown>): { value: unknown } {
  const outcome: { value: unknown } = { value: 'pending' };
  promise.then(
    (value) => {
      outcome.value = { resolved: value };
    },
    (error) => {
      outcome.value = { rejected: error };
    },
  );
  return outcome;
}

describe('what is left', () => {
  test('runs down to 0 and stays there', () => {
    const deadline = Deadline.after(1_000);
    expect(deadline.remainingMs()).toBe(1_000);
    vi.advanceTimersByTime(400);
    expect(deadline.remainingMs()).toBe(600);
    vi.advanceTimersByTime(5_000);
    expect(deadline.remainingMs()).toBe(0);
  });

  test('is nothing for a duration of 0 or less', () => {
    expect(Deadline.after(0).remainingMs()).toBe(0);
    expect(Deadline.after(-5).remainingMs()).toBe(0);
  });

  test('is never more than a timer can wait', async () => {
    const deadline = Deadline.after(Number.POSITIVE_INFINITY);
    expect(deadline.remainingMs()).toBe(2 ** 31 - 1);
    const outcome = outcomeOf(deadline.sleep(Number.POSITIVE_INFINITY));
    await vi.advanceTimersByTimeAsync(2 ** 31 - 2);
    expect(outcome.value).toBe('pending');
    await vi.advanceTimersByTimeAsync(1);
    expect(outcome.value).toEqual({ resolved: undefined });
  });

  test('is the same without the signal, which nobody waits for then', () => {
    const deadline = Deadline.after(1_000, AbortSignal.abort()).withoutSignal();
    expect(deadline.signal).toBeUndefined();
    expect(deadline.remainingMs()).toBe(1_000);
    deadline.check('it');
  });

  test('gets less by atMost, never more, and the signal stays', () => {
    const { signal } = new AbortController();
    const deadline = Deadline.after(1_000, signal);
    expect(deadline.atMost(300).remainingMs()).toBe(300);
    expect(deadline.atMost(3_000).remainingMs()).toBe(1_000);
    expect(deadline.atMost(300).signal).toBe(signal);
    expect(deadline.remainingMs()).toBe(1_000);
  });
});

describe('check', () => {
  test('passes while time is left, and then throws timeout with what was going on', () => {
    const deadline = Deadline.after(10);
    vi.advanceTimersByTime(9);
    expect(() => deadline.check('a send')).not.toThrow();
    vi.advanceTimersByTime(1);
    expect(() => deadline.check('a send')).toThrow(timeout);
    expect(() => deadline.check('a send')).toThrow('a send did not end before its deadline');
  });

  test('throws cancelled once the caller has given up, even after the deadline', () => {
    const controller = new AbortController();
    const deadline = Deadline.after(10, controller.signal);
    expect(() => deadline.check('a send')).not.toThrow();
    controller.abort();
    vi.advanceTimersByTime(20);
    expect(() => deadline.check('a send')).toThrow(cancelled);
    expect(() => deadline.check('a send')).toThrow('a send was cancelled');
  });
});

describe('watch', () => {
  test('calls back once, for whichever comes first, and leaves nothing behind', () => {
    const controller = new AbortController();
    const ends: string[] = [];
    Deadline.after(10, controller.signal).watch((kind) => ends.push(kind));
    Deadline.after(30, controller.signal).watch((kind) => ends.push(kind));
    vi.advanceTimersByTime(10);
    expect(ends).toEqual(['timeout']);
    expect(listenerCount(controller.signal)).toBe(1);
    controller.abort();
    vi.advanceTimersByTime(100);
    expect(ends).toEqual(['timeout', 'cancelled']);
    expect(listenerCount(controller.signal)).toBe(0);
  });

  test('calls back at once where the caller has given up already', () => {
    const onEnd = vi.fn();
    Deadline.after(10, AbortSignal.abort()).watch(onEnd)();
    expect(onEnd.mock.calls).toEqual([['cancelled']]);
  });

  test('calls nobody back after it was taken back', () => {
    const controller = new AbortController();
    const onEnd = vi.fn();
    const stop = Deadline.after(10, controller.signal).watch(onEnd);
    stop();
    stop();
    expect(listenerCount(controller.signal)).toBe(0);
    controller.abort();
    vi.advanceTimersByTime(100);
    expect(onEnd).not.toHaveBeenCalled();
  });

  test('never calls back before the deadline has passed', () => {
    const deadline = Deadline.after(10.4);
    const left: number[] = [];
    deadline.watch(() => left.push(deadline.remainingMs()));
    vi.advanceTimersByTime(11);
    expect(left).toEqual([0]);
  });
});

describe('sleep', () => {
  test('ends after its time, or at the deadline when that is earlier', async () => {
    const deadline = Deadline.after(100);
    const short = outcomeOf(deadline.sleep(40));
    const long = outcomeOf(deadline.sleep(4_000));
    await vi.advanceTimersByTimeAsync(39);
    expect(short.value).toBe('pending');
    await vi.advanceTimersByTimeAsync(1);
    expect(short.value).toEqual({ resolved: undefined });
    await vi.advanceTimersByTimeAsync(59);
    expect(long.value).toBe('pending');
    await vi.advanceTimersByTimeAsync(1);
    expect(long.value).toEqual({ resolved: undefined });
  });

  test('fails as cancelled when the caller gives up, before or meanwhile', async () => {
    const controller = new AbortController();
    const sleeping = Deadline.after(100, controller.signal).sleep(50);
    controller.abort();
    await expect(sleeping).rejects.toThrow(cancelled);
    await expect(Deadline.after(100, controller.signal).sleep(50)).rejects.toThrow(cancelled);
    expect(listenerCount(controller.signal)).toBe(0);
  });
});

describe('wait', () => {
  test('gives the result or the failure of the work, and leaves nothing behind', async () => {
    const controller = new AbortController();
    const deadline = Deadline.after(100, controller.signal);
    expect(await deadline.wait(Promise.resolve(5), 'work')).toBe(5);
    const failure = new Error('the work itself');
    await expect(deadline.wait(Promise.reject(failure), 'work')).rejects.toBe(failure);
    expect(listenerCount(controller.signal)).toBe(0);
  });

  test('gives up at the deadline', async () => {
    const outcome = outcomeOf(Deadline.after(100).wait(new Promise(() => {}), 'reading'));
    await vi.advanceTimersByTimeAsync(99);
    expect(outcome.value).toBe('pending');
    await vi.advanceTimersByTimeAsync(1);
    expect(outcome.value).toEqual({ rejected: timeout });
  });

  test('gives up with the caller', async () => {
    const controller = new AbortController();
    const waiting = Deadline.after(100, controller.signal).wait(new Promise(() => {}), 'reading');
    controller.abort();
    await expect(waiting).rejects.toThrow('reading was cancelled');
    expect(listenerCount(controller.signal)).toBe(0);
  });

  test('gives up at once with a caller that already has', async () => {
    await expect(Deadline.after(100, AbortSignal.abort()).wait(Promise.resolve(5), 'work')).rejects.toThrow(cancelled);
  });

  test('ignores a failure of work that nobody waits for any more', async () => {
    const unhandled = vi.fn();
    process.on('unhandledRejection', unhandled);
    const rejects: ((reason: Error) => void)[] = [];
    const work = () => new Promise((_, reject) => rejects.push(reject));
    const controller = new AbortController();
    const outcomes = [
      Deadline.after(10).wait(work(), 'late'),
      Deadline.after(10_000, controller.signal).wait(work(), 'cancelled'),
      Deadline.after(10_000, AbortSignal.abort()).wait(work(), 'cancelled before'),
    ].map(outcomeOf);
    controller.abort();
    await vi.advanceTimersByTimeAsync(10);
    expect(outcomes.map(({ value }) => value)).toEqual([
      { rejected: timeout },
      { rejected: cancelled },
      { rejected: cancelled },
    ]);
    for (const reject of rejects) reject(new Error('too late'));
    // Node reports unhandled rejections after the microtasks of a turn; two turns are enough.
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    process.off('unhandledRejection', unhandled);
    expect(unhandled).not.toHaveBeenCalled();
  });
});

test('any number of calls may share a signal without a warning', async () => {
  const warnings = vi.fn();
  process.on('warning', warnings);
  const { signal } = new AbortController();
  const stops = Array.from({ length: 100 }, () => Deadline.after(10, signal).watch(() => {}));
  expect(listenerCount(signal)).toBe(100);
  for (const stop of stops) stop();
  expect(listenerCount(signal)).toBe(0);
  // Warnings are emitted on the next tick.
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', warnings);
  expect(warnings).not.toHaveBeenCalled();
});

describe('a pause', () => {
  test('ends when its time is over', async () => {
    let ended = false;
    const paused = pause(100, new AbortController().signal).then(() => {
      ended = true;
    });
    await vi.advanceTimersByTimeAsync(99);
    expect(ended).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    await paused;
  });

  test('ends with the signal, and leaves nothing behind', async () => {
    const ending = new AbortController();
    const paused = pause(100, ending.signal);
    ending.abort();
    await paused;
    expect(listenerCount(ending.signal)).toBe(0);
  });
});
