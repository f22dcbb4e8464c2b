import type { Subscriber } from './subscriber.ts';

/** One thing for each subscriber. In maps within a map: a name joined of both would be made, and hashed, for each message. */
export class BySubscriber<T> {
  readonly #groups = new Map<string, Map<string, T>>();

  get({ group, topic }: Subscriber): T | undefined {
    return this.#groups.get(group)?.get(topic);
  }

  /** @returns the thing. */
  set({ group, topic }: Subscriber, thing: T): T {
    const topics = this.#groups.get(group);
    if (topics === undefined) this.#groups.set(group, new Map([[topic, thing]]));
    else topics.set(topic, thing);
    return thing;
  }

  delete({ group, topic }: Subscriber): void {
    const topics = this.#groups.get(group);
    topics?.delete(topic);
    if (topics?.size === 0) this.#groups.delete(group);
  }
}
