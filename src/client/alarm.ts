/** Longest wait of a Node timer, 24.8 days. */
const timerDurationMsMax = 2 ** 31 - 1;
/** Shortest time between two rings, in ms: who has many ends of time one close behind the other hears of several at once. */
export const alarmIntervalMs = 20;

/**
 * One timer for many ends of time: it rings when the first of them has come, and its owner then looks at all of them. A timer for each
 * costs more than most of what is done in its time. The process need not stay alive for it.
 */
export class Alarm {
  readonly #ring: (nowMs: number) => number;
  /** On the monotonic clock, in ms. */
  #atMs = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  /** @param ring does what is due, and returns when the next is, on the monotonic clock, in ms; infinity: nothing is to come. */
  constructor(ring: (nowMs: number) => number) {
    this.#ring = ring;
  }

  /** Rings at that time, if not sooner; never early. */
  set(atMs: number): void {
    if (atMs >= this.#atMs) return;
    this.#atMs = atMs;
    clearTimeout(this.#timer);
    const waitMs = Math.min(Math.max(0, Math.ceil(atMs - performance.now())), timerDurationMsMax);
    this.#timer = setTimeout(() => this.#look(), waitMs).unref();
  }

  #look(): void {
    const nowMs = performance.now();
    this.#atMs = Number.POSITIVE_INFINITY;
    const nextMs = this.#ring(nowMs);
    if (nextMs < Number.POSITIVE_INFINITY) this.set(Math.max(nextMs, nowMs + alarmIntervalMs));
  }
}
