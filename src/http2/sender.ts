import { ConnectionError, ErrorCode } from './errors.ts';
import {
  Flag,
  FrameType,
  frameHeadBytes,
  int31Max,
  payloadBytesMax,
  usefulDataBytesMin,
  windowBytesDefault,
  writeFrameHead,
} from './frame.ts';
import { HpackEncoder } from './hpack/encoder.ts';
import type { HeaderField } from './hpack/header-field.ts';
import type { Output } from './output.ts';
import { PendingData } from './pending-data.ts';

/** What a stream is to its sender. */
export interface SendingStream {
  readonly id: number;
  /** What the peer lets us send; below 0 where it changed its mind (RFC 9113, section 6.9.2). */
  sendWindowBytes: number;
  /** Data that could not leave at once; undefined: there is none. */
  pending: PendingData | undefined;
  /** The last frame of our answer was written. */
  wroteEnd(): void;
  /** Less waits now than the handler was told to wait for. */
  drained(): void;
}

/**
 * Writes the answers of one connection into its output, as far as the peer's windows and the network take them. What cannot leave waits at
 * its stream; the streams then take turns, one frame each.
 */
export class Sender {
  readonly #output: Output;
  readonly #encoder = new HpackEncoder();
  readonly #streamUnsentBytesMax: number;
  readonly #unsentBytesMax: number;
  readonly #onFrame: () => void;
  /** What the peer lets us send on all streams together. */
  #windowBytes = windowBytesDefault;
  /** Streams with data that only the connection's window or the network holds up. */
  readonly #turns: SendingStream[] = [];
  #isRunning = false;
  #pendingBytes = 0;

  /** @param onFrame Told of every frame of an answer but those that hold next to nothing, as when the peer opens its window byte by byte. */
  constructor(
    output: Output,
    limits: { readonly streamUnsentBytesMax: number; readonly unsentBytesMax: number },
    onFrame: () => void,
  ) {
    this.#output = output;
    this.#streamUnsentBytesMax = limits.streamUnsentBytesMax;
    this.#unsentBytesMax = limits.unsentBytesMax;
    this.#onFrame = onFrame;
  }

  /** Bytes that wait at all streams together. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** The peer chose another size for our encoder's table. */
  setTableBytesMax(bytes: number): void {
    this.#encoder.setTableBytesMax(bytes);
  }

  /** Writes a header block. @param isLast The stream ends with it. */
  headers(streamId: number, fields: readonly HeaderField[], isLast: boolean): void {
    this.#onFrame();
    const flags = isLast ? Flag.END_STREAM : 0;
    const bytesMax = this.#encoder.encodedBytesMax(fields);
    if (bytesMax > payloadBytesMax) {
      this.#longHeaders(streamId, fields, flags);
      return;
    }
    const offset = this.#output.room(frameHeadBytes + bytesMax);
    const { buffer } = this.#output;
    const start = offset + frameHeadBytes;
    const end = this.#encoder.encode(fields, buffer, start);
    writeFrameHead(buffer, offset, end - start, {
      type: FrameType.HEADERS,
      flags: flags | Flag.END_HEADERS,
      streamId,
    });
    this.#output.advance(end);
  }

