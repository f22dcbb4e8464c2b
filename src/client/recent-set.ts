import { BySubscriber } from './by-subscriber.ts';
import type { Subscriber } from './subscriber.ts';

/**
 * Remembers the newest of what is added for all subscribers: at least so many, and less than twice as many. They are many, so they are
 * forgotten all together.
 */
export class RecentSet {
  readonly #countMin: number;
  #newer = new BySubscriber<Set<string>>();
  #newerCount = 0;
  #older = new BySubscriber<Set<string>>();

  constructor(countMin: number) {
    this.#countMin = countMin;
  }

  add(subscriber: Subscriber, text: string): void {
    const texts = this.#newer.get(subscriber) ?? this.#newer.set(subscriber, new Set());
    const sizeBefore = texts.size;
    this.#newerCount += texts.add(text).size - sizeBefore;
    if (this.#newerCount < this.#countMin) return;
    this.#older = this.#newer;
    this.#newer = new BySubscriber();
    this.#newerCount = 0;
  }

  has(subscriber: Subscriber, text: string): boolean {
    return this.#newer.get(subscriber)?.has(text) === true || this.#older.get(subscriber)?.has(text) === true;
  }
}
