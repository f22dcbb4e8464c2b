import { ConnectionError, ErrorCode } from './errors.ts';
import { frameHeadBytes, int31Max, payloadBytesMax } from './frame.ts';

/** What every client says first (RFC 9113, section 3.4). */
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

const nothing: Buffer = Buffer.alloc(0);

/** One frame where it lies. Its bytes are valid until the next one is asked for. */
export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly bytes: Buffer;
  /** Where the payload begins in `bytes`, and where it ends. */
  readonly start: number;
  readonly end: number;
}

/**
 * Finds the frames in what a client sends, behind its preface: `feed` a chunk, then ask `next` until it says no. A frame that lies whole in
 * a chunk is not copied.
 */
export class FrameReader implements Frame {
  type = 0;
  flags = 0;
  streamId = 0;
  bytes = nothing;
  start = 0;
  end = 0;
  /** Frames that were found. */
  frameCount = 0;
  #chunk = nothing;
  #offset = 0;
  #prefaceBytes = 0;
  /** A head that lies in two chunks. */
  readonly #head = Buffer.alloc(frameHeadBytes);
  #headBytes = 0;
  /** A payload that lies in two chunks. */
  #payload: Buffer | undefined;
  #payloadBytes = 0;

  /** Whether a frame or the preface has begun whose end has not come. */
  get isWithinFrame(): boolean {
    return this.#headBytes > 0 || this.#payload !== undefined || this.#prefaceBytes < preface.length;
  }

  /** Takes the next bytes; those before must have been asked for. */
  feed(chunk: Buffer): void {
    this.#chunk = chunk;
    this.#offset = 0;
  }

  /**
   * Steps to the next frame. @returns False when its end is not there yet.
   * @throws ConnectionError for a wrong preface, and for a frame that is too large before its payload is kept.
   */
  next(): boolean {
    if (this.#prefaceBytes < preface.length && !this.#takePreface()) return false;
    if (this.#payload !== undefined) return this.#fillPayload(this.#payload);
    if (this.#headBytes > 0 || this.#chunk.length - this.#offset < frameHeadBytes) {
      if (!this.#fillHead()) return false;
      this.#headBytes = 0;
      return this.#begin(this.#head, 0);
    }
    const offset = this.#offset;
    this.#offset += frameHeadBytes;
    return this.#begin(this.#chunk, offset);
  }

  /** Lets go of the chunk: most connections are silent most of the time. */
  release(): void {
    this.feed(nothing);
    this.bytes = nothing;
  }

  #begin(head: Buffer, offset: number): boolean {
    const payloadBytes = head.readUIntBE(offset, 3);
    if (payloadBytes > payloadBytesMax)
      throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, `a frame of more than ${payloadBytesMax} bytes`);
    this.type = head[offset + 3] ?? 0;
    this.flags = head[offset + 4] ?? 0;
    this.streamId = head.readUInt32BE(offset + 5) & int31Max;
    const end = this.#offset + payloadBytes;
    if (end > this.#chunk.length) {
      this.#payload = Buffer.allocUnsafe(payloadBytes);
      this.#payloadBytes = 0;
      return this.#fillPayload(this.#payload);
    }
    this.bytes = this.#chunk;
    this.start = this.#offset;
    this.end = end;
    this.#offset = end;
    this.frameCount += 1;
    return true;
  }

  #fillPayload(payload: Buffer): boolean {
    const copied = this.#chunk.copy(payload, this.#payloadBytes, this.#offset);
    this.#payloadBytes += copied;
    this.#offset += copied;
    if (this.#payloadBytes < payload.length) return false;
    this.#payload = undefined;
    this.bytes = payload;
    this.start = 0;
    this.end = payload.length;
    this.frameCount += 1;
    return true;
  }

  #fillHead(): boolean {
    const copied = this.#chunk.copy(this.#head, this.#headBytes, this.#offset);
    this.#headBytes += copied;
    this.#offset += copied;
    return this.#headBytes === frameHeadBytes;
  }

  #takePreface(): boolean {
    const length = Math.min(preface.length - this.#prefaceBytes, this.#chunk.length - this.#offset);
    const end = this.#prefaceBytes + length;
    if (this.#chunk.compare(preface, this.#prefaceBytes, end, this.#offset, this.#offset + length) !== 0)
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'a client that does not begin with the preface of HTTP/2');
    this.#prefaceBytes = end;
    this.#offset += length;
    return end === preface.length;
  }
}
