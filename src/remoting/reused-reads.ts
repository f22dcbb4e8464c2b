import type { OnReadOpts } from 'node:net';

/** As much as one read of a socket gives. */
const bufferBytes = 65_536;

/**
 * What a TCP connection receives, all read into one buffer instead of a new one each time. Whoever takes bytes must have read or copied them
 * when it returns.
 */
export class ReusedReads {
  /** To connect with. */
  readonly onread: OnReadOpts;
  #take: (bytes: Buffer) => void;
  #early: Buffer = Buffer.alloc(0);

  constructor() {
    const buffer = Buffer.allocUnsafeSlow(bufferBytes);
    this.#take = (bytes) => {
      this.#early = Buffer.concat([this.#early, bytes]);
    };
    this.onread = {
      buffer,
      callback: (byteCount) => {
        this.#take(buffer.subarray(0, byteCount));
        return true;
      },
    };
  }

  /** From now on `take` gets the bytes; first those, if any, that came before. */
  start(take: (bytes: Buffer) => void): void {
    const early = this.#early;
    this.#take = take;
    if (early.length > 0) take(early);
  }
}
