import { setImmediate as nextTurn } from 'node:timers/promises';
import type { CancelTimer, Clock } from '../broker/clock.ts';

interface Timer {
  readonly timeMs: number;
  readonly run: () => unknown;
}

/** A clock that stands still until it is told to go on. */
export class VirtualClock implements Clock {
  #nowMs: number;
  readonly #timers = new Set<Timer>();
  /** What timers have set off and is not done yet. */
  readonly #underWay = new Set<Promise<unknown>>();

  /** @param startMs ms since 1970. Default: the machine's time. */
  constructor(startMs: number = Date.now()) {
    this.#nowMs = startMs;
  }

  now(): number {
    return this.#nowMs;
  }

  at(timeMs: number, run: () => unknown): CancelTimer {
    const timer = { timeMs, run };
    this.#timers.add(timer);
    // What is due already runs soon, as with any clock, without waiting for the next step.
    if (timeMs <= this.#nowMs) setImmediate(() => this.#fire(timer));
    return () => this.#timers.delete(timer);
  }

  /**
   * Moves on by `durationMs`; what becomes due meanwhile runs in its order, each at its own time, and is done when this resolves: delayed
   * messages are delivered, however many.
   * @throws RangeError on a duration below 0.
   */
  async advance(durationMs: number): Promise<void> {
    if (!(durationMs >= 0)) throw new RangeError(`a clock cannot be moved by ${durationMs} ms`);
    const endMs = this.#nowMs + durationMs;
    for (;;) {
      // What a timer set off, such as a write to a store, may set timers in turn.
      await nextTurn();
      while (this.#underWay.size > 0) await Promise.all(this.#underWay);
      const next = this.#next();
      if (next === undefined || next.timeMs > endMs) break;
      this.#nowMs = Math.max(this.#nowMs, next.timeMs);
      this.#fire(next);
    }
    this.#nowMs = Math.max(this.#nowMs, endMs);
  }

  #next(): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) if (next === undefined || timer.timeMs < next.timeMs) next = timer;
    return next;
  }

  #fire(timer: Timer): void {
    if (!this.#timers.delete(timer)) return;
    const done = timer.run();
    if (!(done instanceof Promise)) return;
    const underWay: Promise<unknown> = done.finally(() => this.#underWay.delete(underWay));
    this.#underWay.add(underWay);
  }
}
