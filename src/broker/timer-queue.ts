/** Room of a new queue; it doubles, and halves again. */
const roomMin = 64;

/**
 * Numbers by time, the earliest first; those of one time by their size, so that commit log offsets come in the order of the log. A binary
 * heap of 16 bytes each.
 */
export class TimerQueue {
  #times = new Float64Array(roomMin);
  #values = new Float64Array(roomMin);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** The earliest time; Infinity where the queue is empty. */
  get firstMs(): number {
    return this.#count === 0 ? Number.POSITIVE_INFINITY : this.#time(0);
  }

  push(timeMs: number, value: number): void {
    if (this.#count === this.#times.length) this.#resize(2 * this.#count);
    this.#count += 1;
    this.#siftUp(this.#count - 1, timeMs, value);
  }

  /** Takes out the first; undefined where the queue is empty. */
  pop(): number | undefined {
    if (this.#count === 0) return undefined;
    const first = this.#value(0);
    this.#count -= 1;
    if (this.#count > 0) this.#siftDown(0, this.#time(this.#count), this.#value(this.#count));
    if (this.#times.length > roomMin && 4 * this.#count < this.#times.length) this.#resize(this.#times.length / 2);
    return first;
  }

  /** Drops what is needed no more. */
  retain(isNeeded: (value: number, timeMs: number) => boolean): void {
    let count = 0;
    for (let at = 0; at < this.#count; at += 1) {
      if (isNeeded(this.#value(at), this.#time(at))) this.#put(count++, this.#time(at), this.#value(at));
    }
    this.#count = count;
    let room = this.#times.length;
    while (room > roomMin && 4 * count < room) room /= 2;
    this.#resize(room);
    for (let at = (count >> 1) - 1; at >= 0; at -= 1) this.#siftDown(at, this.#time(at), this.#value(at));
  }

  #siftUp(start: number, timeMs: number, value: number): void {
    let at = start;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#isAfter(parent, timeMs, value)) break;
      this.#put(at, this.#time(parent), this.#value(parent));
      at = parent;
    }
    this.#put(at, timeMs, value);
  }

  #siftDown(start: number, timeMs: number, value: number): void {
    let at = start;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.#count) break;
      if (child + 1 < this.#count && this.#isAfter(child, this.#time(child + 1), this.#value(child + 1))) child += 1;
      if (this.#isAfter(child, timeMs, value)) break;
      this.#put(at, this.#time(child), this.#value(child));
      at = child;
    }
    this.#put(at, timeMs, value);
  }

  #isAfter(at: number, timeMs: number, value: number): boolean {
    const time = this.#time(at);
    return time > timeMs || (time === timeMs && this.#value(at) > value);
  }

  #put(at: number, timeMs: number, value: number): void {
    this.#times[at] = timeMs;
    this.#values[at] = value;
  }

  #time(at: number): number {
    return this.#times[at] ?? 0;
  }

  #value(at: number): number {
    return this.#values[at] ?? 0;
  }

  #resize(room: number): void {
    const times = new Float64Array(room);
    const values = new Float64Array(room);
    times.set(this.#times.subarray(0, this.#count));
    values.set(this.#values.subarray(0, this.#count));
    this.#times = times;
    this.#values = values;
  }
}
