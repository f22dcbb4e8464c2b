import type { UnreadStream } from '../../client/unread-bytes.ts';
import type { Message } from '../../gen/rocketmq/rocketmq_pb.ts';
import type { ReplySource } from '../../grpc/method.ts';
import type { ReaderWatch } from './reader-watch.ts';
import type { StreamDeliveries } from './stream-deliveries.ts';

/**
 * Messages that a stream gives in a row without letting others have a turn: streams of one consumer share what is there, and one would
 * take it all.
 */
export const messagesInARowMax = 16;

/** What a stream that has begun is made of. */
export interface BegunStream {
  readonly deliveries: StreamDeliveries;
  readonly reader: ReaderWatch;
  readonly unread: UnreadStream;
  readonly onReceived: () => void;
  /** Called once the deliveries have ended. */
  release(): void;
  /** Why it has ended, where its reader is to know. */
  failure(): Error | undefined;
}

const over: IteratorReturnResult<undefined> = { done: true, value: undefined };

/** The messages of one ReceiveMessages, for one reader: to ask for the next is to have taken the one before. */
export class StreamMessages implements ReplySource<Message> {
  readonly #begin: () => Promise<BegunStream>;
  #stream: BegunStream | undefined;
  #inARowCount = 0;
  #isOver = false;

  /** @param begin called once, when the first message is waited for. */
  constructor(begin: () => Promise<BegunStream>) {
    this.#begin = begin;
  }

  takeNow(): Message | undefined {
    const stream = this.#stream;
    if (stream === undefined || this.#isOver || this.#inARowCount >= messagesInARowMax) return undefined;
    this.#inARowCount += 1;
    return take(stream);
  }

  async next(): Promise<IteratorResult<Message, undefined>> {
    if (this.#isOver) return over;
    this.#stream ??= await this.#begin();
    const stream = this.#stream;
    this.#inARowCount = 1;
    try {
      const message = take(stream) ?? given(stream, await stream.deliveries.next());
      if (message !== undefined) return { done: false, value: message };
    } catch (error) {
      await this.return();
      throw error;
    }
    await this.return();
    const failure = stream.failure();
    if (failure !== undefined) throw failure;
    return over;
  }

  /** Ends the stream. Resolves when what it leaves is given back. */
  async return(): Promise<IteratorReturnResult<undefined>> {
    const stream = this.#stream;
    if (stream === undefined || this.#isOver) return over;
    this.#isOver = true;
    stream.reader.stop();
    try {
      await stream.deliveries.end();
    } finally {
      stream.release();
    }
    return over;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

/** The next message, if it is at hand. */
function take(stream: BegunStream): Message | undefined {
  stream.reader.asked();
  stream.unread.read();
  return given(stream, stream.deliveries.takeNow());
}

function given({ reader, onReceived }: BegunStream, message: Message | undefined): Message | undefined {
  if (message === undefined) return undefined;
  onReceived();
  reader.given();
  return message;
}
