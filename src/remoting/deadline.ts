import { setMaxListeners } from 'node:events';
import type { Cancellation } from '../basics/ending.ts';
import { RemotingError } from './errors.ts';

/** Longest time that Node's timers can wait, 24.8 days; asked for more, they fire at once. */
const durationMsMax = 2 ** 31 - 1;

/** Why a call may wait no longer. */
export type DeadlineEnd = 'timeout' | 'cancelled';

/**
 * The end of one call, made once at its edge and handed down: every step and every retry gets what is left.
 * Runs on the monotonic clock, so steps of the wall clock neither shorten nor lengthen a call.
 */
export class Deadline {
  readonly #endsAtMs: number;
  /** Aborted when the caller gives up; undefined when nobody can. */
  readonly signal: Cancellation | undefined;

  private constructor(endsAtMs: number, signal: Cancellation | undefined) {
    this.#endsAtMs = endsAtMs;
    this.signal = signal;
  }

  /** A deadline `durationMs` from now, at most 24.8 days. */
  static after(durationMs: number, signal?: Cancellation): Deadline {
    // Any number of calls may share a signal. Each takes its listener back, so there is no leak for Node to warn of.
    if (signal instanceof EventTarget) setMaxListeners(0, signal);
    return new Deadline(performance.now() + Math.min(durationMs, durationMsMax), signal);
  }

  /** Milliseconds left; 0 once the deadline has passed. */
  remainingMs(): number {
    return Math.max(0, this.#endsAtMs - performance.now());
  }

  /** When it passes, by the monotonic clock, in ms. */
  get endsAtMs(): number {
    return this.#endsAtMs;
  }

  /** The same caller, but no later than `durationMs` from now. */
  atMost(durationMs: number): Deadline {
    return new Deadline(Math.min(this.#endsAtMs, performance.now() + durationMs), this.signal);
  }

  /** The same time, whoever gives up. */
  withoutSignal(): Deadline {
    return new Deadline(this.#endsAtMs, undefined);
  }

  /** @throws RemotingError `cancelled` or `timeout` when there is nothing left to wait for. */
  check(what: string): void {
    if (this.signal?.aborted === true) throw endError('cancelled', what);
    if (this.remainingMs() === 0) throw endError('timeout', what);
  }

  /**
   * Calls `onEnd` once, when the deadline passes or the caller gives up; at once where the caller already has.
   * Returns the function that takes this back: whoever stops waiting must call it.
   */
  watch(onEnd: (kind: DeadlineEnd) => void): () => void {
    const { signal } = this;
    if (signal?.aborted === true) {
      onEnd('cancelled');
      return () => {};
    }
    const stop = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    };
    const end = (kind: DeadlineEnd): void => {
      stop();
      onEnd(kind);
    };
    const abort = (): void => end('cancelled');
    const timer = setTimeout(end, Math.ceil(this.remainingMs()), 'timeout');
    signal?.addEventListener('abort', abort);
    return stop;
  }

  /**
   * Waits `durationMs`, at most until the deadline.
   * @throws RemotingError `cancelled` when the caller gives up meanwhile.
   */
  sleep(durationMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.atMost(durationMs).watch((kind) => (kind === 'timeout' ? resolve() : reject(endError(kind, 'a pause'))));
    });
  }

  /**
   * Waits for `work`. Work that goes on longer is left to itself, and a failure of it that comes later is ignored.
   * @throws RemotingError `timeout` or `cancelled`, whichever comes before the work's end.
   */
  wait<T>(work: Promise<T>, what: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const stop = this.watch((kind) => reject(endError(kind, what)));
      const done = (value: T): void => {
        stop();
        resolve(value);
      };
      const fail = (error: unknown): void => {
        stop();
        reject(error);
      };
      work.then(done, fail);
    });
  }
}

/** Waits so long, in ms, or until the signal, whichever comes first. Never fails. */
export async function pause(durationMs: number, signal: Cancellation): Promise<void> {
  await Deadline.after(durationMs, signal)
    .sleep(durationMs)
    .catch(() => {});
}

function endError(kind: DeadlineEnd, what: string): RemotingError {
  return new RemotingError(
    kind,
    `${what} ${kind === 'cancelled' ? 'was cancelled' : 'did not end before its deadline'}`,
  );
}
