import { emptyBody } from './command.ts';
import { RemotingError } from './errors.ts';

/** Largest frame, its length field included, that brokers take (Java `NettyDecoder`, `com.rocketmq.remoting.frameMaxLength`). */
export const frameBytesMaxDefault = 16_777_216;

const lengthBytes = 4;
const markBytes = 4;
const headerBytesMax = 0xff_ffff;
/** How far ahead of the bytes that have arrived their buffer grows; 4 copies each byte 1.3 times at most. */
const growthFactor = 4;

/** One frame, split into its parts. Header and body are views of the bytes that were received. */
export interface Frame {
  /** High byte of the mark: a `Serialization`, not yet checked. */
  readonly serialization: number;
  readonly header: Buffer;
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
  /** Holds, in its first `#filled` bytes, the start of a frame that is not complete. */
  #partial: Buffer = emptyBody;
  #filled = 0;

  constructor(frameBytesMax: number = frameBytesMaxDefault) {
    this.#frameBytesMax = frameBytesMax;
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
    let rest = chunk;
    while (rest.length > 0) rest = this.#filled === 0 ? this.#cut(rest, frames) : this.#gather(rest, frames);
    return frames;
  }

  /** Takes one frame off the front, or keeps the bytes where it is not whole. Returns what is left. */
  #cut(bytes: Buffer, frames: Frame[]): Buffer {
    const frameBytes = this.#frameBytes(bytes);
    if (frameBytes > bytes.length) {
      this.#partial = bytes;
      this.#filled = bytes.length;
      return emptyBody;
    }
    frames.push(splitFrame(bytes.subarray(0, frameBytes)));
    return bytes.subarray(frameBytes);
  }

  /** Adds what the frame in hand still lacks. Returns what is left. */
  #gather(bytes: Buffer, frames: Frame[]): Buffer {
    const frameBytes = this.#frameBytes(this.#received);
    const wanted = frameBytes - this.#filled;
    this.#append(bytes.subarray(0, wanted), frameBytes);
    const received = this.#received;
    if (received.length === this.#frameBytes(received)) {
      frames.push(splitFrame(received));
      this.#partial = emptyBody;
      this.#filled = 0;
    }
    return bytes.subarray(wanted);
  }

  get #received(): Buffer {
    return this.#partial.subarray(0, this.#filled);
  }

  #append(bytes: Buffer, frameBytes: number): void {
    const filled = this.#filled + bytes.length;
    if (filled > this.#partial.length) {
      const grown = Buffer.allocUnsafe(Math.max(filled, Math.min(growthFactor * filled, frameBytes)));
      this.#received.copy(grown);
      this.#partial = grown;
    }
    bytes.copy(this.#partial, this.#filled);
    this.#filled = filled;
  }

  /** Bytes of the frame that starts here, its length field included; the least that a frame has while that is not known. */
  #frameBytes(start: Buffer): number {
    if (start.length < lengthBytes) return lengthBytes + markBytes;
    const length = start.readInt32BE(0);
    if (length < markBytes || length > this.#frameBytesMax - lengthBytes) {
      throw new RemotingError(
        'malformed',
        `a frame of ${length} bytes was announced; allowed are ${markBytes} to ${this.#frameBytesMax - lengthBytes}`,
      );
    }
    return lengthBytes + length;
  }
}

function splitFrame(bytes: Buffer): Frame {
  const mark = bytes.readInt32BE(lengthBytes);
  const headerStart = lengthBytes + markBytes;
  const bodyStart = headerStart + (mark & headerBytesMax);
  if (bodyStart > bytes.length) {
    throw new RemotingError(
      'malformed',
      `a header of ${mark & headerBytesMax} bytes does not fit its frame of ${bytes.length}`,
    );
  }
  return {
    serialization: mark >>> 24,
    header: bytes.subarray(headerStart, bodyStart),
    body: bodyStart === bytes.length ? emptyBody : bytes.subarray(bodyStart),
  };
}

/**
 * The bytes that go before a body: length, mark and header.
 * @throws RemotingError `malformed` when the frame would be larger than a server takes.
 */
export function encodeFrameHead(
  serialization: number,
  header: Buffer,
  bodyBytes: number,
  frameBytesMax: number,
): Buffer {
  const frameBytes = lengthBytes + markBytes + header.length + bodyBytes;
  if (header.length > headerBytesMax || frameBytes > frameBytesMax) {
    throw new RemotingError('malformed', `a frame of ${frameBytes} bytes is over the limit of ${frameBytesMax}`);
  }
  const head = Buffer.allocUnsafe(lengthBytes + markBytes + header.length);
  head.writeInt32BE(frameBytes - lengthBytes, 0);
  head.writeInt32BE((serialization << 24) | header.length, lengthBytes);
  header.copy(head, lengthBytes + markBytes);
  return head;
}
