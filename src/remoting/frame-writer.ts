import type { Duplex } from 'node:stream';

/** Parts below this are copied together: one buffer for many of them is cheaper for a stream than many buffers. */
const smallPartBytesMax = 4_096;
/** Most bytes of parts that are copied together. */
const gatheredBytesMax = 65_536;

/** When what was written together leaves. Has `run` called once, later. */
export type WhenToLeave = (run: () => void) => void;

/** At the end of the turn of the event loop: for requests, which come from many places. */
export const atEndOfTurn: WhenToLeave = (run) => void setImmediate(run);

/** When nothing that runs now is left to do: for answers, which are made together. */
export const atEndOfTick: WhenToLeave = (run) => process.nextTick(run);

/** Writes frames to a connection; what is written within one turn of the event loop, or one tick of it, leaves in one write. */
export class FrameWriter {
  readonly #stream: Duplex;
  readonly #whenToLeave: WhenToLeave;
  readonly #onLeft: () => void;
  #parts: Buffer[] = [];
  #gatheredBytes = 0;
  #isScheduled = false;

  /** @param onLeft Called whenever something that was written has left. */
  constructor(stream: Duplex, whenToLeave: WhenToLeave, onLeft: () => void = () => {}) {
    this.#stream = stream;
    this.#whenToLeave = whenToLeave;
    this.#onLeft = onLeft;
  }

  /** Bytes that wait for the network. */
  get unsentBytes(): number {
    return this.#stream.writableLength + this.#gatheredBytes;
  }

  write(parts: readonly Buffer[]): void {
    if (!this.#isScheduled) {
      this.#isScheduled = true;
      this.#stream.cork();
      this.#whenToLeave(() => {
        this.#isScheduled = false;
        this.flush();
        this.#stream.uncork();
      });
    }
    for (const part of parts) this.#add(part);
  }

  /** Hands the stream what it does not have yet. */
  flush(): void {
    const [first, ...more] = this.#parts;
    if (first === undefined) return;
    this.#stream.write(more.length === 0 ? first : Buffer.concat(this.#parts, this.#gatheredBytes), this.#onLeft);
    this.#parts = [];
    this.#gatheredBytes = 0;
  }

  #add(part: Buffer): void {
    if (part.length >= smallPartBytesMax) {
      this.flush();
      this.#stream.write(part, this.#onLeft);
      return;
    }
    this.#parts.push(part);
    this.#gatheredBytes += part.length;
    if (this.#gatheredBytes >= gatheredBytesMax) this.flush();
  }
}
