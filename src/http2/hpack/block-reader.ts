import { HpackError } from './hpack-error.ts';
import { decodedBytesMax, decodeHuffman } from './huffman.ts';

/** Octets behind the first of an integer, of 7 bits each: enough for 256 MiB, which nothing in a block comes near. */
const moreOctetsMax = 4;

/** Reads the parts of one header block in order. */
export class BlockReader {
  readonly #block: Buffer;
  readonly #scratch: Buffer;
  #position = 0;

  /** @param scratch for strings that fit into it once they are decoded. */
  constructor(block: Buffer, scratch: Buffer) {
    this.#block = block;
    this.#scratch = scratch;
  }

  get hasMore(): boolean {
    return this.#position < this.#block.length;
  }

  /** The octet that comes next, which stays; 0 at the end. */
  get next(): number {
    return this.#block[this.#position] ?? 0;
  }

  /**
   * An integer that begins in the lowest bits of the next octet (RFC 7541, section 5.1).
   * @param mask these bits, all set.
   * @throws HpackError where it is cut off or longer than anything needs.
   */
  integer(mask: number): number {
    const first = this.#octet() & mask;
    if (first < mask) return first;
    let value = mask;
    for (let count = 0; count < moreOctetsMax; count += 1) {
      const octet = this.#octet();
      value += (octet & 0x7f) << (7 * count);
      if (octet < 0x80) return value;
    }
    throw new HpackError(`an integer of a header block has more than ${moreOctetsMax} octets behind its first`);
  }

  /**
   * A string (RFC 7541, section 5.2), one character for each octet.
   * @throws HpackError where it is cut off or badly coded.
   */
  string(): string {
    const isHuffman = this.next >= 0x80;
    const length = this.integer(0x7f);
    const start = this.#position;
    const end = start + length;
    if (end > this.#block.length) throw new HpackError(`a string of ${length} octets is longer than its header block`);
    this.#position = end;
    if (!isHuffman) return this.#block.toString('latin1', start, end);
    const bytesMax = decodedBytesMax(length);
    const target = bytesMax <= this.#scratch.length ? this.#scratch : Buffer.allocUnsafe(bytesMax);
    return target.toString('latin1', 0, decodeHuffman(this.#block, start, end, target));
  }

  #octet(): number {
    const octet = this.#block[this.#position];
    if (octet === undefined) throw new HpackError('a header block is cut off');
    this.#position += 1;
    return octet;
  }
}
