/** Takes back what `Clock.at` was asked for; a second call does nothing. */
export type CancelTimer = () => void;

/**
 * The time that messages live by: delays, invisibility, transaction checks, time stamps of stored messages. What concerns connections
 * (long polls, idle peers) runs on real time, because the other side of a connection does.
 */
export interface Clock {
  /** Now, in ms since 1970. */
  now(): number;
  /**
   * Calls `run` once, when `now()` has reached `timeMs`; soon, never at once, where it already has.
   * @param run May return a promise, which never rejects: of the end of what it set off, for a clock that stands still meanwhile.
   */
  at(timeMs: number, run: () => unknown): CancelTimer;
}

/**
 * Longest wait at a time, in ms; what is further away waits in pieces. Timers do not notice that a machine slept, or that its clock was
 * set forward: what is due by that is so late at most.
 */
const pieceMsMax = 1_000;

/** The machine's clock. Where it is set back meanwhile, a timer waits again: it never runs early. */
export const systemClock: Clock = {
  now: () => Date.now(),
  at(timeMs, run) {
    const wait = (): NodeJS.Timeout =>
      setTimeout(
        () => {
          if (Date.now() >= timeMs) run();
          else timer = wait();
        },
        Math.min(Math.max(timeMs - Date.now(), 0), pieceMsMax),
      );
    let timer = wait();
    return () => clearTimeout(timer);
  },
};
