import type { MessageStream } from './consumer.ts';
import type { Receipt } from './receipt.ts';
import type { ReceivedMessage } from './received-message.ts';

/** Where the messages of a stream come from. */
export interface MessageSource<R extends Receipt> {
  /** The next message, if it is at hand. */
  takeNow(): ReceivedMessage<R> | undefined;
  /** Waits for the next message; undefined at the end. */
  next(): Promise<ReceivedMessage<R> | undefined>;
}

/** A stream that has begun. */
export interface StartedStream<R extends Receipt> {
  readonly messages: MessageSource<R>;
  /** Ends it; whoever waits for a message then gets none. Resolves when what it leaves is given back. */
  end(): Promise<void>;
}

const ended: IteratorReturnResult<undefined> = { done: true, value: undefined };

/** A stream that begins with its first message. As an async generator would be, at a third of its price for each message. */
export class LazyStream<R extends Receipt> implements MessageStream<R> {
  readonly #start: () => StartedStream<R>;
  #started: StartedStream<R> | undefined;
  #isOver = false;
  /** The last that was waited for; never fails. */
  #waiting: Promise<unknown> | undefined;

  /** @param start begins it; called once. */
  constructor(start: () => StartedStream<R>) {
    this.#start = start;
  }

  takeNow(): ReceivedMessage<R> | undefined {
    // Who waits already is first.
    if (this.#started === undefined || this.#isOver || this.#waiting !== undefined) return undefined;
    return this.#started.messages.takeNow();
  }

  next(): Promise<IteratorResult<ReceivedMessage<R>, undefined>> {
    const value = this.takeNow();
    if (value !== undefined) return Promise.resolve({ done: false, value });
    const next = this.#waiting === undefined ? this.#wait() : this.#waiting.then(() => this.#wait());
    const over = (): void => {
      if (this.#waiting === waiting) this.#waiting = undefined;
    };
    const waiting = next.then(over, over);
    this.#waiting = waiting;
    return next;
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#isOver = true;
    await this.#started?.end();
    return ended;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async #wait(): Promise<IteratorResult<ReceivedMessage<R>, undefined>> {
    if (this.#isOver) return ended;
    try {
      this.#started ??= this.#start();
      const value = this.#started.messages.takeNow() ?? (await this.#started.messages.next());
      if (value !== undefined) return { done: false, value };
    } catch (error) {
      await this.return();
      throw error;
    }
    return this.return();
  }
}
