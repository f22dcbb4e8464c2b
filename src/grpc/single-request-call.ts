import type { StreamHandler } from '../http2/stream.ts';
import { type CallParts, checkCompressed, decodeRequest, decompress } from './call-parts.ts';
import { MessageReader, type MessageSink } from './message-reader.ts';
import type { ServerStreamMethod, UnaryMethod } from './method.ts';
import { ReplyPump } from './reply-pump.ts';
import { GrpcError, StatusCode } from './status.ts';

type Unary = UnaryMethod<unknown, unknown>;

/** A call with one request, which is answered once or by a stream. It is served when the whole request has come. */
export class SingleRequestCall implements StreamHandler, MessageSink {
  readonly #method: Unary | ServerStreamMethod<unknown, unknown>;
  readonly #parts: CallParts;
  readonly #reader: MessageReader;
  #request: Buffer | undefined;
  #isCompressed = false;
  /** Answered, or nobody is there to be answered. */
  #isOver = false;
  #pump: ReplyPump | undefined;

  constructor(method: Unary | ServerStreamMethod<unknown, unknown>, parts: CallParts) {
    this.#method = method;
    this.#parts = parts;
    this.#reader = new MessageReader(parts.messageBytesMax, this);
    parts.context.onCut = () => this.#drop();
  }

  data(chunk: Buffer, isLast: boolean): void {
    if (this.#isOver) return;
    this.#parts.stream.kept(chunk.length);
    try {
      const { length } = chunk;
      for (let position = 0; position < length; ) position = this.#reader.read(chunk, position, length);
      if (isLast) this.#begin();
    } catch (error) {
      this.#fail(error);
    }
  }

  trailers(): void {
    this.data(Buffer.alloc(0), true);
  }

  reset(): void {
    this.#drop();
  }

  drain(): void {
    this.#pump?.drain();
  }

  message(bytes: Buffer, isCompressed: boolean): void {
    if (this.#request !== undefined)
      throw new GrpcError(StatusCode.UNIMPLEMENTED, 'the method takes one request, and more than one came');
    checkCompressed(isCompressed, this.#parts);
    this.#request = bytes;
    this.#isCompressed = isCompressed;
  }

  #begin(): void {
    this.#reader.end();
    const request = this.#request;
    if (request === undefined)
      throw new GrpcError(StatusCode.UNIMPLEMENTED, 'the method takes one request, and none came');
    // A stream of replies may last, and does not need it.
    this.#request = undefined;
    if (!this.#isCompressed) this.#serve(request);
    else
      decompress(request, this.#parts)
        .then((bytes) => this.#serve(bytes))
        .catch((error: unknown) => this.#fail(error));
  }

  #serve(bytes: Buffer): void {
    if (this.#isOver) return;
    const request = decodeRequest(this.#method, bytes);
    if (this.#method.kind === 'unary') this.#answerOnce(this.#method, request);
    else {
      this.#pump = new ReplyPump(this.#method.handle(request, this.#parts.context), this.#method, this.#parts);
      void this.#pump.run();
    }
  }

  #answerOnce(method: Unary, request: unknown): void {
    const { context } = this.#parts;
    const reply = method.handle(request, context);
    if (!(reply instanceof Promise)) {
      this.#reply(method, reply);
      return;
    }
    context.startDeadline((error) => this.#fail(error));
    reply.then(
      (settled) => this.#reply(method, settled),
      (error: unknown) => this.#fail(error),
    );
  }

  #reply(method: Unary, reply: unknown): void {
    if (this.#isOver) return;
    try {
      this.#parts.answer.endWith(method.encode(reply));
      this.#end();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (this.#isOver) return;
    const { answer, toStatus, context } = this.#parts;
    this.#end();
    answer.fail(toStatus(error, context));
  }

  /** Nobody waits for the answer any more. */
  #drop(): void {
    this.#end();
    this.#parts.context.end.abort();
    this.#pump?.stop();
  }

  #end(): void {
    this.#isOver = true;
    this.#parts.context.finish();
  }
}
