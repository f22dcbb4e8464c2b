import { MQError } from '../mq-error.ts';

/** What handles hold, as text and back. */
export interface HandleText<T> {
  readonly encode: (held: T) => string;
  /** @throws for what `encode` did not write. */
  readonly decode: (text: string) => T;
}

/** Handles of one kind and one owner: text that says itself what it is about, and is refused where it comes from another owner. */
export class DirectHandles<T> {
  readonly #kind: string;
  readonly #owner: readonly string[];
  readonly #text: HandleText<T>;

  /** @param kind such as `receipt handle`. @param owner names of topic and group, with their namespace. */
  constructor(kind: string, owner: readonly string[], text: HandleText<T>) {
    this.#kind = kind;
    this.#owner = [kind, ...owner];
    this.#text = text;
  }

  encode(held: T): string {
    return Buffer.from(JSON.stringify([...this.#owner, this.#text.encode(held)])).toString('base64url');
  }

  /** @throws MQError INVALID_ARGUMENT. */
  decode(handle: string): T {
    if (handle === '') throw this.#refused('it is empty');
    let held: T;
    let owner: unknown[];
    try {
      owner = JSON.parse(Buffer.from(handle, 'base64url').toString());
      held = this.#text.decode(String(owner.pop()));
    } catch (cause) {
      throw this.#refused('it is none of this SDK, or was altered', cause);
    }
    if (owner.length !== this.#owner.length || this.#owner.some((name, index) => name !== owner[index]))
      throw this.#refused('it is of another kind, group or topic');
    return held;
  }

  #refused(why: string, cause?: unknown): MQError {
    return new MQError('INVALID_ARGUMENT', 'INVALID_REQUEST', `the ${this.#kind} cannot be used: ${why}`, cause);
  }
}
