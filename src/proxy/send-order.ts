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
    let resolve = (): void => {};
    const ended = new Promise<void>((done) => {
      resolve = done;
    });
    this.#last.set(key, ended);
    const end = (): void => {
      if (this.#last.get(key) === ended) this.#last.delete(key);
      resolve();
    };
    return { before, end };
  }
}
