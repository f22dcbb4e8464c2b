/** Numbers from 0 inclusive to 1 exclusive, the same ones for the same seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const tellingInt32s = [-0x8000_0000, -1, 0, 1, 2, 0x7f, 0x80, 0xffff, 0x1_0000, 0xff_ffff, 0x7fff_ffff];

/** Makes invalid inputs out of valid ones; the same ones for the same seed. */
export class Mutator {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = randomNumbers(seed);
  }

  /** A whole number from 0 to `bound`, exclusive. */
  below(bound: number): number {
    return Math.floor(this.#random() * bound);
  }

  pick<T>(values: readonly T[]): T {
    const value = values[this.below(values.length)];
    if (value === undefined) throw new Error('there is nothing to pick from');
    return value;
  }

  /** A copy of one of the samples with one to four changes. */
  mutate(samples: readonly Buffer[]): Buffer {
    let bytes: Buffer = Buffer.from(this.pick(samples));
    for (let change = this.below(4); change >= 0; change -= 1) bytes = this.#change(bytes, samples);
    return bytes;
  }

  #change(bytes: Buffer, samples: readonly Buffer[]): Buffer {
    const at = this.below(bytes.length + 1);
    switch (this.below(7)) {
      case 0:
        return this.#withByte(bytes, at, (byte) => byte ^ (1 << this.below(8)));
      case 1:
        return this.#withByte(bytes, at, () => this.below(256));
      case 2:
        return bytes.subarray(0, at);
      case 3:
        return Buffer.concat([bytes.subarray(0, at), this.#noise(), bytes.subarray(at)]);
      case 4:
        return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + this.below(8))]);
      case 5:
        return this.#withInt32(bytes, at);
      default:
        return this.#splice(bytes, at, this.pick(samples));
    }
  }

  #withByte(bytes: Buffer, at: number, change: (byte: number) => number): Buffer {
    const byte = bytes[at];
    if (byte !== undefined) bytes[at] = change(byte);
    return bytes;
  }

  /** Any four bytes may be a length. */
  #withInt32(bytes: Buffer, at: number): Buffer {
    if (at + 4 > bytes.length) return bytes;
    const nearby = bytes.readInt32BE(at) + this.below(9) - 4;
    bytes.writeInt32BE(this.below(2) === 0 ? nearby | 0 : this.pick(tellingInt32s), at);
    return bytes;
  }

  #noise(): Buffer {
    return Buffer.from(Array.from({ length: 1 + this.below(8) }, () => this.below(256)));
  }

  #splice(bytes: Buffer, at: number, other: Buffer): Buffer {
    const from = this.below(other.length + 1);
    return Buffer.concat([bytes.subarray(0, at), other.subarray(from, from + this.below(64)), bytes.subarray(at)]);
  }
}
