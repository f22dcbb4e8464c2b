import { Code } from '@connectrpc/connect';
import { LRUCache } from 'lru-cache';
import { failure } from '../rpc/failures.ts';

/** Endpoints that have not answered yet and that one caller may try in a second; as many may be tried at once. */
export const triesPerSecondMax = 10;

/** Endpoints that answered, and callers, that are remembered. */
const rememberedMax = 1_024;

interface Allowance {
  tryCount: number;
  atMs: number;
}

/** Keeps callers from having the proxy knock at one door of a network after the other. */
export class UnprovenEndpoints {
  readonly #now: () => number;
  readonly #proven = new LRUCache<string, true>({ max: rememberedMax });
  /** How many tries are under way; those that join one cost nothing, since they share its connections. */
  readonly #underWay = new Map<string, number>();
  readonly #allowances = new LRUCache<string, Allowance>({ max: rememberedMax });

  /** @param now a clock in ms that is never set back. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /**
   * Runs work that talks to an endpoint.
   * @param caller whose allowance it is.
   * @param hasAnswered whether an error of the work says that somebody answered there.
   * @throws ConnectError RESOURCE_EXHAUSTED where the caller has tried too many that did not answer.
   */
  async try<T>(
    endpoint: string,
    caller: string,
    work: () => Promise<T>,
    hasAnswered: (error: unknown) => boolean,
  ): Promise<T> {
    const count = this.#underWay.get(endpoint) ?? 0;
    if (count === 0 && !this.#proven.has(endpoint)) this.#charge(caller);
    this.#underWay.set(endpoint, count + 1);
    try {
      const result = await work();
      this.#proven.set(endpoint, true);
      return result;
    } catch (error) {
      if (hasAnswered(error)) this.#proven.set(endpoint, true);
      else this.#proven.delete(endpoint);
      throw error;
    } finally {
      const left = (this.#underWay.get(endpoint) ?? 1) - 1;
      if (left === 0) this.#underWay.delete(endpoint);
      else this.#underWay.set(endpoint, left);
    }
  }

  #charge(caller: string): void {
    const nowMs = this.#now();
    const { tryCount, atMs } = this.#allowances.get(caller) ?? { tryCount: triesPerSecondMax, atMs: nowMs };
    const allowed = Math.min(triesPerSecondMax, tryCount + ((nowMs - atMs) / 1_000) * triesPerSecondMax);
    this.#allowances.set(caller, { tryCount: Math.max(0, allowed - 1), atMs: nowMs });
    if (allowed >= 1) return;
    this.#allowances.set(caller, { tryCount: allowed, atMs: nowMs });
    throw failure(
      Code.ResourceExhausted,
      'OVERLOADED',
      `more than ${triesPerSecondMax} endpoints that do not answer were named in a second: wait and try again`,
    );
  }
}
