export interface RoundsOptions {
  /** How long after the start of a round the next starts at the latest, in ms. Default: 20 s, as official clients. */
  readonly intervalMs: number;
  /** Least time between the starts of rounds that nobody waits for, in ms: notices come in crowds. Default: 1 s. */
  readonly spacingMs: number;
}

export const roundsDefaults: RoundsOptions = { intervalMs: 20_000, spacingMs: 1_000 };

/** Says when to do something again that is due from time to time, and sooner where there is a reason. Never two rounds at once. */
export class Rounds {
  readonly #run: () => Promise<number>;
  readonly #options: RoundsOptions;
  #underWay: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #dueMs = Number.POSITIVE_INFINITY;
  #startedMs = Number.NEGATIVE_INFINITY;
  #closed = false;

  /**
   * @param run one round, which says how long after its end the next has to start at the latest, in ms; Infinity where nothing is left to
   * do. It must not fail, and must end soon after `close`.
   */
  constructor(run: () => Promise<number>, options: RoundsOptions = roundsDefaults) {
    this.#run = run;
    this.#options = options;
  }

  /** A round that starts now, or when the one under way has ended; resolves at its end. */
  now(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    if (this.#underWay === undefined) return this.#start();
    this.#next ??= this.#underWay.then(() => {
      this.#next = undefined;
      return this.now();
    });
    return this.#next;
  }

  /** A round as soon as the distance to the last one allows. */
  soon(): void {
    this.#schedule(this.#startedMs + this.#options.spacingMs);
  }

  /** No round starts any more; resolves when the one under way has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#underWay;
  }

  #start(): Promise<void> {
    clearTimeout(this.#timer);
    this.#dueMs = Number.POSITIVE_INFINITY;
    this.#startedMs = performance.now();
    this.#underWay = this.#run().then((delayMs) => this.#ended(delayMs));
    return this.#underWay;
  }

  #ended(delayMs: number): void {
    this.#underWay = undefined;
    this.#schedule(Math.min(this.#startedMs + this.#options.intervalMs, performance.now() + delayMs));
  }

  /** Unless one is due before that. */
  #schedule(atMs: number): void {
    if (this.#closed || atMs >= this.#dueMs) return;
    clearTimeout(this.#timer);
    this.#dueMs = atMs;
    this.#timer = setTimeout(() => void this.now(), Math.max(0, atMs - performance.now())).unref();
  }
}
