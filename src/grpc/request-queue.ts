import { type CallParts, checkCompressed, decodeRequest, decompress } from './call-parts.ts';
import { MessageReader, type MessageSink } from './message-reader.ts';
import type { MessageCodec } from './method.ts';
import type { GrpcError } from './status.ts';

const over: IteratorReturnResult<undefined> = { done: true, value: undefined };
const nothing = Buffer.alloc(0);

/**
 * The requests of one call in their order. What came is cut into messages only as they are asked for, and the caller may send more only
 * when all of it was read: so what waits is never more than one window, however small its messages are.
 */
export class RequestQueue<Request> implements AsyncIterableIterator<Request, undefined>, MessageSink {
  readonly #codec: MessageCodec<Request, unknown>;
  readonly #parts: CallParts;
  readonly #reader: MessageReader;
  /** What has come, of which what is before `#start` was read. */
  #bytes = nothing;
  #start = 0;
  #end = 0;
  /** Of the stream's windows, to be given back when all was read. */
  #owedBytes = 0;
  /** The message that was cut off last. */
  #message: { readonly bytes: Buffer; readonly isCompressed: boolean } | undefined;
  #isWhole = false;
  /** Nothing more is read. */
  #isOver = false;
  #failure: GrpcError | undefined;
  /** The last request that was asked for; never fails. */
  #last: Promise<unknown> = Promise.resolve();
  /** Tells who waits that there is more to read, or never will be. */
  #onChange: (() => void) | undefined;

  constructor(codec: MessageCodec<Request, unknown>, parts: CallParts) {
    this.#codec = codec;
    this.#parts = parts;
    this.#reader = new MessageReader(parts.messageBytesMax, this);
  }

  /** @param chunk valid only during the call. */
  push(chunk: Buffer, isLast: boolean): void {
    this.#owedBytes += chunk.length;
    if (this.#isOver) this.#giveBack();
    else if (chunk.length > 0) this.#append(chunk);
    this.#isWhole ||= isLast;
    this.#onChange?.();
  }

  /** Nothing more is read, of what came neither. */
  cancel(error: GrpcError): void {
    this.#failure ??= error;
    this.#finish();
  }

  next(): Promise<IteratorResult<Request, undefined>> {
    const next = this.#last.then(() => this.#read());
    this.#last = next.catch(() => {});
    return next;
  }

  /** The handler wants no more. */
  return(): Promise<IteratorReturnResult<undefined>> {
    this.#finish();
    return Promise.resolve(over);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  message(bytes: Buffer, isCompressed: boolean): void {
    this.#message = { bytes, isCompressed };
  }

  async #read(): Promise<IteratorResult<Request, undefined>> {
    while (this.#message === undefined) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#isOver) return over;
      if (this.#start < this.#end) this.#cut();
      else if (this.#isWhole) {
        this.#reader.end();
        return over;
      } else
        await new Promise<void>((resolve) => {
          this.#onChange = resolve;
        });
    }
    const { bytes, isCompressed } = this.#message;
    this.#message = undefined;
    checkCompressed(isCompressed, this.#parts);
    const plain = isCompressed ? await decompress(bytes, this.#parts) : bytes;
    return { done: false, value: decodeRequest(this.#codec, plain) };
  }

  /** Cuts a message off what has come, as far as it has. */
  #cut(): void {
    try {
      this.#start = this.#reader.read(this.#bytes, this.#start, this.#end);
    } catch (error) {
      // Behind a prefix that is none nothing can be found.
      this.#finish();
      throw error;
    }
    if (this.#start === this.#end) this.#giveBack();
  }

  #append(chunk: Buffer): void {
    const waiting = this.#end - this.#start;
    if (this.#end + chunk.length > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(waiting === 0 ? chunk.length : 2 * (waiting + chunk.length));
      this.#bytes.copy(grown, 0, this.#start, this.#end);
      this.#bytes = grown;
      this.#start = 0;
      this.#end = waiting;
    }
    this.#end += chunk.copy(this.#bytes, this.#end);
  }

  #finish(): void {
    this.#isOver = true;
    this.#giveBack();
    this.#onChange?.();
  }

  /** Forgets what has come. */
  #giveBack(): void {
    this.#bytes = nothing;
    this.#start = 0;
    this.#end = 0;
    if (this.#owedBytes > 0) this.#parts.stream.consumed(this.#owedBytes);
    this.#owedBytes = 0;
  }
}
