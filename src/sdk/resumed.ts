import { type MQError, toMQError } from './mq-error.ts';

/** Pauses before another stream, in ms: up to 0.1, 0.2, 0.4 … 10 s, any length below with equal chance. */
const firstPauseMs = 100;
const longestPauseMs = 10_000;

/** Who is told that a stream broke, and after which pause there will be another. */
export type OnBroken = (error: MQError, pauseMs: number) => void;

/**
 * What one stream after the other gives: where one breaks, another is opened. Returns when a stream ends well, or the signal is aborted.
 * @throws MQError that is not `retryable`: another stream would fail as well.
 */
export async function* resumed<T>(
  open: () => AsyncGenerator<T>,
  signal: AbortSignal,
  onBroken: OnBroken,
): AsyncGenerator<T> {
  for (let failures = 0; !signal.aborted; failures += 1) {
    const openedAtMs = performance.now();
    try {
      yield* open();
      return;
    } catch (thrown) {
      if (signal.aborted) return;
      const error = toMQError(thrown);
      if (!error.retryable) throw error;
      // One that lasted is no failure to open one.
      if (performance.now() - openedAtMs > longestPauseMs) failures = 0;
      const pauseMs = pauseBefore(failures);
      onBroken(error, pauseMs);
      await pause(pauseMs, signal);
    }
  }
}

/** @param failures before this one. */
export function pauseBefore(failures: number, random: () => number = Math.random): number {
  return Math.ceil(random() * Math.min(longestPauseMs, firstPauseMs * 2 ** failures));
}

/** Waits so long, or until the signal is aborted. Never fails. */
function pause(durationMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, durationMs);
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
  });
}
