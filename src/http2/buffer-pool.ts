/** Bytes of one buffer: what many answers of one turn of the event loop need, and no more than one write should have. */
export const pooledBufferBytes = 65_536;

/** Buffers that are kept; those beyond are left to the garbage collector. */
const keptBuffersMax = 64;

/** Output buffers that all connections of a server share, since most of them have nothing to say most of the time. */
export class BufferPool {
  readonly #free: Buffer[] = [];

  /** A buffer of `pooledBufferBytes`, with anything in it. */
  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(pooledBufferBytes);
  }

  /** Takes back one that nobody reads or writes any more. */
  give(buffer: Buffer): void {
    if (this.#free.length < keptBuffersMax) this.#free.push(buffer);
  }
}
