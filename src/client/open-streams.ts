import { Ending } from '../basics/ending.ts';
import type { StreamOptions } from './consumer.ts';
import { afterGrace } from './stream-grace.ts';

/** What a stream is to the consumer that has it. */
interface OpenStream {
  /** Messages that were handed out and are not settled. */
  readonly inFlightCount: number;
  /** Wakes whoever waits for a message. */
  ring(): void;
}

/** A stream that begins. */
interface Beginning<S> {
  readonly stream: S;
  /** Gives back what it has handed out; never fails. */
  giveBack(): Promise<void>;
  /** Gives back what it has and nobody was handed; never fails. Default: there is no such thing. */
  giveBackUnread?(): Promise<void>;
}

/** The streams of one consumer, and what those that have ended are still giving back. */
export class OpenStreams<S extends OpenStream> {
  /** Each with what ends it. */
  readonly #streams = new Map<S, () => Promise<void>>();
  /** None of them fails. */
  readonly #releases = new Set<Promise<void>>();
  readonly #closing = new AbortController();

  get count(): number {
    return this.#streams.size;
  }

  get inFlightCount(): number {
    return [...this.#streams.keys()].reduce((count, { inFlightCount }) => count + inFlightCount, 0);
  }

  /**
   * Begins a stream. What it leaves is given back when its signal or `end` ends it, after the grace where it has one.
   * @param begin gets the options with the signal that the stream has to obey.
   * @returns `end` resolves when all is given back, but waits for no grace.
   */
  start(options: StreamOptions, begin: (options: StreamOptions) => Beginning<S>) {
    const ending = new Ending();
    const { stream, giveBack, giveBackUnread } = begin({ ...options, signal: ending });
    let ended: Promise<void> | undefined;
    const end = (): Promise<void> => {
      if (ended !== undefined) return ended;
      ending.abort();
      stream.ring();
      options.signal.removeEventListener('abort', onAbort);
      this.#streams.delete(stream);
      const inFlightCount = (): number => stream.inFlightCount;
      const { hasGrace, released } = afterGrace(options.grace, inFlightCount, this.#closing.signal, giveBack);
      const all = Promise.all([released, giveBackUnread?.()]).then(() => void this.#releases.delete(all));
      this.#releases.add(all);
      // A reader does not wait for that.
      ended = hasGrace ? Promise.resolve() : all;
      return ended;
    };
    // A reader that is gone may never ask for the next message, so the end of the stream does not wait for it.
    const onAbort = (): void => void end();
    this.#streams.set(stream, end);
    options.signal.addEventListener('abort', onAbort);
    if (options.signal.aborted) onAbort();
    return { stream, end };
  }

  /** Ends every stream, and resolves when what they leave is given back. */
  async close(): Promise<void> {
    this.#closing.abort();
    for (const end of this.#streams.values()) void end();
    await Promise.all(this.#releases);
  }
}
