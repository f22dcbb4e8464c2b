import type { HeaderField } from './hpack/header-field.ts';

/** Data of one stream that waits for the peer's windows or for the network, and what ends it. */
export class PendingData {
  readonly #parts: Buffer[] = [];
  /** Where what is left of the first part begins. */
  #offset = 0;
  #bytes = 0;
  /** The stream ends with the last byte. */
  isLast = false;
  /** The stream ends with these, behind the last byte. */
  trailers: readonly HeaderField[] | undefined;
  /** Whether the stream is among those that take turns. */
  hasTurn = false;
  /** Whether the handler waits to be told of room. */
  isDrainWanted = false;

  get bytes(): number {
    return this.#bytes;
  }

  /** Copies them. */
  add(bytes: Uint8Array, isLast: boolean): void {
    if (bytes.length > 0) this.#parts.push(Buffer.from(bytes));
    this.#bytes += bytes.length;
    this.isLast = isLast;
  }

  end(trailers: readonly HeaderField[]): void {
    this.trailers = trailers;
  }

  /** Removes up to so many bytes, of one part only unless parts are small: joining them saves frames. */
  take(bytesMax: number): Buffer {
    const first = this.#parts[0];
    if (first === undefined || bytesMax <= 0) return Buffer.alloc(0);
    if (first.length - this.#offset >= Math.min(bytesMax, this.#bytes)) return this.#takeFirst(first, bytesMax);
    const taken = Buffer.allocUnsafe(Math.min(bytesMax, this.#bytes));
    let end = 0;
    while (end < taken.length) {
      const part = this.#parts[0];
      if (part === undefined) break;
      end += this.#takeFirst(part, taken.length - end).copy(taken, end);
    }
    return taken;
  }

  #takeFirst(part: Buffer, bytesMax: number): Buffer {
    const taken = part.subarray(this.#offset, this.#offset + bytesMax);
    this.#offset += taken.length;
    this.#bytes -= taken.length;
    if (this.#offset === part.length) {
      this.#parts.shift();
      this.#offset = 0;
    }
    return taken;
  }
}
