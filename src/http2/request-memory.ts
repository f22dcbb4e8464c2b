/** A connection, as what it holds is taken back from it. */
export interface MemoryHolder {
  /** Where it comes from. */
  readonly address: string;
  /** Bytes of its requests that are not whole. */
  readonly unfinishedBytes: number;
  /** Ends such requests, the oldest first, until so many bytes are free or there are none. */
  shed(bytes: number): void;
}

/** Part of the memory that is taken back at once, so that it is not looked for with each frame. */
const shedPart = 1 / 4;

/**
 * Bounds what the requests of all connections of a server hold: of what is under way, each byte that came and was not let go. Where that is too
 * much, the address whose unfinished requests hold most loses them: who sends bodies that do not end leaves room to all others.
 */
export class RequestMemory {
  readonly #bytesMax: number;
  readonly #onShed: (address: string) => void;
  readonly #holders = new Set<MemoryHolder>();
  #bytes = 0;

  /**
   * @param bytesMax most that requests may hold.
   * @param onShed told of each address that loses requests.
   */
  constructor(bytesMax: number, onShed: (address: string) => void = () => {}) {
    this.#bytesMax = bytesMax;
    this.#onShed = onShed;
  }

  /** What requests hold now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A connection opens. */
  add(holder: MemoryHolder): void {
    this.#holders.add(holder);
  }

  /** A connection has ended; its requests have given back what they held. */
  remove(holder: MemoryHolder): void {
    this.#holders.delete(holder);
  }

  /**
   * A request, which may lose what it has by that, holds so much more; `give` is called for it, however.
   * @returns false where that is too much although all others lost what could be taken from them.
   */
  take(bytes: number): boolean {
    this.#bytes += bytes;
    if (this.#bytes > this.#bytesMax) this.#shed(this.#bytesMax * (1 - shedPart));
    return this.#bytes <= this.#bytesMax;
  }

  /** A request holds so much less. */
  give(bytes: number): void {
    this.#bytes -= bytes;
  }

  #shed(bytesLeft: number): void {
    const addresses = new Map<string, { unfinishedBytes: number; readonly holders: MemoryHolder[] }>();
    for (const holder of this.#holders) {
      const { address, unfinishedBytes } = holder;
      if (unfinishedBytes === 0) continue;
      const one = addresses.get(address) ?? { unfinishedBytes: 0, holders: [] };
      one.unfinishedBytes += unfinishedBytes;
      one.holders.push(holder);
      addresses.set(address, one);
    }
    const most = [...addresses].sort(([, one], [, other]) => other.unfinishedBytes - one.unfinishedBytes);
    for (const [address, { holders }] of most) {
      if (this.#bytes <= bytesLeft) return;
      for (const holder of holders) if (this.#bytes > bytesLeft) holder.shed(this.#bytes - bytesLeft);
      this.#onShed(address);
    }
  }
}
