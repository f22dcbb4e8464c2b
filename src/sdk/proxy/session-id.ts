import { MQError } from '../mq-error.ts';

/** The id of a producer or consumer, made anew where no proxy knows it any more: proxies with other keys know none of the old ids. */
export class SessionId {
  readonly #create: () => Promise<string>;
  #id: string;
  #renewal: Promise<void> | undefined;

  /** @param create gives another id. */
  constructor(id: string, create: () => Promise<string>) {
    this.#id = id;
    this.#create = create;
  }

  get id(): string {
    return this.#id;
  }

  /** Does work with the id, and once more with another one where this one is unknown, which means that nothing was done. */
  async use<T>(work: (id: string) => Promise<T>): Promise<T> {
    const id = this.#id;
    try {
      return await work(id);
    } catch (error) {
      if (!isUnknownId(error)) throw error;
      await this.renew(id);
      return work(this.#id);
    }
  }

  /** Another id than `old`, unless there is one already; all that ask meanwhile wait for the same. */
  async renew(old: string): Promise<void> {
    if (old !== this.#id) return;
    this.#renewal ??= this.#create()
      .then((id) => {
        this.#id = id;
      })
      .finally(() => {
        this.#renewal = undefined;
      });
    await this.#renewal;
  }
}

/** Whether a proxy does not know the id of a call. */
export function isUnknownId(error: unknown): boolean {
  return error instanceof MQError && error.reason === 'ID_NOT_FOUND';
}
