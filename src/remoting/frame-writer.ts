import type { Duplex } from 'node:stream';

/** Writes frames to a connection; what is written within one turn of the event loop leaves in one write. */
export class FrameWriter {
  readonly #stream: Duplex;
  readonly #onLeft: () => void;
  #corked = false;

  /** @param onLeft Called whenever something that was written has left. */
  constructor(stream: Duplex, onLeft: () => void = () => {}) {
    this.#stream = stream;
    this.#onLeft = onLeft;
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
    const last = parts.length - 1;
    parts.forEach((part, index) => {
      if (index === last) this.#stream.write(part, this.#onLeft);
      else this.#stream.write(part);
    });
  }
}
