/**
 * The ends of turns of the event loop, for what is gathered during a turn and leaves together. What gathered things ask for, in their microtasks
 * too, leaves right behind them: a turn later the process would have looked at all its sockets once more for each message that comes alone.
 */
export class TurnEnd {
  #gathered: (() => void)[] = [];
  #leaving: (() => void)[] = [];
  #isScheduled = false;
  #isEnding = false;

  /** Has `run` called once at the end of this turn, before anything leaves. It must not throw. */
  gather(run: () => void): void {
    this.#gathered.push(run);
    this.#schedule();
  }

  /** Has `run` called once at the end of this turn, behind all that was gathered and what came of it. It must not throw. */
  leave(run: () => void): void {
    this.#leaving.push(run);
    if (!this.#isEnding) this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#end);
  }

  readonly #end = (): void => {
    this.#isScheduled = false;
    const gathered = this.#gathered;
    if (gathered.length === 0) {
      this.#leave();
      return;
    }
    this.#gathered = [];
    this.#isEnding = true;
    for (const run of gathered) run();
    // A tick that a microtask asks for comes when no microtask is left.
    queueMicrotask(this.#leaveNext);
  };

  readonly #leaveNext = (): void => process.nextTick(this.#leave);

  readonly #leave = (): void => {
    this.#isEnding = false;
    const leaving = this.#leaving;
    this.#leaving = [];
    for (const run of leaving) run();
  };
}
