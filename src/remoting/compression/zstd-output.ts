import { RemotingError } from '../errors.ts';
import { damagedZstd } from './zstd-bits.ts';

const firstBytes = 65_536;
/** Up to here a copy byte by byte is quicker than one by the runtime. */
const shortBytesMax = 32;

/** What has been unfolded so far: it grows, but never over its limit. */
export class ZstdOutput {
  readonly #bytesMax: number;
  #bytes: Buffer;
  #length = 0;
  /** Where the frame begins that is read now: nothing reaches back further. */
  #frameStart = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
    this.#bytes = Buffer.allocUnsafe(Math.min(firstBytes, bytesMax));
  }

  get length(): number {
    return this.#length;
  }

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  beginFrame(): void {
    this.#frameStart = this.#length;
  }

  /** Appends the bytes from `from` up to, not including, `end`. */
  append(bytes: Buffer, from: number, end: number): void {
    const length = end - from;
    this.#reserve(length);
    if (length > shortBytesMax) {
      bytes.copy(this.#bytes, this.#length, from, end);
    } else {
      const target = this.#bytes;
      for (let index = 0; index < length; index += 1) target[this.#length + index] = bytes[from + index] ?? 0;
    }
    this.#length += length;
  }

  fill(byte: number, length: number): void {
    this.#reserve(length);
    this.#bytes.fill(byte, this.#length, this.#length + length);
    this.#length += length;
  }

  /** Appends what lies `offset` bytes before; where that is less than `length`, what was copied repeats. */
  repeat(offset: number, length: number): void {
    if (offset < 1 || offset > this.#length - this.#frameStart) throw damagedZstd('reaches back too far');
    this.#reserve(length);
    const from = this.#length - offset;
    const end = this.#length + length;
    if (length <= shortBytesMax) {
      const target = this.#bytes;
      for (let index = 0; index < length; index += 1) target[this.#length + index] = target[from + index] ?? 0;
      this.#length = end;
      return;
    }
    // Each copy doubles what can be copied at once.
    while (this.#length < end) {
      const count = Math.min(this.#length - from, end - this.#length);
      this.#bytes.copyWithin(this.#length, from, from + count);
      this.#length += count;
    }
  }

  #reserve(length: number): void {
    const needed = this.#length + length;
    if (needed > this.#bytesMax) {
      throw new RemotingError('malformed', `a ZSTD frame unfolds to more than ${this.#bytesMax} bytes`);
    }
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.min(Math.max(needed, 2 * this.#bytes.length), this.#bytesMax));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}
