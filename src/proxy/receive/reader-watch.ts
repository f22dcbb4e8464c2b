/** A reader that takes this long for one message is slow, in ms; noticed after once to twice as long. */
export const slowReaderMs = 1_000;

/**
 * Notices a reader that is slow: HTTP/2 then takes no more of the stream, and nothing is polled for it. Costs a message next to nothing,
 * because it looks once in a while.
 */
export class ReaderWatch {
  readonly #timer: NodeJS.Timeout;
  /** How often the message that the reader has been given was seen waiting; undefined while the reader waits. */
  #seenCount: number | undefined;

  /** @param onSlow called once for each message that waits too long. */
  constructor(onSlow: () => void) {
    this.#timer = setInterval(() => {
      if (this.#seenCount === undefined) return;
      this.#seenCount += 1;
      if (this.#seenCount === 2) onSlow();
    }, slowReaderMs).unref();
  }

  /** A message is on its way to the reader. */
  given(): void {
    this.#seenCount = 0;
  }

  /** The reader wants the next one. */
  asked(): void {
    this.#seenCount = undefined;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
