/** What may end a call or a stream early: an AbortSignal, or anything else that tells of its end in the same way. */
export interface Cancellation {
  readonly aborted: boolean;
  addEventListener(type: 'abort', listener: () => void): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/**
 * Tells once that something has ended: what an AbortController is for, at a fraction of its cost, which every call and every stream would
 * pay. Its listeners are called in turn and must not throw.
 */
export class Ending implements Cancellation {
  #aborted = false;
  /** Made anew for each of the first few: an array that is pushed to keeps room for sixteen more, and most have one or two. */
  #listeners: (() => void)[] = [];

  get aborted(): boolean {
    return this.#aborted;
  }

  /** Who listens after the end is told nothing. */
  addEventListener(_type: 'abort', listener: () => void): void {
    if (this.#aborted) return;
    if (this.#listeners.length < growingFrom) this.#listeners = this.#listeners.concat(listener);
    else this.#listeners.push(listener);
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    const index = this.#listeners.lastIndexOf(listener);
    if (index >= 0) this.#listeners.splice(index, 1);
  }

  /** The first time counts. */
  abort(): void {
    if (this.#aborted) return;
    this.#aborted = true;
    // One that is told may take another back.
    for (let next = this.#listeners.shift(); next !== undefined; next = this.#listeners.shift()) next();
  }
}

const growingFrom = 4;

/** Resolves with the end, at once for one that has come. */
export function ended(cancellation: Cancellation): Promise<undefined> {
  return new Promise((resolve) => {
    if (cancellation.aborted) resolve(undefined);
    else cancellation.addEventListener('abort', () => resolve(undefined));
  });
}
