import type { StreamHandler } from '../http2/stream.ts';
import { cancelled } from './call.ts';
import type { CallParts } from './call-parts.ts';
import type { BidiStreamMethod } from './method.ts';
import { ReplyPump } from './reply-pump.ts';
import { RequestQueue } from './request-queue.ts';

/** A call whose requests come while it is answered, for as long as its caller likes. It ends when its replies do. */
export class BidiCall implements StreamHandler {
  readonly #parts: CallParts;
  readonly #requests: RequestQueue<unknown>;
  readonly #pump: ReplyPump;

  /** @throws what the handler throws at once. */
  constructor(method: BidiStreamMethod<unknown, unknown>, parts: CallParts) {
    const { stream, context } = parts;
    this.#parts = parts;
    this.#requests = new RequestQueue(method, parts);
    this.#pump = new ReplyPump(method.handle(this.#requests, context), method, parts);
    context.onCut = () => this.reset();
    // Who still waits for a request is told that none will come.
    context.onEnd = () => void this.#requests.return();
    stream.letRequestLast();
    void this.#pump.run();
  }

  data(chunk: Buffer, isLast: boolean): void {
    this.#requests.push(chunk, isLast);
  }

  trailers(): void {
    this.#requests.push(Buffer.alloc(0), true);
  }

  reset(): void {
    this.#parts.context.end.abort();
    this.#requests.cancel(cancelled());
    this.#pump.stop();
  }

  drain(): void {
    this.#pump.drain();
  }
}
