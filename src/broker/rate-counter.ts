/** A count over some time. */
export interface Counted {
  readonly count: number;
  /** Mean of that time, also where the counter is younger. */
  readonly perSecond: number;
}

/** Counts what happened lately, in slots of equal length of which the newest takes the place of the oldest. */
export class RateCounter {
  readonly #slotMs: number;
  readonly #counts: number[];
  /** Which slot of all time each of them holds. */
  readonly #slots: number[];

  /** @param slotMs Length of one slot: the time that is counted grows to the next slot's end, then begins one slot later. */
  constructor(slotCount: number, slotMs: number) {
    this.#slotMs = slotMs;
    this.#counts = new Array<number>(slotCount).fill(0);
    this.#slots = new Array<number>(slotCount).fill(Number.NaN);
  }

  add(count: number, nowMs: number): void {
    const slot = Math.floor(nowMs / this.#slotMs);
    const at = slot % this.#counts.length;
    this.#counts[at] = (this.#slots[at] === slot ? (this.#counts[at] ?? 0) : 0) + count;
    this.#slots[at] = slot;
  }

  /** What was counted up to now. Slots of the future, where the clock was set back, are left out. */
  read(nowMs: number): Counted {
    const newest = Math.floor(nowMs / this.#slotMs);
    const oldest = newest - this.#counts.length + 1;
    let count = 0;
    for (const [at, slot] of this.#slots.entries()) {
      if (slot >= oldest && slot <= newest) count += this.#counts[at] ?? 0;
    }
    return { count, perSecond: (count * 1_000) / (nowMs - oldest * this.#slotMs + 1) };
  }
}
