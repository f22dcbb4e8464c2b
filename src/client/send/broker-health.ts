/** How a broker does: `slow` ones answer late, `failing` ones not at all, or that they cannot. */
export type BrokerState = 'well' | 'slow' | 'failing';

/** From so long an answer on, in ms, a broker is left alone for a while, in ms (Java `MQFaultStrategy`). */
const slowSteps = [
  { latencyMs: 15_000, avoidMs: 30_000 },
  { latencyMs: 5_000, avoidMs: 10_000 },
  { latencyMs: 3_000, avoidMs: 6_000 },
  { latencyMs: 1_800, avoidMs: 5_000 },
  { latencyMs: 550, avoidMs: 2_000 },
] as const;

/** How long a broker that failed is left alone, in ms: as one that takes 10 s to answer (Java `MQFaultStrategy`). */
export const failingDurationMs = 10_000;

interface Avoided {
  readonly state: Exclude<BrokerState, 'well'>;
  readonly untilMs: number;
}

/**
 * Which brokers are better left alone, by how they answered the last sends (Java `LatencyFaultToleranceImpl`). It advises only: where no
 * broker is well, all are tried; and what must keep its order is sent where it belongs all the same.
 */
export class BrokerHealth {
  readonly #now: () => number;
  /** Brokers that are not well, few if any. */
  readonly #avoided = new Map<string, Avoided>();

  /** @param now the monotonic clock, in ms. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** True while every broker is well, as far as is known. */
  get allWell(): boolean {
    return this.#avoided.size === 0;
  }

  /** An answer came after so long. One in good time makes a broker well again. */
  answered(brokerName: string, latencyMs: number): void {
    const step = slowSteps.find((one) => latencyMs >= one.latencyMs);
    if (step === undefined) this.#avoided.delete(brokerName);
    else this.#avoid(brokerName, 'slow', step.avoidMs);
  }

  /** It could not be reached, broke off, or said that it cannot. */
  failed(brokerName: string): void {
    this.#avoid(brokerName, 'failing', failingDurationMs);
  }

  stateOf(brokerName: string): BrokerState {
    const avoided = this.#avoided.get(brokerName);
    if (avoided === undefined) return 'well';
    if (avoided.untilMs > this.#now()) return avoided.state;
    this.#avoided.delete(brokerName);
    return 'well';
  }

  #avoid(brokerName: string, state: Avoided['state'], durationMs: number): void {
    this.#avoided.set(brokerName, { state, untilMs: this.#now() + durationMs });
  }
}
