/**
 * Which groups have nothing to take, as found while polls are tried one after the other: nothing comes meanwhile, so what one of a
 * group's polls found is true for the others. Without this, each message would cost a look for each consumer that waits.
 */
export class QuietGroups {
  readonly #keys = new Set<string>();
  #wakeCount = -1;

  /** @param wakeCount Says which of all tries this is. */
  has(wakeCount: number, { group, topic }: { readonly group: string; readonly topic: string }): boolean {
    return wakeCount === this.#wakeCount && this.#keys.has(`${group} ${topic}`);
  }

  /** The group has nothing to take in any queue of the topic. */
  add(wakeCount: number, { group, topic }: { readonly group: string; readonly topic: string }): void {
    if (wakeCount !== this.#wakeCount) this.#keys.clear();
    this.#wakeCount = wakeCount;
    this.#keys.add(`${group} ${topic}`);
  }
}
