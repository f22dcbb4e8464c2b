/** Remembers the newest of what is added: at least so many, and less than twice as many. They are many, so they are forgotten all together. */
export class RecentSet {
  readonly #countMin: number;
  #newer = new Set<string>();
  #older = new Set<string>();

  constructor(countMin: number) {
    this.#countMin = countMin;
  }

  add(text: string): void {
    this.#newer.add(text);
    if (this.#newer.size < this.#countMin) return;
    this.#older = this.#newer;
    this.#newer = new Set();
  }

  has(text: string): boolean {
    return this.#newer.has(text) || this.#older.has(text);
  }
}
