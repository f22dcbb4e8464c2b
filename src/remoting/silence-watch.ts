/** How a connection is watched while it owes us an answer. */
export interface SilenceLimits {
  /** After so much silence the other side is asked for a sign of life, in ms. */
  readonly probeAfterMs: number;
  /** It then has so long to give one, in ms. */
  readonly probeTimeoutMs: number;
}

export interface SilenceActions {
  /** Whether an answer is owed. */
  isWaiting(): boolean;
  /** Bytes of ours that wait for the network. */
  unsentBytes(): number;
  /** Asks for a sign of life: anything that the other side must answer at once. */
  probe(): void;
  /** Nothing came, not even now: nobody is there any more. */
  onDead(): void;
}

/** Longest time between two looks, in ms. */
const lookIntervalMsMax = 250;
/** A look that comes so late, in ms, says that this process was held up, and what has arrived was not read yet. */
const lateMs = 1_000;
/** What waits for the network at any moment while all is well may be this much, in bytes. */
const backlogBytesMin = 65_536;

/**
 * Notices that the other side of a connection is gone without having ended it: a machine that lost its power or its network sends nothing, and
 * what we write meets no error for minutes. Runs only while an answer is owed, and any byte that comes is a sign of life.
 */
export class SilenceWatch {
  readonly #limits: SilenceLimits;
  readonly #actions: SilenceActions;
  readonly #now: () => number;
  #timer: NodeJS.Timeout | undefined;
  #heardAtMs = 0;
  #lookedAtMs = 0;
  #probedAtMs: number | undefined;
  #unsentBytes = 0;

  /** @param now the monotonic clock, in ms. */
  constructor(limits: SilenceLimits, actions: SilenceActions, now: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#actions = actions;
    this.#now = now;
  }

  /** A request was written. */
  asked(): void {
    if (this.#timer !== undefined) return;
    this.#lookedAtMs = this.#now();
    this.heard();
    const intervalMs = Math.min(lookIntervalMsMax, this.#limits.probeAfterMs);
    this.#timer = setInterval(() => this.look(), intervalMs).unref();
  }

  /** Bytes came. */
  heard(): void {
    this.#heardAtMs = this.#now();
    this.#probedAtMs = undefined;
  }

  /** Ends the watch. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** What a timer does several times a second. */
  look(): void {
    const nowMs = this.#now();
    const wasHeldUp = nowMs - this.#lookedAtMs > lateMs;
    this.#lookedAtMs = nowMs;
    if (wasHeldUp || this.#hasTakenBytes()) this.heard();
    if (this.#probedAtMs !== undefined) {
      if (nowMs - this.#probedAtMs >= this.#limits.probeTimeoutMs) this.#actions.onDead();
      return;
    }
    if (!this.#actions.isWaiting()) {
      this.stop();
      return;
    }
    if (nowMs - this.#heardAtMs < this.#limits.probeAfterMs) return;
    this.#probedAtMs = nowMs;
    this.#actions.probe();
  }

  /** True while something large is on its way and gets on: answers come behind it. */
  #hasTakenBytes(): boolean {
    const before = this.#unsentBytes;
    this.#unsentBytes = this.#actions.unsentBytes();
    return this.#unsentBytes >= backlogBytesMin && this.#unsentBytes < before;
  }
}
