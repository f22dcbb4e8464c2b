/** What a peer may send on one stream, or on the connection, before more of it is consumed (RFC 9113, section 5.2). */
export class ReceiveWindow {
  /** What it may be when everything is consumed. */
  #bytesMax: number;
  #leftBytes: number;
  /** Consumed, and not yet given back. */
  #owedBytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
    this.#leftBytes = bytesMax;
  }

  /** @returns False where the peer sent more than it may. */
  take(bytes: number): boolean {
    this.#leftBytes -= bytes;
    return this.#leftBytes >= 0;
  }

  /** @returns What to give back now: nothing until it is half of the window, so that the frames which say so are few. */
  consume(bytes: number): number {
    this.#owedBytes += bytes;
    const owed = this.#owedBytes;
    if (owed * 2 < this.#bytesMax) return 0;
    this.#owedBytes = 0;
    this.#leftBytes += owed;
    return owed;
  }

  /** The peer has heard of another size. @returns What to give back now, since of a smaller window it may be half. */
  resize(bytesMax: number): number {
    this.#leftBytes += bytesMax - this.#bytesMax;
    this.#bytesMax = bytesMax;
    return this.consume(0);
  }
}
