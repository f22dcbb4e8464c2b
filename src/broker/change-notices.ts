/** Shortest time between two notices of one group. */
export const noticeIntervalMs = 100;

/**
 * Tells groups that they have changed: at once, but not more often than every 100 ms, so that a thousand clients that come together do not
 * cost a million notices. What changes meanwhile is told of at the end of that time.
 */
export class ChangeNotices {
  readonly #tell: (group: string) => void;
  /** Groups that were told of a change lately, and whether there was another one since. */
  readonly #resting = new Map<string, { readonly timer: NodeJS.Timeout; changed: boolean }>();
  #closed = false;

  constructor(tell: (group: string) => void) {
    this.#tell = tell;
  }

  changed(group: string): void {
    if (this.#closed) return;
    const resting = this.#resting.get(group);
    if (resting !== undefined) {
      resting.changed = true;
      return;
    }
    this.#resting.set(group, { timer: setTimeout(() => this.#wake(group), noticeIntervalMs), changed: false });
    this.#tell(group);
  }

  /** Tells nobody any more. */
  close(): void {
    this.#closed = true;
    for (const { timer } of this.#resting.values()) clearTimeout(timer);
    this.#resting.clear();
  }

  #wake(group: string): void {
    const resting = this.#resting.get(group);
    this.#resting.delete(group);
    if (resting?.changed === true) this.changed(group);
  }
}
