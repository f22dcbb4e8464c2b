import { MQError } from './errors.ts';
import type { ProxyCalls } from './proxy-calls.ts';
import type { Scope } from './scope.ts';

/** The id of a producer or consumer: made when it is first needed, and made anew where the proxy does not know it any more. */
export class LastingId {
  readonly #calls: ProxyCalls;
  readonly #create: (scope: Scope) => Promise<string>;
  #id: Promise<string> | undefined;

  /** @param create asks the proxy for one. */
  constructor(calls: ProxyCalls, create: (scope: Scope) => Promise<string>) {
    this.#calls = calls;
    this.#create = create;
  }

  /** Undefined where none was made. */
  get current(): Promise<string> | undefined {
    return this.#id;
  }

  /** All who wait get the same; the time in which it is made is its own, so that nobody ends it for the others. @throws MQError */
  get(): Promise<string> {
    if (this.#id !== undefined) return this.#id;
    const id = this.#calls.inTime({}, this.#create);
    this.#id = id;
    // The next one tries again.
    id.catch(() => this.#forget(id));
    return id;
  }

  /** Does what needs the id, once more where the proxy does not know it: then nothing has been done. @throws MQError */
  async use<T>(work: (id: string) => Promise<T>): Promise<T> {
    const id = this.get();
    try {
      return await work(await id);
    } catch (error) {
      if (!this.forgetIfUnknown(error, id)) throw error;
      return await work(await this.get());
    }
  }

  /** @returns whether it was the id that made a call fail: the next `get` makes another. */
  forgetIfUnknown(error: unknown, id = this.#id): boolean {
    if (!(error instanceof MQError) || error.reason !== 'ID_NOT_FOUND') return false;
    this.#forget(id);
    return true;
  }

  #forget(id: Promise<string> | undefined): void {
    if (this.#id === id) this.#id = undefined;
  }
}
