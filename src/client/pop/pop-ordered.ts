import { randomUUID } from 'node:crypto';
import { RemotingError } from '../../remoting/errors.ts';
import type { PopAttempt, PopSource } from './pop-requests.ts';

/**
 * Longest that an ordered stream lets a broker hold its question, in ms: acks, ends of streams and of invisible durations free queues,
 * and brokers wake nobody for it who waits by NOTIFICATION (Java `AckMessageProcessor` wakes POPs only).
 */
export const orderedPollDurationMsMax = 1_000;
/** Most POPs of one stream that are under way side by side at one broker. */
export const orderedPopsAtOnce = 8;

/** What ordered takes need of their stream. */
export interface OrderedStream {
  /** True while there is room, and the stream goes on. */
  canTake(): boolean;
  /** True while a message of this queue is in flight or in hand here. */
  holds(brokerName: string, queueId: number): boolean;
  /** One POP of one message; how many it brought. */
  take(source: PopSource, attempt: PopAttempt): Promise<number>;
}

/**
 * Takes in order, one message at a time, each of a queue of which nothing is in flight. A batch would have to come back whole where its
 * first message fails: what is behind that would count as failed as often, those too that are acknowledged or that nobody has seen.
 */
export class OrderedTakes {
  readonly #stream: OrderedStream;
  /** POPs without an answer, by broker. What they took, if anything, is had by asking again by the same name. */
  readonly #lostAttempts = new Map<string, Set<string>>();
  /** How many queues became free at each broker since it was last taken from. */
  readonly #freedCounts = new Map<string, number>();

  constructor(stream: OrderedStream) {
    this.#stream = stream;
  }

  /** A message from this broker is not in flight any more: the next one of its queue may come. */
  free(brokerName: string): void {
    this.#freedCounts.set(brokerName, (this.#freedCounts.get(brokerName) ?? 0) + 1);
  }

  isDue(brokerName: string): boolean {
    return this.#freedCounts.has(brokerName);
  }

  /** Takes until there is nothing to take now. Fails as a request fails, when all that it sent has ended. @returns whether it found something. */
  async takeAll(source: PopSource, queueCount: number): Promise<boolean> {
    const { brokerName } = source;
    const atOnce = Math.min(orderedPopsAtOnce, Math.max(1, this.#freedCounts.get(brokerName) ?? 0));
    this.#freedCounts.delete(brokerName);
    const lostFound = await this.#takeLost(source, queueCount);
    const takes = Array.from({ length: atOnce }, () => this.#takeUntilNone(source));
    const results = await Promise.allSettled(takes);
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    return lostFound || results.some((result) => result.status === 'fulfilled' && result.value);
  }

  async #takeUntilNone(source: PopSource): Promise<boolean> {
    let found = false;
    while (this.#stream.canTake()) {
      if ((await this.#take(source, { attemptId: randomUUID(), queueId: undefined })) === 0) break;
      found = true;
    }
    return found;
  }

  /** Queue by queue, since brokers look into queues at random: one POP of all of them may find another message first. */
  async #takeLost(source: PopSource, queueCount: number): Promise<boolean> {
    const { brokerName } = source;
    let found = false;
    for (const attemptId of this.#lostAttempts.get(brokerName) ?? []) {
      for (let queueId = 0; queueId < queueCount; queueId += 1) {
        if (this.#stream.holds(brokerName, queueId)) continue;
        if (!this.#stream.canTake()) return found;
        if ((await this.#take(source, { attemptId, queueId })) > 0) found = true;
      }
      this.#lostAttempts.get(brokerName)?.delete(attemptId);
    }
    return found;
  }

  async #take(source: PopSource, attempt: PopAttempt): Promise<number> {
    try {
      return await this.#stream.take(source, attempt);
    } catch (error) {
      if (error instanceof RemotingError && error.outcomeUnknown) {
        const attempts = this.#lostAttempts.get(source.brokerName) ?? new Set();
        this.#lostAttempts.set(source.brokerName, attempts.add(attempt.attemptId));
      }
      throw error;
    }
  }
}
