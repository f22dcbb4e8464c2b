/** Collects what comes in one turn of the event loop, and hands it on together when that turn is over. */
export class EachTurn<T> {
  readonly #handOn: (collected: T[]) => void;
  #collected: T[] = [];

  /** @param handOn must not throw. */
  constructor(handOn: (collected: T[]) => void) {
    this.#handOn = handOn;
  }

  add(one: T): void {
    this.#collected.push(one);
    if (this.#collected.length === 1) setImmediate(() => this.#flush());
  }

  #flush(): void {
    const collected = this.#collected;
    this.#collected = [];
    this.#handOn(collected);
  }
}
