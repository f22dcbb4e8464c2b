import { ConnectionError, ErrorCode } from './errors.ts';
import type { Http2Options } from './options.ts';

/** Control frames that one frame of a request or an answer makes up for: a window of each kind, and a PING or two. */
const controlFramesPerUsefulFrame = 4;

/** A count of bad things that time forgives. */
class Tally {
  readonly #max: number;
  readonly #perMs: number;
  #count = 0;
  #atMs = 0;

  constructor(max: number, perSecond: number) {
    this.#max = max;
    this.#perMs = perSecond / 1000;
  }

  forgive(count: number): void {
    this.#count = Math.max(0, this.#count - count);
  }

  /** @returns Whether that is one too many. */
  add(nowMs: number): boolean {
    if (this.#count > 0) this.forgive((nowMs - this.#atMs) * this.#perMs);
    this.#atMs = nowMs;
    this.#count += 1;
    return this.#count > this.#max;
  }
}

/** Counts what a peer does that costs us more than it. Each method throws ConnectionError with ENHANCE_YOUR_CALM where it is too much. */
export class AbuseMeter {
  readonly #controlFrames: Tally;
  readonly #youngResets: Tally;
  #usefulFrames = 0;

  constructor(options: Http2Options) {
    this.#controlFrames = new Tally(options.controlFramesMax, options.controlFramesPerSecond);
    this.#youngResets = new Tally(options.youngResetsMax, options.youngResetsPerSecond);
  }

  /** A frame of a request or an answer. */
  useful(): void {
    this.#usefulFrames += 1;
  }

  /** A frame that brings nothing forward. */
  control(nowMs: number): void {
    this.#controlFrames.forgive(this.#usefulFrames * controlFramesPerUsefulFrame);
    this.#usefulFrames = 0;
    if (this.#controlFrames.add(nowMs))
      throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, 'a flood of frames that bring nothing forward');
  }

  /** A stream that the peer had reset as soon as it was opened, that broke a rule, or that was refused. */
  youngReset(nowMs: number): void {
    if (this.#youngResets.add(nowMs))
      throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, 'streams reset as soon as they were opened');
  }
}
