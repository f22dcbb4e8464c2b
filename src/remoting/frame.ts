import { emptyBody } from './command.ts';
import { RemotingError } from './errors.ts';

/** Largest frame, its length field included, that brokers take (Java `NettyDecoder`, `com.rocketmq.remoting.frameMaxLength`). */
export const frameBytesMaxDefault = 16_777_216;

const lengthBytes = 4;
const markBytes = 4;
const headerBytesMax = 0xff_ffff;

/** One frame, split into its parts. Header and body are views of the bytes that were received. */
export interface Frame {
  /** High byte of the mark: a `Serialization`, not yet checked. */
  readonly serialization: number;
  readonly header: Buffer;
  readonly body: Buffer;
}

/**
 * Cuts a byte stream into frames: `int32 length, int32 mark, header, body`, big endian, where length counts what follows
 * it and the mark's low 24 bits are the header's length. Bytes are copied once, and only for a frame that arrived in pieces.
 * After an error the stream has lost its place: the connection must be closed.
 */
export class FrameDecoder {
  readonly #frameBytesMax: number;
  readonly #chunks: Buffer[] = [];
  #bufferedBytes = 0;
  /** Length field of the frame that is being received; undefined while it is not known. */
  #length: number | undefined;

  constructor(frameBytesMax: number = frameBytesMaxDefault) {
    this.#frameBytesMax = frameBytesMax;
  }

  /** Bytes held back for a frame that is not complete; never more than the frame limit and one chunk. */
  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  /**
   * Takes the next bytes of the stream and returns the frames that they complete.
   * @throws RemotingError `malformed` on a length that no frame can have.
   */
  push(chunk: Buffer): Frame[] {
    const frames: Frame[] = [];
    if (chunk.length === 0) return frames;
    this.#chunks.push(chunk);
    this.#bufferedBytes += chunk.length;
    for (;;) {
      this.#length ??= this.#takeLength();
      if (this.#length === undefined || this.#bufferedBytes < this.#length) return frames;
      frames.push(splitFrame(this.#take(this.#length)));
      this.#length = undefined;
    }
  }

  #takeLength(): number | undefined {
    if (this.#bufferedBytes < lengthBytes) return undefined;
    const length = this.#take(lengthBytes).readInt32BE(0);
    if (length < markBytes || length > this.#frameBytesMax - lengthBytes) {
      throw new RemotingError(
        'malformed',
        `a frame of ${length} bytes was announced; allowed are ${markBytes} to ${this.#frameBytesMax - lengthBytes}`,
      );
    }
    return length;
  }

  /** Removes exactly `count` bytes, which must be there, from the front. */
  #take(count: number): Buffer {
    this.#bufferedBytes -= count;
    const first = this.#chunks[0] ?? emptyBody;
    if (first.length > count) {
      this.#chunks[0] = first.subarray(count);
      return first.subarray(0, count);
    }
    if (first.length === count) {
      this.#chunks.shift();
      return first;
    }
    return this.#gather(count);
  }

  #gather(count: number): Buffer {
    const bytes = Buffer.allocUnsafe(count);
    let filled = 0;
    let used = 0;
    while (filled < count) {
      const chunk = this.#chunks[used] ?? emptyBody;
      const wanted = Math.min(chunk.length, count - filled);
      chunk.copy(bytes, filled, 0, wanted);
      filled += wanted;
      if (wanted < chunk.length) this.#chunks[used] = chunk.subarray(wanted);
      else used += 1;
    }
    this.#chunks.splice(0, used);
    return bytes;
  }
}

function splitFrame(bytes: Buffer): Frame {
  const mark = bytes.readInt32BE(0);
  const bodyStart = markBytes + (mark & headerBytesMax);
  if (bodyStart > bytes.length) {
    throw new RemotingError(
      'malformed',
      `a header of ${mark & headerBytesMax} bytes does not fit its frame of ${bytes.length}`,
    );
  }
  return {
    serialization: mark >>> 24,
    header: bytes.subarray(markBytes, bodyStart),
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
