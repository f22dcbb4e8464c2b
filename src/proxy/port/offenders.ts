/** Connections ended for abuse within the time after which an address gets no more: one may be a mistake of a program. */
export const offencesMax = 3;
/** Addresses that are remembered; of more, those whose offence is longest ago are forgotten. */
export const offendersMax = 10_000;

interface Offender {
  readonly offenceCount: number;
  /** When the latest was. */
  readonly atMs: number;
}

/** Addresses whose connections were ended for abuse: those that go on with it are refused for a while. */
export class Offenders {
  readonly #refusalMs: number;
  readonly #now: () => number;
  /** In the order of their latest offence. */
  readonly #offenders = new Map<string, Offender>();

  /**
   * @param refusalMs how long after `offencesMax` offences, each within this time of the one before, an address is refused; 0: never.
   * @param now a clock in ms that is never set back.
   */
  constructor(refusalMs: number, now: () => number = () => performance.now()) {
    this.#refusalMs = refusalMs;
    this.#now = now;
  }

  /** A connection from there was ended for abuse. */
  add(address: string): void {
    const offenceCount = (this.#current(address)?.offenceCount ?? 0) + 1;
    this.#offenders.delete(address);
    this.#offenders.set(address, { offenceCount, atMs: this.#now() });
    if (this.#offenders.size <= offendersMax) return;
    const [oldest] = this.#offenders.keys();
    if (oldest !== undefined) this.#offenders.delete(oldest);
  }

  /** Whether connections from there are refused now. */
  areRefused(address: string): boolean {
    return (this.#current(address)?.offenceCount ?? 0) >= offencesMax;
  }

  #current(address: string): Offender | undefined {
    const offender = this.#offenders.get(address);
    return offender !== undefined && this.#now() - offender.atMs < this.#refusalMs ? offender : undefined;
  }
}
