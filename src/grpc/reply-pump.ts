import { deadlineExceeded } from './call.ts';
import type { CallParts } from './call-parts.ts';
import { firstPartBytesMax } from './message-writer.ts';
import type { MessageCodec, Replies, ReplySource } from './method.ts';

/** What is sent at once of a long message: a caller that has taken so much is seen to read. */
const partBytesMax = 65_536;

/** Sends the replies of one call as its caller takes them: the next is asked for when there is room. */
export class ReplyPump {
  readonly #codec: MessageCodec<unknown, unknown>;
  readonly #parts: CallParts;
  readonly #replies: ReplySource<unknown>;
  #isOver = false;
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
      await this.#sendAll();
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

  async #sendAll(): Promise<void> {
    const { context, answer } = this.#parts;
    while (!this.#isOver) {
      context.progressed();
      let reply = this.#replies.takeNow?.();
      if (reply === undefined) {
        const next = await this.#replies.next();
        if (next.done === true) return;
        reply = next.value;
      }
      if (this.#isOver) return;
      const bytes = this.#codec.encode(reply);
      context.encoded();
      const hasRoom = answer.begin(bytes);
      if (!hasRoom || bytes.length > firstPartBytesMax) await this.#sendRest(bytes, hasRoom);
    }
  }

  async #sendRest(bytes: Uint8Array, hasRoomNow: boolean): Promise<void> {
    const { context, answer } = this.#parts;
    // The codec may use its bytes again meanwhile.
    const rest = Buffer.from(bytes.subarray(firstPartBytesMax));
    let hasRoom = hasRoomNow;
    for (let start = 0; ; start += partBytesMax) {
      if (!hasRoom) await this.#room();
      if (this.#isOver || start >= rest.length) return;
      context.progressed();
      hasRoom = answer.more(rest.subarray(start, start + partBytesMax));
    }
  }

  #room(): Promise<void> {
    return new Promise((resolve) => {
      this.#onRoom = resolve;
    });
  }
}
