import { GrpcError, StatusCode } from './status.ts';

/** Bytes in front of each message: whether it is compressed, and its length. */
export const prefixBytes = 5;

/** What is set aside for a message before more of it has come: its length is only a claim. */
const firstRoomBytes = 16_384;

/** Takes messages as they become whole. */
export interface MessageSink {
  /** @param bytes belong to the sink. */
  message(bytes: Buffer, isCompressed: boolean): void;
}

const nothing = Buffer.alloc(0);

/** Cuts the body of a request into its messages. */
export class MessageReader {
  readonly #bytesMax: number;
  readonly #sink: MessageSink;
  /** Of the message in hand: how many bytes of its prefix have come, and what they say. */
  #prefixCount = 0;
  #isCompressed = false;
  #length = 0;
  /** The message in hand, of which `#filled` bytes have come. */
  #bytes = nothing;
  #filled = 0;

  /** @param bytesMax longest message, as it comes. */
  constructor(bytesMax: number, sink: MessageSink) {
    this.#bytesMax = bytesMax;
    this.#sink = sink;
  }

  /**
   * Reads on from `start` to `end`, at most to the end of one message.
   * @param chunk valid only during the call.
   * @returns where to go on.
   * @throws GrpcError RESOURCE_EXHAUSTED for a message that says it is too long, INTERNAL for a prefix that is none, and what the sink throws.
   *   Nothing more can be read then.
   */
  read(chunk: Buffer, start: number, end: number): number {
    let position = this.#readPrefix(chunk, start, end);
    if (this.#prefixCount < prefixBytes) return position;
    position = this.#readBytes(chunk, position, end);
    if (this.#filled === this.#length) this.#give();
    return position;
  }

  /** The body is whole. @throws GrpcError INTERNAL where its last message is not. */
  end(): void {
    if (this.#prefixCount > 0) throw new GrpcError(StatusCode.INTERNAL, 'the last message of the request is cut off');
  }

  #readPrefix(chunk: Buffer, start: number, end: number): number {
    if (this.#prefixCount === prefixBytes) return start;
    let position = start;
    for (; position < end && this.#prefixCount < prefixBytes; position += 1) {
      const byte = chunk[position] ?? 0;
      if (this.#prefixCount > 0) this.#length = this.#length * 256 + byte;
      else if (byte <= 1) this.#isCompressed = byte === 1;
      else throw new GrpcError(StatusCode.INTERNAL, `the flags of a message are ${byte}, not 0 or 1`);
      this.#prefixCount += 1;
    }
    if (this.#prefixCount === prefixBytes && this.#length > this.#bytesMax) throw tooLong(this.#length, this.#bytesMax);
    return position;
  }

  #readBytes(chunk: Buffer, start: number, chunkEnd: number): number {
    const end = Math.min(chunkEnd, start + this.#length - this.#filled);
    const filled = this.#filled + end - start;
    if (filled > this.#bytes.length) this.#grow(filled);
    chunk.copy(this.#bytes, this.#filled, start, end);
    this.#filled = filled;
    return end;
  }

  #grow(filled: number): void {
    const room = filled === this.#length ? filled : Math.max(filled, 2 * this.#bytes.length, firstRoomBytes);
    const grown = Buffer.allocUnsafe(Math.min(this.#length, room));
    if (this.#filled > 0) this.#bytes.copy(grown, 0, 0, this.#filled);
    this.#bytes = grown;
  }

  #give(): void {
    const bytes = this.#bytes;
    this.#bytes = nothing;
    this.#prefixCount = 0;
    this.#filled = 0;
    this.#length = 0;
    this.#sink.message(bytes, this.#isCompressed);
  }
}

/** A message over the limit, which RESOURCE_EXHAUSTED tells in all gRPC implementations. */
export function tooLong(bytes: number, bytesMax: number): GrpcError {
  return new GrpcError(StatusCode.RESOURCE_EXHAUSTED, `a message of ${bytes} bytes; at most ${bytesMax} are allowed`);
}
