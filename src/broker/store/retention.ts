import type { CancelTimer, Clock } from '../clock.ts';
import type { Segment, Segments } from './segments.ts';
import type { CompleteStoreOptions } from './store-options.ts';

/** How often to look for segments that are too old. */
const intervalMs = 60_000;

/** Gives up the oldest segments when they are too old or the log is too large. The one that is written never goes. */
export class Retention {
  readonly #segments: Segments;
  readonly #options: CompleteStoreOptions;
  readonly #clock: Clock;
  readonly #onRemoved: () => void;
  #cancelTimer: CancelTimer = () => {};

  /** @param onRemoved Called when segments have gone. */
  constructor(segments: Segments, options: CompleteStoreOptions, onRemoved: () => void) {
    this.#segments = segments;
    this.#options = options;
    this.#clock = options.clock;
    this.#onRemoved = onRemoved;
  }

  start(): void {
    this.#cancelTimer = this.#clock.at(this.#clock.now() + intervalMs, () => {
      this.check();
      this.start();
    });
  }

  stop(): void {
    this.#cancelTimer();
  }

  check(): void {
    let count = 0;
    while (this.#mayGo(this.#segments.all[0])) {
      this.#segments.removeFirst();
      count += 1;
    }
    this.#tellHeld();
    if (count === 0) return;
    this.#options.log.info({ segmentCount: count, minCommitLogOffset: this.#segments.start }, 'old messages are gone');
    this.#onRemoved();
  }

  #tellHeld(): void {
    const [first] = this.#segments.all;
    if (first !== undefined && this.#isDue(first)) this.#options.onHeld(first.start, first.start + first.length);
  }

  #mayGo(segment: Segment | undefined): boolean {
    if (segment === undefined || !this.#isDue(segment)) return false;
    // Not while its flush is on its way.
    if (segment.flushedLength < segment.length) return false;
    return segment.start + segment.length <= this.#options.retainFrom();
  }

  #isDue(segment: Segment): boolean {
    if (segment === this.#segments.last) return false;
    const isOld = segment.lastTimestampMs + this.#options.retentionMs < this.#clock.now();
    return isOld || this.#segments.bytes > this.#options.retentionBytes;
  }
}
