import { RemotingError } from './errors.ts';

/**
 * The end of one call, made once at its edge and handed down: every step and every retry gets what is left.
 * Runs on the monotonic clock, so steps of the wall clock neither shorten nor lengthen a call.
 */
export class Deadline {
  readonly #endsAtMs: number;
  /** Aborted when the caller gives up; undefined when nobody can. */
  readonly signal: AbortSignal | undefined;

  private constructor(endsAtMs: number, signal: AbortSignal | undefined) {
    this.#endsAtMs = endsAtMs;
    this.signal = signal;
  }

  /** A deadline `durationMs` from now. */
  static after(durationMs: number, signal?: AbortSignal): Deadline {
    return new Deadline(performance.now() + durationMs, signal);
  }

  /** Milliseconds left; 0 once the deadline has passed. */
  remainingMs(): number {
    return Math.max(0, this.#endsAtMs - performance.now());
  }

  /** The same caller, but no later than `durationMs` from now. */
  atMost(durationMs: number): Deadline {
    return new Deadline(Math.min(this.#endsAtMs, performance.now() + durationMs), this.signal);
  }

  /** @throws RemotingError `cancelled` or `timeout` when there is nothing left to wait for. */
  check(what: string): void {
    if (this.signal?.aborted === true) throw new RemotingError('cancelled', `${what} was cancelled`);
    if (this.remainingMs() === 0) throw new RemotingError('timeout', `${what} did not end before its deadline`);
  }

  /**
   * Waits `durationMs`, at most until the deadline.
   * @throws RemotingError `cancelled` when the caller gives up meanwhile.
   */
  sleep(durationMs: number): Promise<void> {
    return this.race<void>('a pause', (resolve) => {
      const timer = setTimeout(resolve, Math.min(durationMs, this.remainingMs()));
      return () => clearTimeout(timer);
    });
  }

  /**
   * Waits for `work`, which must not fail on its own when nobody waits for it any more.
   * @throws RemotingError `timeout` or `cancelled`, whichever comes before the work's end.
   */
  wait<T>(work: Promise<T>, what: string): Promise<T> {
    return this.race<T>(what, (resolve, reject) => {
      work.then(resolve, reject);
      const timer = setTimeout(
        () => reject(new RemotingError('timeout', `${what} did not end before its deadline`)),
        this.remainingMs(),
      );
      return () => clearTimeout(timer);
    });
  }

  private race<T>(
    what: string,
    start: (resolve: (value: T) => void, reject: (reason: unknown) => void) => () => void,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const { signal } = this;
      if (signal?.aborted === true) {
        reject(new RemotingError('cancelled', `${what} was cancelled`));
        return;
      }
      const settle = (): void => {
        signal?.removeEventListener('abort', abort);
        stop();
      };
      const abort = (): void => {
        settle();
        reject(new RemotingError('cancelled', `${what} was cancelled`));
      };
      signal?.addEventListener('abort', abort, { once: true });
      const stop = start(
        (value) => {
          settle();
          resolve(value);
        },
        (reason) => {
          settle();
          reject(reason);
        },
      );
    });
  }
}
