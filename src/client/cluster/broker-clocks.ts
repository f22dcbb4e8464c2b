/** Brokers whose time is known: those that told theirs last. */
const brokersMax = 4_096;

/**
 * How far each broker's clock is ahead of ours: the end of an invisible duration is the broker's to tell, and a request that it
 * holds ends by the broker's clock.
 */
export class BrokerClocks {
  readonly #aheadMs = new Map<string, number>();
  readonly #now: () => number;

  constructor(now: () => number = () => Date.now()) {
    this.#now = now;
  }

  /**
   * Learns from a time that a broker told in its answer to a request.
   * @param sentAtMs when the request was sent, by our clock. The broker's clock is then thought to be ahead by as much as the
   * request was on its way, so an ack is late a little too early rather than too late.
   */
  learn(brokerName: string, brokerTimeMs: number, sentAtMs: number): void {
    this.#aheadMs.delete(brokerName);
    this.#aheadMs.set(brokerName, brokerTimeMs - sentAtMs);
    if (this.#aheadMs.size <= brokersMax) return;
    for (const oldest of this.#aheadMs.keys()) {
      this.#aheadMs.delete(oldest);
      return;
    }
  }

  /** Now by the broker's clock; by ours while nothing is known of it. */
  now(brokerName: string): number {
    return this.#now() + (this.#aheadMs.get(brokerName) ?? 0);
  }

  /** What to send as the birth of a request: 0, which brokers replace by their own time, while nothing is known. */
  birth(brokerName: string): number {
    return this.#aheadMs.has(brokerName) ? this.now(brokerName) : 0;
  }
}
