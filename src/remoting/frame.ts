import { emptyBody } from './command.ts';
import { RemotingError } from './errors.ts';

/** Largest frame, its length field included, that brokers take (Java `NettyDecoder`, `com.rocketmq.remoting.frameMaxLength`). */
export const frameBytesMaxDefault = 16_777_216;

const lengthBytes = 4;
const markBytes = 4;
/** Bytes before the header: length and mark. */
export const headerAt = lengthBytes + markBytes;
const headerBytesMax = 0xff_ffff;
/** How far ahead of the bytes that have arrived their buffer grows; 4 copies each byte 1.3 times at most. */
const growthFactor = 4;

/** One frame, split into its parts. */
export interface Frame {
  /** High byte of the mark: a `Serialization`, not yet checked. */
  readonly serialization: number;
  /** The bytes that were received: the header is at `headerStart` to `headerEnd`. */
  readonly bytes: Buffer;
  readonly headerStart: number;
  readonly headerEnd: number;
  readonly body: Buffer;
}

/**
 * Cuts a byte stream into frames: `int32 length, int32 mark, header, body`, big endian, where length counts what follows
 * it and the mark's low 24 bits are the header's length. A frame that arrives whole is not copied. One that arrives in pieces
 * is gathered in a buffer that grows with what has arrived: neither an announced length nor tiny pieces cost more than that.
 * After an error the stream has lost its place: the connection must be closed.
 */
export class FrameDecoder {
  readonly #frameBytesMax: number;
  readonly #isReused: boolean;
  /** Holds, in its first `#filled` bytes, the start of a frame that is not complete. */
  #partial: Buffer = emptyBody;
  #filled = 0;

  /**
   * @param isReused The buffers of the chunks are written to again: headers must be read at once, and bodies, and what begins a frame
   * only, are copied out of them.
   */
  constructor(frameBytesMax: number = frameBytesMaxDefault, isReused = false) {
    this.#frameBytesMax = frameBytesMax;
    this.#isReused = isReused;
  }

  /** Bytes held back for a frame that is not complete; always fewer than the frame limit. */
  get bufferedBytes(): number {
    return this.#filled;
  }

  /**
   * Takes the next bytes of the stream and returns the frames that they complete.
   * @throws RemotingError `malformed` on a length that no frame can have.
   */
  push(chunk: Buffer): Frame[] {
    const frames: Frame[] = [];
    let at = 0;
    while (at < chunk.length) at = this.#filled === 0 ? this.#cut(chunk, at, frames) : this.#gather(chunk, at, frames);
    return frames;
  }

  /** Takes the frame that starts at `at`, or keeps its bytes where it is not whole. Returns where the next one starts. */
  #cut(chunk: Buffer, at: number, frames: Frame[]): number {
    const frameBytes = this.#frameBytes(chunk, at, chunk.length);
    const end = at + frameBytes;
    if (end <= chunk.length) {
      frames.push(splitFrame(chunk, at, end, this.#isReused));
      return end;
    }
    const start = chunk.subarray(at);
    if (this.#isReused) this.#append(start, frameBytes);
    else {
      this.#partial = start;
      this.#filled = start.length;
    }
    return chunk.length;
  }

  /** Adds what the frame in hand still lacks. Returns where the next one starts. */
  #gather(chunk: Buffer, at: number, frames: Frame[]): number {
    const frameBytes = this.#frameBytes(this.#partial, 0, this.#filled);
    const end = Math.min(chunk.length, at + frameBytes - this.#filled);
    this.#append(chunk.subarray(at, end), frameBytes);
    if (this.#filled === this.#frameBytes(this.#partial, 0, this.#filled)) {
      frames.push(splitFrame(this.#partial, 0, this.#filled, false));
      this.#partial = emptyBody;
      this.#filled = 0;
    }
    return end;
  }

  #append(bytes: Buffer, frameBytes: number): void {
    const filled = this.#filled + bytes.length;
    if (filled > this.#partial.length) {
      const grown = Buffer.allocUnsafe(Math.max(filled, Math.min(growthFactor * filled, frameBytes)));
      this.#partial.copy(grown, 0, 0, this.#filled);
      this.#partial = grown;
    }
    bytes.copy(this.#partial, this.#filled);
    this.#filled = filled;
  }

  /** Bytes of the frame that starts at `start`, its length field included; the least that a frame has while that is not known. */
  #frameBytes(bytes: Buffer, start: number, end: number): number {
    if (end - start < lengthBytes) return headerAt;
    const length = bytes.readInt32BE(start);
    if (length < markBytes || length > this.#frameBytesMax - lengthBytes) {
      throw new RemotingError(
        'malformed',
        `a frame of ${length} bytes was announced; allowed are ${markBytes} to ${this.#frameBytesMax - lengthBytes}`,
      );
    }
    return lengthBytes + length;
  }
}

function splitFrame(bytes: Buffer, start: number, end: number, isReused: boolean): Frame {
  const mark = bytes.readInt32BE(start + lengthBytes);
  const headerStart = start + headerAt;
  const headerEnd = headerStart + (mark & headerBytesMax);
  if (headerEnd > end) {
    throw new RemotingError(
      'malformed',
      `a header of ${mark & headerBytesMax} bytes does not fit its frame of ${end - start}`,
    );
  }
  return { serialization: mark >>> 24, bytes, headerStart, headerEnd, body: bodyOf(bytes, headerEnd, end, isReused) };
}

function bodyOf(bytes: Buffer, start: number, end: number, isReused: boolean): Buffer {
  if (start === end) return emptyBody;
  const body = bytes.subarray(start, end);
  return isReused ? Buffer.from(body) : body;
}

/** What a frame has besides its header's bytes. */
export interface FrameShape {
  readonly serialization: number;
  readonly headerBytes: number;
  readonly bodyBytes: number;
}

/**
 * Writes what goes before a header, length and mark, at `at`.
 * @throws RemotingError `malformed` when the frame would be larger than a server takes.
 */
export function writeFrameStart(bytes: Buffer, at: number, shape: FrameShape, frameBytesMax: number): void {
  const { serialization, headerBytes, bodyBytes } = shape;
  const frameBytes = headerAt + headerBytes + bodyBytes;
  if (headerBytes > headerBytesMax || frameBytes > frameBytesMax) {
    throw new RemotingError('malformed', `a frame of ${frameBytes} bytes is over the limit of ${frameBytesMax}`);
  }
  bytes.writeInt32BE(frameBytes - lengthBytes, at);
  bytes.writeInt32BE((serialization << 24) | headerBytes, at + lengthBytes);
}
