import type { MQError } from './errors.ts';

/** Shortest and longest time, on average, before a stream is opened again, in ms. */
const firstDelayMs = 250;
const longestDelayMs = 15_000;
/** A stream that lived so long was a good one, in ms. */
const goodStreamMs = 10_000;

/** Decides whether a stream that has ended is opened again, and when. */
export class Resumption {
  readonly #tokenCanChange: boolean;
  readonly #random: () => number;
  #failureCount = 0;
  #tokenWasRefused = false;
  #openedMs = 0;

  /** @param tokenCanChange whether a token that was refused may be followed by another. */
  constructor(tokenCanChange: boolean, random: () => number = Math.random) {
    this.#tokenCanChange = tokenCanChange;
    this.#random = random;
  }

  /** The stream is about to be opened. */
  opening(nowMs: number): void {
    this.#openedMs = nowMs;
  }

  /** The stream has brought a message. */
  received(): void {
    this.#failureCount = 0;
    this.#tokenWasRefused = false;
  }

  /**
   * Milliseconds to wait before the next try: about 250, 500, 1,000 … 15,000, a random half of them less, so that pages that lost the
   * same proxy do not come back together; undefined where trying again is of no use.
   */
  delayMs(error: MQError, nowMs: number): number | undefined {
    const isRefused = error.code === 'UNAUTHENTICATED';
    if (
      isRefused ? !this.#tokenCanChange || this.#tokenWasRefused : !(error.retryable || error.reason === 'ID_NOT_FOUND')
    )
      return undefined;
    if (nowMs - this.#openedMs >= goodStreamMs) this.#failureCount = 0;
    this.#tokenWasRefused = isRefused;
    const averageMs = Math.min(longestDelayMs, firstDelayMs * 2 ** this.#failureCount);
    this.#failureCount += 1;
    return averageMs * (0.5 + this.#random());
  }
}
