import type { CancelTimer, Clock } from './clock.ts';

/** One timer for the earliest of many times. */
export class Alarm {
  readonly #clock: Clock;
  readonly #ring: () => unknown;
  #timeMs = Number.POSITIVE_INFINITY;
  #cancel: CancelTimer = () => {};

  constructor(clock: Clock, ring: () => unknown) {
    this.#clock = clock;
    this.#ring = ring;
  }

  /** Rings at this time, or at an earlier one that it was set to before; never for Infinity. Once only: whoever hears it sets it again. */
  set(timeMs: number): void {
    if (timeMs >= this.#timeMs) return;
    this.#cancel();
    this.#timeMs = timeMs;
    this.#cancel = this.#clock.at(timeMs, () => {
      this.#timeMs = Number.POSITIVE_INFINITY;
      return this.#ring();
    });
  }

  cancel(): void {
    this.#cancel();
    this.#timeMs = Number.POSITIVE_INFINITY;
  }
}
