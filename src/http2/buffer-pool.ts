/** Bytes of one buffer: what many answers of one turn of the event loop need, and no more than one write should have. */
export const pooledBufferBytes = 65_536;

/** Bytes of a small one: what a few answers need, which is what most connections say at a time. */
export const smallBufferBytes = 4_096;

/** Buffers that are kept of each size, 4 MiB and 1 MiB at most; those beyond are left to the garbage collector. */
const keptBuffersMax = 64;
const keptSmallBuffersMax = 256;

/** Output buffers that all connections of a server share, since most of them have nothing to say most of the time. */
export class BufferPool {
  readonly #free: Buffer[] = [];
  readonly #freeSmall: Buffer[] = [];

  /** A buffer of `smallBufferBytes` where that is enough for so many, else of `pooledBufferBytes`, with anything in it. */
  take(bytes: number): Buffer {
    return bytes > smallBufferBytes
      ? (this.#free.pop() ?? Buffer.allocUnsafeSlow(pooledBufferBytes))
      : (this.#freeSmall.pop() ?? Buffer.allocUnsafeSlow(smallBufferBytes));
  }

  /** Takes back one that nobody reads or writes any more. */
  give(buffer: Buffer): void {
    const isSmall = buffer.length === smallBufferBytes;
    const free = isSmall ? this.#freeSmall : this.#free;
    if (free.length < (isSmall ? keptSmallBuffersMax : keptBuffersMax)) free.push(buffer);
  }
}
