/** Bounds how much work is done at once. */
export class Slots {
  readonly #max: number;
  #usedCount = 0;
  #waiting: (() => void)[] = [];
  #isOver = false;

  constructor(max: number) {
    this.#max = max;
  }

  /** Starts work, which must not fail; it has a slot until it ends. Call it when one is `free`. */
  start(work: () => Promise<void>): void {
    this.#usedCount += 1;
    void work().finally(() => {
      this.#usedCount -= 1;
      this.#wake();
    });
  }

  /** Nobody waits any longer, now or later, whatever is still at work. */
  end(): void {
    this.#isOver = true;
    this.#wake();
  }

  /** Resolves when there is room for more work. */
  free(): Promise<void> {
    return this.#until(() => this.#usedCount < this.#max);
  }

  /** Resolves when no work is done. */
  idle(): Promise<void> {
    return this.#until(() => this.#usedCount === 0);
  }

  async #until(isSo: () => boolean): Promise<void> {
    while (!this.#isOver && !isSo()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const look of waiting) look();
  }
}
