/** Lets so many handlers run at once; the others wait their turn, in the order in which they came. */
export class HandlerGate {
  #roomCount: number;
  readonly #waiting = new Set<() => void>();
  #isLetting = false;

  /** @param insideMax handlers that may run at once. */
  constructor(insideMax: number) {
    this.#roomCount = insideMax;
  }

  /** Calls `run` once there is room, at once where there is; `leave` must follow. @returns whether it was called. */
  enter(run: () => void): boolean {
    this.#waiting.add(run);
    this.#letIn();
    return !this.#waiting.has(run);
  }

  /** Does not want to enter any more. @returns whether it still waited. */
  forget(run: () => void): boolean {
    return this.#waiting.delete(run);
  }

  leave(): void {
    this.#roomCount += 1;
    this.#letIn();
  }

  /** In a loop, not one from within the other: who enters may leave at once, and thousands may wait. */
  #letIn(): void {
    if (this.#isLetting) return;
    this.#isLetting = true;
    for (const run of this.#waiting) {
      if (this.#roomCount === 0) break;
      this.#roomCount -= 1;
      this.#waiting.delete(run);
      run();
    }
    this.#isLetting = false;
  }
}
