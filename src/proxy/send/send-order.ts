/** One place in an order. */
export interface Turn {
  /** Resolves when those before have ended. */
  readonly before: Promise<void>;
  /** To be called once, in the end. */
  end(): void;
}

/** Lets what belongs to one key be sent one after the other, in the order in which it was claimed. */
export class SendOrder {
  readonly #last = new Map<string, Promise<void>>();

  /** Keys of which something waits or is under way. */
  get keyCount(): number {
    return this.#last.size;
  }

  claim(key: string): Turn {
    const before = this.#last.get(key) ?? Promise.resolve();
    let end = (): void => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const last = before
      .then(() => ended)
      .then(() => {
        if (this.#last.get(key) === last) this.#last.delete(key);
      });
    this.#last.set(key, last);
    return { before, end: () => end() };
  }
}