  /** @returns False where so much waits now that the stream is to be told when it does not any more. */
  data(stream: SendingStream, bytes: Uint8Array, isLast: boolean): boolean {
    if (stream.pending === undefined && this.#fits(stream, bytes.length)) {
      this.#frame(stream, bytes, isLast);
      return true;
    }
    stream.pending ??= new PendingData();
    stream.pending.add(bytes, isLast);
    this.#pendingBytes += bytes.length;
    this.#wait(stream);
    this.#run();
    const { pending } = stream;
    if (pending === undefined || pending.bytes <= this.#streamUnsentBytesMax) return true;
    pending.isDrainWanted = true;
    return false;
  }

  /** Ends a stream with fields, behind its data. */
  trailers(stream: SendingStream, fields: readonly HeaderField[]): void {
    if (stream.pending !== undefined) {
      stream.pending.end(fields);
      return;
    }
    this.headers(stream.id, fields, true);
    stream.wroteEnd();
  }

  /** The peer lets us send more on all streams together. @throws ConnectionError where that is too much. */
  widen(bytes: number): void {
    this.#windowBytes += bytes;
    if (this.#windowBytes > int31Max)
      throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, 'a window of the connection beyond its limit');
    this.#run();
  }

  /** The peer lets us send more on one stream, whose window was changed. */
  widened(stream: SendingStream): void {
    if (stream.pending === undefined) return;
    this.#wait(stream);
    this.#run();
  }

  /** Drops what a stream has waiting. */
  forget(stream: SendingStream): void {
    const { pending } = stream;
    if (pending === undefined) return;
    stream.pending = undefined;
    this.#pendingBytes -= pending.bytes;
    if (pending.hasTurn) this.#turns.splice(this.#turns.indexOf(stream), 1);
  }

  /** The network took something. */
  resume(): void {
    if (this.#turns.length > 0) this.#run();
  }

  #fits(stream: SendingStream, bytes: number): boolean {
    if (bytes === 0) return true;
    return (
      bytes <= payloadBytesMax &&
      bytes <= stream.sendWindowBytes &&
      bytes <= this.#windowBytes &&
      this.#turns.length === 0 &&
      this.#output.unsentBytes < this.#unsentBytesMax
    );
  }

  #frame(stream: SendingStream, bytes: Uint8Array, isLast: boolean): void {
    const { length } = bytes;
    const offset = this.#output.room(frameHeadBytes + length);
    const { buffer } = this.#output;
    const flags = isLast ? Flag.END_STREAM : 0;
    writeFrameHead(buffer, offset, length, { type: FrameType.DATA, flags, streamId: stream.id });
    buffer.set(bytes, offset + frameHeadBytes);
    this.#output.advance(offset + frameHeadBytes + length);
    stream.sendWindowBytes -= length;
    this.#windowBytes -= length;
    if (length >= usefulDataBytesMin || isLast) this.#onFrame();
    if (isLast) stream.wroteEnd();
  }

  /** Gives a stream with data a turn, unless it has one, or its own window holds it up. */
  #wait(stream: SendingStream): void {
    const { pending } = stream;
    if (pending === undefined || pending.hasTurn || stream.sendWindowBytes <= 0) return;
    pending.hasTurn = true;
    this.#turns.push(stream);
  }

  #run(): void {
    // A handler that is told of room sends more while this goes on.
    if (this.#isRunning) return;
    this.#isRunning = true;
    while (this.#windowBytes > 0 && this.#output.unsentBytes < this.#unsentBytesMax) {
      const stream = this.#turns.shift();
      if (stream === undefined) break;
      if (stream.pending !== undefined) this.#turn(stream, stream.pending);
    }
    this.#isRunning = false;
  }

  #turn(stream: SendingStream, pending: PendingData): void {
    pending.hasTurn = false;
    if (stream.sendWindowBytes <= 0) return;
    const bytes = pending.take(Math.min(payloadBytesMax, stream.sendWindowBytes, this.#windowBytes));
    this.#pendingBytes -= bytes.length;
    if (pending.bytes > 0) {
      this.#frame(stream, bytes, false);
      this.#wait(stream);
    } else {
      stream.pending = undefined;
      this.#frame(stream, bytes, pending.isLast);
      if (pending.trailers !== undefined) this.trailers(stream, pending.trailers);
    }
    if (!pending.isDrainWanted || pending.bytes * 2 > this.#streamUnsentBytesMax) return;
    pending.isDrainWanted = false;
    stream.drained();
  }

  /** Writes a header block that does not surely fit one frame. */
  #longHeaders(streamId: number, fields: readonly HeaderField[], streamFlags: number): void {
    const block = Buffer.allocUnsafe(this.#encoder.encodedBytesMax(fields));
    const blockEnd = this.#encoder.encode(fields, block, 0);
    let start = 0;
    do {
      const end = Math.min(blockEnd, start + payloadBytesMax);
      const offset = this.#output.room(frameHeadBytes + end - start);
      const { buffer } = this.#output;
      writeFrameHead(buffer, offset, end - start, {
        type: start === 0 ? FrameType.HEADERS : FrameType.CONTINUATION,
        flags: (start === 0 ? streamFlags : 0) | (end === blockEnd ? Flag.END_HEADERS : 0),
        streamId,
      });
      block.copy(buffer, offset + frameHeadBytes, start, end);
      this.#output.advance(offset + frameHeadBytes + end - start);
      start = end;
    } while (start < blockEnd);
  }
}
