import { closedError } from './mq-error.ts';

/** Whether something is open, what of it is under way, and the one end that all who close it wait for. */
export class Closing {
  readonly #what: string;
  readonly #close: () => Promise<void>;
  readonly #underWay = new Set<Promise<unknown>>();
  #closed: Promise<void> | undefined;

  /** @param what such as `the producer`. @param close called once, when nothing new may begin. */
  constructor(what: string, close: () => Promise<void>) {
    this.#what = what;
    this.#close = close;
  }

  /** @throws MQError FAILED_PRECONDITION, reason `CLOSED`. */
  check(): void {
    if (this.#closed !== undefined) throw closedError(this.#what);
  }

  /** Does work that `ended` waits for. @throws MQError `CLOSED`, and whatever the work throws. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.check();
    const running = work();
    this.#underWay.add(running);
    try {
      return await running;
    } finally {
      this.#underWay.delete(running);
    }
  }

  /** Resolves when what is under way now has ended, whichever way. */
  async ended(): Promise<void> {
    await Promise.allSettled(this.#underWay);
  }

  /** Every call waits for the same end. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }
}
