import type { NumberTable } from '../basics/number-table.ts';
import type { OpenStream } from './open-stream.ts';
import type { MemoryHolder, RequestMemory } from './request-memory.ts';

/** What a stream counts whose request is not whole, beside what came of it: about what it takes here. */
const unfinishedStreamBytes = 4_096;

/** What the held requests of a connection need of it. */
export interface HeldRequestsParts {
  readonly memory: RequestMemory;
  /** As in `Http2Options`. */
  readonly keptBytesMax: number;
  /** `ip:port`. */
  readonly peer: string;
  /** Open streams, the oldest first. */
  readonly open: NumberTable<OpenStream>;
  /** Lets the peer send so many bytes more. */
  readonly widen: (stream: OpenStream, bytes: number) => void;
  /** Ends a stream that there is no memory for. */
  readonly giveUp: (stream: OpenStream) => void;
}

/** Counts what the requests of one connection hold, and holds up those that would hold too much. */
export class HeldRequests implements MemoryHolder {
  readonly #parts: HeldRequestsParts;
  #bytes = 0;
  /** Whether streams wait for their windows to be widened. */
  #isHoldingUp = false;

  constructor(parts: HeldRequestsParts) {
    this.#parts = parts;
  }

  get address(): string {
    const { peer } = this.#parts;
    return peer.slice(0, peer.lastIndexOf(':'));
  }

  get unfinishedBytes(): number {
    let bytes = 0;
    if (this.#bytes > 0)
      for (const stream of this.#parts.open.values()) if (stream.isAwaited) bytes += stream.heldBytes;
    return bytes;
  }

  /** A request begins that is not whole. @returns as `take`. */
  begin(stream: OpenStream): boolean {
    return this.take(stream, unfinishedStreamBytes);
  }

  /** A request holds so much more. @returns false where there is no memory for it: its stream has ended then. */
  take(stream: OpenStream, bytes: number): boolean {
    const { memory, giveUp } = this.#parts;
    stream.heldBytes += bytes;
    this.#bytes += bytes;
    if (!memory.take(bytes) && stream.isOpen) giveUp(stream);
    return stream.isOpen;
  }

  /** A request becomes whole, or need not. To be called before its stream says so. */
  finish(stream: OpenStream): void {
    if (stream.isOpen && stream.isAwaited) this.letGo(stream, unfinishedStreamBytes);
  }

  /** So many bytes that were taken are kept until the stream ends; the peer may send as many again, now or later. */
  keep(stream: OpenStream, bytes: number): void {
    stream.owedBytes += bytes;
    if (!this.#isFull) this.#widen(stream);
    else {
      this.#isHoldingUp = true;
      this.#goOn();
    }
  }

  letGo(stream: OpenStream, bytes: number): void {
    stream.heldBytes -= bytes;
    this.#bytes -= bytes;
    this.#parts.memory.give(bytes);
    if (this.#isHoldingUp) this.#goOn();
  }

  shed(bytes: number): void {
    let leftBytes = bytes;
    for (const stream of [...this.#parts.open.values()]) {
      if (leftBytes <= 0) return;
      if (!stream.isAwaited) continue;
      leftBytes -= stream.heldBytes;
      this.#parts.giveUp(stream);
    }
  }

  get #isFull(): boolean {
    return this.#bytes > this.#parts.keptBytesMax;
  }

  /** Lets requests go on that were held up, the oldest first: that one whatever is held, so that there is always one which can end. */
  #goOn(): void {
    for (const stream of this.#parts.open.values()) {
      if (!stream.isAwaited) continue;
      this.#widen(stream);
      if (this.#isFull) return;
    }
    this.#isHoldingUp = false;
  }

  #widen(stream: OpenStream): void {
    const { owedBytes } = stream;
    stream.owedBytes = 0;
    this.#parts.widen(stream, owedBytes);
  }
}
