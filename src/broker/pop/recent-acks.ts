/**
 * Most acks that a queue of a group remembers, so that an ack whose answer got lost may be sent again: a second or more of the fastest
 * queue, in 16 KiB.
 */
export const recentAckCountMax = 1_024;

/** The last acks of one group in one queue. A start of the engine knows those only that the log has behind the last checkpoint. */
export class RecentAcks {
  readonly #offsets: number[] = [];
  readonly #popTimesMs: number[] = [];
  #next = 0;

  add(offset: number, popTimeMs: number): void {
    this.#offsets[this.#next] = offset;
    this.#popTimesMs[this.#next] = popTimeMs;
    this.#next = (this.#next + 1) % recentAckCountMax;
  }

  /** Looks at all of them: acks that are not the first of their message are rare. */
  has(offset: number, popTimeMs: number): boolean {
    return this.#offsets.some((acked, at) => acked === offset && this.#popTimesMs[at] === popTimeMs);
  }
}
