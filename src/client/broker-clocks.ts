const brokersMax = 4_096;

/**
 * How far each broker's clock is ahead of ours. A POP whose birth looks too old to its broker is answered "nothing", so a proxy
 * with a slow clock would never receive; and the end of an invisible duration is the broker's to tell.
 */
export class BrokerClocks {
  readonly #aheadMs = new Map<string, number>();
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** Learns from a time that a broker has just told. */
  learn(brokerName: string, brokerTimeMs: number): void {
    if (this.#aheadMs.size >= brokersMax) this.#aheadMs.clear();
    this.#aheadMs.set(brokerName, brokerTimeMs - this.#now());
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
