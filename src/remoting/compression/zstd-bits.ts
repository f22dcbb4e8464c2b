import { RemotingError } from '../errors.ts';

/** Most bits of one read: with up to 7 bits before them they must fit four bytes. */
export const bitsPerReadMax = 25;

/** What is wrong with a ZSTD body. */
export function damagedZstd(what: string): RemotingError {
  return new RemotingError('malformed', `a ZSTD frame ${what}`);
}

/** Index of the highest bit that is set. @param value at least 1. */
export function highestBit(value: number): number {
  return 31 - Math.clz32(value);
}

/** Reads bits from the first byte on, lowest bit first. Behind the last byte all are 0; `bytesRead` shows it. */
export class ForwardBits {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Bytes that have been touched. */
  get bytesRead(): number {
    return (this.#at + 7) >> 3;
  }

  read(count: number): number {
    const value = bitsAt(this.#bytes, this.#at, count);
    this.#at += count;
    return value;
  }

  back(count: number): void {
    this.#at -= count;
  }
}

/** Reads bits from the end on, as ZSTD writes its streams: the highest bit that is set in the last byte marks the end. */
export class BackwardBits {
  readonly #bytes: Buffer;
  /** Bits that are left; negative once more were read than there are, which all are 0. */
  left: number;

  /** @throws RemotingError `malformed` when there is no mark. */
  constructor(bytes: Buffer) {
    const last = bytes.at(-1) ?? 0;
    if (last === 0) throw damagedZstd('has a stream without an end');
    this.#bytes = bytes;
    this.left = (bytes.length - 1) * 8 + highestBit(last);
  }

  read(count: number): number {
    this.left -= count;
    return this.peekFrom(this.left, count);
  }

  /** The bits from `at` on; those before the first are 0. */
  peekFrom(at: number, count: number): number {
    if (at >= 0) return bitsAt(this.#bytes, at, count);
    const there = count + at;
    return there <= 0 ? 0 : bitsAt(this.#bytes, 0, there) << -at;
  }
}

function bitsAt(bytes: Buffer, at: number, count: number): number {
  const byte = at >> 3;
  const word =
    (bytes[byte] ?? 0) |
    ((bytes[byte + 1] ?? 0) << 8) |
    ((bytes[byte + 2] ?? 0) << 16) |
    ((bytes[byte + 3] ?? 0) << 24);
  return (word >>> (at & 7)) & ((1 << count) - 1);
}
