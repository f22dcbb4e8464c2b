import type { Http2Stream } from '../http2/stream.ts';
import { prefixBytes, tooLong } from './message-reader.ts';

/** What one frame of HTTP/2 carries unless the peer asked for more. */
const frameBytes = 16_384;

/** Bytes of a message that leave with its prefix. */
export const firstPartBytesMax = frameBytes - prefixBytes;

/** Puts their prefix in front of messages. One does for all streams of a server, since streams copy what they send. */
export class MessageWriter {
  readonly #frame = Buffer.allocUnsafe(frameBytes);
  readonly #bytesMax: number;

  /** @param bytesMax longest message. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** @throws GrpcError RESOURCE_EXHAUSTED where a message is too long. */
  check(bytes: Uint8Array): void {
    if (bytes.length > this.#bytesMax) throw tooLong(bytes.length, this.#bytesMax);
  }

  /**
   * Sends the prefix of a message and the first `firstPartBytesMax` of its bytes.
   * @returns false where the stream has more than enough to send, as `Http2Stream.sendData` does.
   */
  begin(stream: Http2Stream, bytes: Uint8Array): boolean {
    const frame = this.#frame;
    const isWhole = bytes.length <= firstPartBytesMax;
    frame[0] = 0;
    frame.writeUInt32BE(bytes.length, 1);
    frame.set(isWhole ? bytes : bytes.subarray(0, firstPartBytesMax), prefixBytes);
    return stream.sendData(isWhole ? frame.subarray(0, prefixBytes + bytes.length) : frame);
  }
}
