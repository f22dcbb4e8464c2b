import type { Log } from '../../log.ts';
import type { Segments } from './segments.ts';

/** Brings to the disk, a while after it was written, what the system holds in memory. */
export class LogFlusher {
  readonly #segments: Segments;
  readonly #intervalMs: number;
  readonly #log: Log;
  #timer: NodeJS.Timeout | undefined;
  #flushing: Promise<void> | undefined;
  #isClosed = false;

  constructor(segments: Segments, intervalMs: number, log: Log) {
    this.#segments = segments;
    this.#intervalMs = intervalMs;
    this.#log = log;
  }

  /** To be called after each write. */
  wrote(): void {
    if (this.#isClosed || this.#timer !== undefined || this.#flushing !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#flushing = this.#flush().finally(() => {
        this.#flushing = undefined;
        if (this.#segments.all.some((segment) => segment.flushedLength < segment.length)) this.wrote();
      });
    }, this.#intervalMs);
  }

  /** Flushes what is left. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#flushing;
    await this.#flush();
  }

  async #flush(): Promise<void> {
    for (const segment of this.#segments.all.filter(({ flushedLength, length }) => flushedLength < length)) {
      const { length } = segment;
      try {
        await segment.file.sync();
        segment.flushedLength = Math.max(segment.flushedLength, length);
      } catch (error) {
        const facts = { file: this.#segments.describe(segment), from: segment.flushedLength, to: length, error };
        this.#log.error(facts, 'the disk failed: a power loss now would cost a part of the log');
        this.#segments.seal(segment);
      }
    }
  }
}
