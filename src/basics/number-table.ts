/** Slots of a new table; a power of 2. */
const slotsMin = 16;
/** Spreads neighbours over the table: 2^32 divided by the golden ratio. */
const spread = 0x9e3779b1;
/** The bits of a product that are spread best are its upper ones. */
const spreadShift = 8;

/**
 * Things by number, for where many come and go. A `Map` makes its table anew whenever so many have come; the tables that it leaves behind lie
 * in the old generation and still hold what was in them, so the garbage collector keeps, and moves there, nearly all that passes. This one
 * changes in place. It grows with what it holds at once, and does not shrink.
 */
export class NumberTable<T extends object> {
  #keys = new Int32Array(slotsMin);
  #values: (T | undefined)[] = new Array<T | undefined>(slotsMin).fill(undefined);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  has(key: number): boolean {
    return this.#values[this.#slotOf(key)] !== undefined;
  }

  get(key: number): T | undefined {
    return this.#values[this.#slotOf(key)];
  }

  /** @param key an int32. */
  set(key: number, value: T): void {
    const slot = this.#slotOf(key);
    if (this.#values[slot] === undefined) {
      // Half of the slots stay free, so that what is not here is soon known.
      if (this.#size * 2 >= this.#keys.length) {
        this.#grow();
        this.set(key, value);
        return;
      }
      this.#size += 1;
    }
    this.#keys[slot] = key;
    this.#values[slot] = value;
  }

  /** False where there was none. */
  delete(key: number): boolean {
    let free = this.#slotOf(key);
    if (this.#values[free] === undefined) return false;
    const last = this.#keys.length - 1;
    // What lies behind, and could not have the slot that is free now, moves up.
    for (let slot = (free + 1) & last; ; slot = (slot + 1) & last) {
      const value = this.#values[slot];
      if (value === undefined) break;
      const other = this.#keys[slot] ?? 0;
      if (((slot - this.#homeOf(other)) & last) < ((slot - free) & last)) continue;
      this.#keys[free] = other;
      this.#values[free] = value;
      free = slot;
    }
    this.#values[free] = undefined;
    this.#size -= 1;
    return true;
  }

  /** The numbers in their order. A copy: the table may change meanwhile. */
  keys(): Int32Array {
    return this.#keys.filter((_key, slot) => this.#values[slot] !== undefined).sort();
  }

  /** Those of now in the order of their numbers, without what is deleted before its turn. */
  *values(): IterableIterator<T> {
    for (const key of this.keys()) {
      const value = this.get(key);
      if (value !== undefined) yield value;
    }
  }

  /** Where the number lies, or would. */
  #slotOf(key: number): number {
    const last = this.#keys.length - 1;
    let slot = this.#homeOf(key);
    while (this.#values[slot] !== undefined && this.#keys[slot] !== key) slot = (slot + 1) & last;
    return slot;
  }

  #homeOf(key: number): number {
    return (Math.imul(key, spread) >>> spreadShift) & (this.#keys.length - 1);
  }

  #grow(): void {
    const keys = this.#keys;
    const values = this.#values;
    this.#keys = new Int32Array(keys.length * 2);
    this.#values = new Array<T | undefined>(keys.length * 2).fill(undefined);
    this.#size = 0;
    for (const [slot, key] of keys.entries()) {
      const value = values[slot];
      if (value !== undefined) this.set(key, value);
    }
  }
}
