import { RemotingError } from '../../remoting/errors.ts';
import type { HandlerContext } from './push-options.ts';

/** One call of a handler that is not over at once, and what the handler knows of it. */
export class HandlerCall implements HandlerContext {
  /** When its time is over, on the monotonic clock, in ms. */
  readonly endsAtMs: number;
  /** Made when a handler asks for it: most do not, and it costs more than all else that is done for a message. */
  #ending: AbortController | undefined;
  #failure: RemotingError | undefined;
  #giveUp: (reason: RemotingError) => void = () => {};

  constructor(endsAtMs: number) {
    this.endsAtMs = endsAtMs;
  }

  get signal(): AbortSignal {
    if (this.#ending === undefined) {
      this.#ending = new AbortController();
      if (this.#failure !== undefined) this.#ending.abort(this.#failure);
    }
    return this.#ending.signal;
  }

  /** What the handler promised. @throws what the handler throws; RemotingError once its time is over. */
  result<T>(promised: PromiseLike<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#giveUp = reject;
      promised.then(resolve, reject);
    });
  }

  /** It has no more time. */
  end(kind: 'timeout' | 'cancelled'): void {
    this.#failure ??= new RemotingError(kind, 'the handler of a message has no more time');
    this.#giveUp(this.#failure);
    this.#ending?.abort(this.#failure);
  }
}
