import { BySubscriber } from '../by-subscriber.ts';
import type { Subscriber } from '../subscriber.ts';
import type { InFlightMessage, InFlightMessages } from './in-flight-messages.ts';

/**
 * What the streams of all consumers of a client have handed out, by subscriber: a message may be acknowledged through another consumer
 * of its group than the one that received it, and must then not be given back when its stream ends.
 */
export class LiveStreams {
  readonly #streams = new BySubscriber<Set<InFlightMessages>>();

  /** Returns the function that takes the stream out again. */
  add(subscriber: Subscriber, inFlight: InFlightMessages): () => void {
    const streams = this.#streams.get(subscriber) ?? this.#streams.set(subscriber, new Set());
    streams.add(inFlight);
    return () => {
      streams.delete(inFlight);
      if (streams.size === 0 && this.#streams.get(subscriber) === streams) this.#streams.delete(subscriber);
    };
  }

  /** The message of the receipt with this key, if it is in flight here. */
  find(subscriber: Subscriber, key: string): InFlightMessage | undefined {
    for (const inFlight of this.#streams.get(subscriber) ?? []) {
      const message = inFlight.find(key);
      if (message !== undefined) return message;
    }
    return undefined;
  }
}
