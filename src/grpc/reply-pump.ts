import { deadlineExceeded } from './call.ts';
import type { CallParts } from './call-parts.ts';
import { firstPartBytesMax } from './message-writer.ts';
import type { MessageCodec, Replies, ReplySource } from './method.ts';

/** What is sent at once of a long message: a caller that has taken so much is seen to read. */
const partBytesMax = 65_536;

const nothing = Buffer.alloc(0);

/** Sends the replies of one call as its caller takes them: the next is asked for when there is room. */
export class ReplyPump {
  readonly #codec: MessageCodec<unknown, unknown>;
  readonly #parts: CallParts;
  readonly #replies: ReplySource<unknown>;
  #isOver = false;
  /** Of the message that has begun; empty once all of it was sent. */
  #rest: Buffer = nothing;
  /** Whether the stream takes more now. */
  #hasRoom = true;
  /** To be told of room, or of the end. */
  #onRoom: (() => void) | undefined;

  constructor(replies: Replies<unknown>, codec: MessageCodec<unknown, unknown>, parts: CallParts) {
    this.#replies = replies[Symbol.asyncIterator]();
    this.#codec = codec;
    this.#parts = parts;
  }

  /** Sends all, and how the call ended. Never fails. */
  async run(): Promise<void> {
    const { context, answer, toStatus } = this.#parts;
    context.startDeadline((error) => {
      answer.fail(toStatus(error, context));
      this.stop();
    });
    try {
      while (!this.#isOver) {
        context.progressed();
        let isDone = this.#sendNow();
        if (isDone === undefined) {
          const next = await this.#replies.next();
          if (next.done === true) break;
          isDone = this.#isOver || this.#begin(next.value);
        }
        if (!isDone) await this.#sendRest();
      }
      // A handler that only obeys its signal ends without an error.
      if (context.hasTimedOut) throw deadlineExceeded();
      answer.end();
    } catch (error) {
      if (!this.#isOver) answer.fail(toStatus(error, context));
    }
    this.stop();
  }

  /** The stream has room. */
  drain(): void {
    this.#onRoom?.();
  }

  /** The call has ended: nothing more is asked for. */
  stop(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#parts.context.finish();
    this.#onRoom?.();
    // A handler that is at work is not waited for.
    this.#replies.return?.().catch(() => {});
  }

  /** @returns undefined where no reply is at hand; else as `#begin`. */
  #sendNow(): boolean | undefined {
    const reply = this.#replies.takeNow?.();
    return reply === undefined ? undefined : this.#begin(reply);
  }

  /** Sends what may leave at once of a reply. @returns whether that is all and there is room for another. */
  #begin(reply: unknown): boolean {
    const { context, answer } = this.#parts;
    const bytes = this.#codec.encode(reply);
    context.encoded();
    this.#hasRoom = answer.begin(bytes);
    if (bytes.length > firstPartBytesMax) {
      // The codec may use its bytes again meanwhile.
      this.#rest = Buffer.from(bytes.subarray(firstPartBytesMax));
    }
    return this.#hasRoom && this.#rest.length === 0;
  }

  /** While this waits, nothing but `#rest` has the reply: locals of a function that waits are kept. */
  async #sendRest(): Promise<void> {
    const { context, answer } = this.#parts;
    for (;;) {
      if (!this.#hasRoom) await this.#room();
      if (this.#isOver || this.#rest.length === 0) return;
      context.progressed();
      this.#hasRoom = answer.more(this.#rest.subarray(0, partBytesMax));
      this.#rest = this.#rest.length > partBytesMax ? this.#rest.subarray(partBytesMax) : nothing;
    }
  }

  #room(): Promise<void> {
    return new Promise((resolve) => {
      this.#onRoom = resolve;
    });
  }
}
