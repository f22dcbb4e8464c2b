import type { Cancellation } from '../basics/ending.ts';
import { pause } from '../remoting/deadline.ts';

/** What a stream that has ended leaves to its receivers before it gives back what they have. */
export interface StreamGrace {
  /** Asked once, when the stream ends: how long they may still settle what they were handed, in ms; 0: not at all. */
  begin(): number;
  /** Called once after that, unless it was 0: all is settled, or the time is over. */
  end(): void;
}

/** How often it is looked whether all is settled, in ms. */
const lookIntervalMs = 20;

/**
 * Gives back what a stream has handed out: at once, or after the grace, during which it may be settled.
 * @param inFlightCount how much of it is not settled.
 * @param signal ends the grace.
 * @param giveBack never fails.
 * @returns what resolves when it is given back.
 */
export function afterGrace(
  grace: StreamGrace | undefined,
  inFlightCount: () => number,
  signal: Cancellation,
  giveBack: () => Promise<void>,
): { readonly hasGrace: boolean; readonly released: Promise<void> } {
  const graceMs = signal.aborted ? 0 : (grace?.begin() ?? 0);
  if (grace === undefined || graceMs <= 0) return { hasGrace: false, released: giveBack() };
  const wait = async (): Promise<void> => {
    const endMs = performance.now() + graceMs;
    while (inFlightCount() > 0 && performance.now() < endMs && !signal.aborted) await pause(lookIntervalMs, signal);
    grace.end();
    await giveBack();
  };
  return { hasGrace: true, released: wait() };
}
