import type { Duplex } from 'node:stream';

/** Writes frames to a connection; what is written within one turn of the event loop leaves in one write. */
export class FrameWriter {
  readonly #stream: Duplex;
  #corked = false;

  constructor(stream: Duplex) {
    this.#stream = stream;
  }

  /** Bytes that wait for the network. */
  get unsentBytes(): number {
    return this.#stream.writableLength;
  }

  write(parts: readonly Buffer[]): void {
    if (!this.#corked) {
      this.#corked = true;
      this.#stream.cork();
      setImmediate(() => {
        this.#corked = false;
        this.#stream.uncork();
      });
    }
    for (const part of parts) this.#stream.write(part);
  }
}
