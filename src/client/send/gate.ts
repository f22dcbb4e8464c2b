import type { Deadline } from '../../remoting/deadline.ts';
import { RemotingError } from '../../remoting/errors.ts';

/** Lets so many in at once; the others wait their turn, in the order in which they came. */
export class Gate {
  readonly #insideMax: number;
  readonly #waitingMax: number;
  readonly #waiting = new Set<() => void>();
  #insideCount = 0;

  constructor(insideMax: number, waitingMax: number) {
    this.#insideMax = insideMax;
    this.#waitingMax = waitingMax;
  }

  /**
   * Runs `work` once there is room.
   * @throws RemotingError `overloaded` when too many wait already, `timeout` or `cancelled` when the turn does not come in time.
   */
  async run<T>(work: () => Promise<T>, deadline: Deadline): Promise<T> {
    if (this.#insideCount >= this.#insideMax) await this.#turn(deadline);
    else this.#insideCount += 1;
    try {
      return await work();
    } finally {
      this.#leave();
    }
  }

  /** Who waits takes over the place of the one who leaves, so the count stays as it is. */
  #leave(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#insideCount -= 1;
      return;
    }
    this.#waiting.delete(next);
    next();
  }

  async #turn(deadline: Deadline): Promise<void> {
    if (this.#waiting.size >= this.#waitingMax) {
      throw new RemotingError('overloaded', `${this.#waitingMax} requests are waiting for their turn already`);
    }
    let enter: () => void = () => {};
    const entered = new Promise<void>((resolve) => {
      enter = resolve;
    });
    this.#waiting.add(enter);
    try {
      await deadline.wait(entered, 'waiting for a turn');
    } catch (error) {
      // The place may have been handed over in the same moment as the deadline passed.
      if (!this.#waiting.delete(enter)) this.#leave();
      throw error;
    }
  }
}
