/** Whether something is open, what of it is under way, and the one end that all who close it wait for. */
export class Closing {
  readonly #closedError: () => Error;
  readonly #close: () => Promise<void>;
  readonly #underWay = new Set<Promise<unknown>>();
  #closed: Promise<void> | undefined;

  /** @param closedError what is thrown at those who come too late. @param close called once, when nothing new may begin. */
  constructor(closedError: () => Error, close: () => Promise<void>) {
    this.#closedError = closedError;
    this.#close = close;
  }

  get isClosed(): boolean {
    return this.#closed !== undefined;
  }

  /** @throws what it was made with, once it is closed. */
  check(): void {
    if (this.isClosed) throw this.#closedError();
  }

  /** Does work that `ended` waits for. @throws as `check`, and whatever the work throws. */
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
