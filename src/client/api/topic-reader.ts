import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Deadline } from '../../remoting/deadline.ts';
import type { Consumer, MessageStream } from '../consumer.ts';
import { Demand } from '../demand.ts';
import type { ReceivedMessage as Received } from '../received-message.ts';
import { ReceivedMessage } from './received-message.ts';

/** A message that has come. */
export interface Arrival {
  readonly message: ReceivedMessage;
  /** The same with its receipt, as brokers know it. */
  readonly received: Received;
}

interface TopicReaderOptions {
  readonly namespace: string;
  readonly messagesMax: number;
  readonly signal: AbortSignal;
  /** How long messages are invisible that are taken from now on, in ms. */
  readonly setDuration: (durationMs: number) => void;
}

/** What came of waiting for one message. */
type Outcome =
  | { readonly kind: 'message'; readonly received: Received; readonly staleAtMs: number }
  | { readonly kind: 'ended' }
  | { readonly kind: 'failed'; readonly error: unknown };

/** Reads one topic, and no more of it than is wanted. */
export class TopicReader {
  readonly consumer: Consumer;
  readonly #options: TopicReaderOptions;
  readonly #demand = new Demand();
  #durationMs = 0;
  #messages: MessageStream | undefined;
  #waiting: Promise<void> | undefined;
  #outcome: Outcome | undefined;

  constructor(consumer: Consumer, options: TopicReaderOptions) {
    this.consumer = consumer;
    this.#options = options;
  }

  /** So many more are wanted, each for so long. */
  want(count: number, durationMs: number): void {
    this.#durationMs = durationMs;
    this.#options.setDuration(durationMs);
    this.#demand.set(count);
  }

  /** Resolves when `take` has something to say. Never fails. */
  arrival(): Promise<void> {
    if (this.#outcome !== undefined) return Promise.resolve();
    this.#waiting ??= this.#next();
    return this.#waiting;
  }

  /** What has come. @throws why it can come no more. */
  take(): Arrival | undefined {
    const outcome = this.#outcome;
    this.#outcome = undefined;
    if (outcome === undefined || outcome.kind === 'ended') return undefined;
    if (outcome.kind === 'failed') throw outcome.error;
    // It came for a call that had ended, and nobody wanted it in its time: it is delivered again.
    if (outcome.staleAtMs <= performance.now()) return undefined;
    const { received } = outcome;
    this.#demand.set(Math.max(1, this.#demand.count - 1));
    return { message: new ReceivedMessage(received, this.#options.namespace), received };
  }

  /** Gives back what was received and not settled. */
  close(): Promise<void> {
    return this.consumer.close();
  }

  async #next(): Promise<void> {
    const { messagesMax, signal } = this.#options;
    try {
      this.#messages ??= this.consumer.stream({ messagesMax, signal, demand: this.#demand });
      const { value } = await this.#messages.next();
      const staleAtMs = performance.now() + this.#durationMs;
      this.#outcome = value === undefined ? { kind: 'ended' } : { kind: 'message', received: value, staleAtMs };
    } catch (error) {
      this.#outcome = { kind: 'failed', error };
    }
    // One that has ended or failed is begun anew.
    if (this.#outcome.kind !== 'message') this.#messages = undefined;
    this.#waiting = undefined;
  }
}

/**
 * Waits until one of them has something to say; with `only what is there`, no longer than what is in hand already takes.
 * @returns whether there may be something.
 * @throws RemotingError `timeout`, `cancelled`.
 */
export async function firstArrival(
  readers: readonly TopicReader[],
  onlyThere: boolean,
  deadline: Deadline,
): Promise<boolean> {
  const arrival = Promise.race(readers.map((reader) => reader.arrival().then(() => true)));
  if (onlyThere) return Promise.race([arrival, nextTurn(false)]);
  return deadline.wait(arrival, 'receiving');
}
