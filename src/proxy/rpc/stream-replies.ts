import type { Replies, ReplySource } from '../../grpc/method.ts';

/** One call that is answered by a stream. */
export interface ServedCall<Reply> {
  /** Lets the call in and asks its handler. Called once, and first. @throws what keeps it out. */
  begin(): Promise<Replies<Reply>>;
  /** Asked before each reply leaves. @returns why the caller may have no more. */
  refusal(): Error | undefined;
  /** Called once where it has begun. @returns what its caller is told of a failure; undefined: nothing. */
  end(how: StreamEnd): Error | undefined;
}

/** How a stream ended: there is no more, its reader wanted no more, or something failed. */
export type StreamEnd = 'done' | 'left' | { readonly error: unknown };

const over: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * The replies of one call. As an async generator around those of its handler would be, but what is at hand passes through without a
 * promise: a stream has as many replies as there are messages. It is for one reader, who asks for one after the other.
 */
export class StreamReplies<Reply> implements AsyncIterableIterator<Reply, undefined>, ReplySource<Reply> {
  readonly #call: ServedCall<Reply>;
  #source: ReplySource<Reply> | undefined;
  #state: 'new' | 'begun' | 'over' = 'new';
  #isWaiting = false;
  /** What failed when a reply was taken: it is told to who waits next. */
  #failure: { readonly error: unknown } | undefined;
  /** The last that was waited for; never fails. */
  #last: Promise<unknown> | undefined;

  constructor(call: ServedCall<Reply>) {
    this.#call = call;
  }

  takeNow(): Reply | undefined {
    const source = this.#source;
    if (source?.takeNow === undefined || this.#isWaiting || this.#state !== 'begun') return undefined;
    if (this.#failure !== undefined || this.#call.refusal() !== undefined) return undefined;
    try {
      return source.takeNow();
    } catch (error) {
      this.#failure = { error };
      return undefined;
    }
  }

  next(): Promise<IteratorResult<Reply, undefined>> {
    const next = this.#next();
    this.#last = next.catch(ignore);
    return next;
  }

  /** The reader wants no more. Resolves when the handler is done with it. */
  async return(): Promise<IteratorReturnResult<undefined>> {
    await this.#last;
    if (this.#state === 'begun') await this.#leave('left');
    this.#state = 'over';
    return over;
  }

  /** The reader could not go on: Connect says so by this, and does not call `return` then. */
  async throw(error: unknown): Promise<IteratorReturnResult<undefined>> {
    await this.#last;
    if (this.#state !== 'begun') throw error;
    await this.#leave({ error });
    return over;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** One function, and not one for each step: what waits holds memory for each of them, and streams mostly wait. */
  async #next(): Promise<IteratorResult<Reply, undefined>> {
    if (this.#state === 'over') return over;
    this.#state = 'begun';
    this.#isWaiting = true;
    let end: StreamEnd = 'done';
    try {
      this.#source ??= (await this.#call.begin())[Symbol.asyncIterator]();
      const next = this.#failure === undefined ? await this.#source.next() : undefined;
      if (next?.done !== true) {
        const error = this.#failure === undefined ? this.#call.refusal() : this.#failure.error;
        if (next !== undefined && error === undefined) return next;
        await this.#source.return?.();
        throw error;
      }
    } catch (error) {
      end = { error };
    } finally {
      this.#isWaiting = false;
    }
    this.#end(end);
    return over;
  }

  /** Ends what the handler has open. @throws what the caller is told. */
  async #leave(how: StreamEnd): Promise<void> {
    let end = how;
    try {
      await this.#source?.return?.();
    } catch (error) {
      end = { error };
    }
    this.#end(end);
  }

  /** @throws what the caller is told. */
  #end(how: StreamEnd): void {
    this.#state = 'over';
    const told = this.#call.end(how);
    if (told !== undefined) throw told;
  }
}

function ignore(): void {}
