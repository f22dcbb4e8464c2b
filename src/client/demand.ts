/** How many more messages the reader of a stream wants now: streams take no more than that. */
export class Demand {
  #count = 0;
  #onMore = (): void => {};

  get count(): number {
    return this.#count;
  }

  /** The reader wants so many from now on. */
  set(count: number): void {
    const isMore = count > this.#count;
    this.#count = count;
    if (isMore) this.#onMore();
  }

  /** Who has to know when more is wanted: the stream. */
  watch(onMore: () => void): void {
    this.#onMore = onMore;
  }
}
