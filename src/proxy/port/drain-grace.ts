import { setTimeout as sleep } from 'node:timers/promises';
import type { StreamGrace } from '../../client/stream-grace.ts';

/** Longest that receivers may settle what streams handed out which a shutdown ended, in ms. */
export const drainGraceMsMax = 5_000;
/** How often it is looked whether all is settled, in ms. */
const lookIntervalMs = 20;

/** While the proxy shuts down, receivers may still settle what they have, through other instances: most of it soon is. */
export class DrainGrace implements StreamGrace {
  #endMs = 0;
  #openCount = 0;

  /** For streams that end from now on. */
  start(durationMs: number): void {
    this.#endMs = performance.now() + Math.min(durationMs, drainGraceMsMax);
  }

  begin(): number {
    const graceMs = Math.max(0, this.#endMs - performance.now());
    if (graceMs > 0) this.#openCount += 1;
    return graceMs;
  }

  end(): void {
    this.#openCount -= 1;
  }

  /** Resolves when no stream has grace any more. */
  async over(): Promise<void> {
    while (this.#openCount > 0) await sleep(lookIntervalMs);
  }
}
