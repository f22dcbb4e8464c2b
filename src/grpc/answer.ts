import type { HeaderField } from '../http2/hpack/header-field.ts';
import type { Http2Stream } from '../http2/stream.ts';
import { okTrailers, statusFields } from './header-fields.ts';
import { firstPartBytesMax, type MessageWriter } from './message-writer.ts';
import type { GrpcStatus } from './status.ts';

/** The answer to one call. Once it has ended, or its stream has, every call on it does nothing. */
export class Answer {
  readonly #stream: Http2Stream;
  readonly #head: readonly HeaderField[];
  readonly #writer: MessageWriter;
  #isHeadSent = false;

  constructor(stream: Http2Stream, head: readonly HeaderField[], writer: MessageWriter) {
    this.#stream = stream;
    this.#head = head;
    this.#writer = writer;
  }

  /**
   * Sends the only message, and success.
   * @throws GrpcError RESOURCE_EXHAUSTED where it is too long; nothing of it is sent then.
   */
  endWith(bytes: Uint8Array): void {
    this.begin(bytes);
    if (bytes.length > firstPartBytesMax) this.more(bytes.subarray(firstPartBytesMax));
    this.end();
  }

  /**
   * Sends the first `firstPartBytesMax` bytes of a message, behind the head if it is the first.
   * @returns false where nothing more should be sent until the stream has room.
   * @throws GrpcError RESOURCE_EXHAUSTED where it is too long; nothing of it is sent then.
   */
  begin(bytes: Uint8Array): boolean {
    this.#writer.check(bytes);
    if (!this.#isHeadSent) {
      this.#isHeadSent = true;
      this.#stream.sendHeaders(this.#head);
    }
    return this.#writer.begin(this.#stream, bytes);
  }

  /** Sends a further part of the message that has begun. @returns as `begin`. */
  more(bytes: Uint8Array): boolean {
    return this.#stream.sendData(bytes);
  }

  /** Ends it with success. */
  end(): void {
    this.#end(okTrailers);
  }

  /** Ends it with a failure. */
  fail(status: GrpcStatus): void {
    this.#end(statusFields(status));
  }

  /** Where there was no message, head and trailers are one ("Trailers-Only"). */
  #end(trailers: readonly HeaderField[]): void {
    if (this.#isHeadSent) this.#stream.sendTrailers(trailers);
    else this.#stream.sendHeaders([...this.#head, ...trailers], true);
  }
}
