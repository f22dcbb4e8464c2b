import { NumberTable } from '../basics/number-table.ts';
import type { AbuseMeter } from './abuse-meter.ts';
import { writeReset, writeWindowUpdate } from './control-frames.ts';
import { ConnectionError, ErrorCode } from './errors.ts';
import { Flag, int31Max, usefulDataBytesMin, windowBytesDefault } from './frame.ts';
import type { Frame } from './frame-reader.ts';
import { type HeaderBlock, withoutPadding } from './header-blocks.ts';
import { areTrailersValid, type RequestHead, readRequestHead } from './header-rules.ts';
import { HeldRequests } from './held-requests.ts';
import { OpenStream, type StreamOwner } from './open-stream.ts';
import type { Http2Options } from './options.ts';
import type { Output } from './output.ts';
import { ReceiveWindow } from './receive-window.ts';
import type { RequestMemory } from './request-memory.ts';
import type { Sender } from './sender.ts';
import type { OnStream } from './stream.ts';

/** Streams that we reset, of which frames may still be on their way. */
const rememberedResetsMax = 1_000;

/** Gaps between the ids of streams that are remembered, the latest ones: who counts has none. */
const rememberedGapsMax = 16;

/** What the streams of one connection share. */
export interface StreamsParts {
  readonly options: Http2Options;
  readonly peer: string;
  readonly output: Output;
  readonly sender: Sender;
  readonly meter: AbuseMeter;
  readonly memory: RequestMemory;
  readonly onStream: OnStream;
  /** Told when the last stream has ended. */
  readonly onIdle: () => void;
}

/** The streams of one connection: opens, feeds and ends them by the rules of RFC 9113, section 5. */
export class Streams implements StreamOwner {
  readonly peer: string;
  readonly sender: Sender;
  readonly #parts: StreamsParts;
  readonly #open = new NumberTable<OpenStream>();
  /** In the order in which they were reset. */
  readonly #weReset = new Set<number>();
  /** Ids that the peer has passed over, in pairs of the first and the last. */
  readonly #gaps: (readonly [number, number])[] = [];
  readonly #window: ReceiveWindow;
  /** Streams that were opened. */
  begunCount = 0;
  /** What its requests hold. */
  readonly held: HeldRequests;
  #receiveBytes: number = windowBytesDefault;
  #sendBytes: number = windowBytesDefault;
  /** The highest stream that the peer opened. */
  #lastId = 0;
  /** Streams above were opened too late. */
  #servedIdMax = int31Max;
  /** When the bytes that are worked on came. */
  nowMs: number;

  constructor(parts: StreamsParts, nowMs: number) {
    this.#parts = parts;
    this.peer = parts.peer;
    this.sender = parts.sender;
    this.nowMs = nowMs;
    this.#window = new ReceiveWindow(Math.max(windowBytesDefault, parts.options.connectionWindowBytes));
    this.held = new HeldRequests({
      memory: parts.memory,
      keptBytesMax: parts.options.keptBytesMax,
      peer: parts.peer,
      open: this.#open,
      widen: (stream, bytes) => this.#widen(stream, stream.receiveWindow.consume(bytes)),
      giveUp: (stream) => this.#giveUp(stream),
    });
  }

  get openCount(): number {
    return this.#open.size;
  }

  /** The highest stream that is served. */
  get lastServedId(): number {
    return Math.min(this.#lastId, this.#servedIdMax);
  }

  [Symbol.iterator](): IterableIterator<OpenStream> {
    return this.#open.values();
  }

  /** Ignores streams that are opened from now on. */
  refuseNew(): void {
    this.#servedIdMax = this.lastServedId;
  }

  headers(block: HeaderBlock): void {
    const { streamId, isLast } = block;
    const stream = this.#open.get(streamId);
    if (stream !== undefined) {
      this.#trailers(stream, block);
      return;
    }
    if ((streamId & 1) === 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, `HEADERS of stream ${streamId}`);
    if (streamId <= this.#lastId) {
      this.#checkNotPassed(streamId);
      this.#late(streamId);
      return;
    }
    if (streamId > this.#lastId + 2) this.#pass(this.#lastId + 2, streamId - 2);
    this.#lastId = streamId;
    if (streamId > this.#servedIdMax) this.#parts.meter.control(this.nowMs);
    else if (block.isTooLarge) this.#answerTooLarge(streamId, isLast);
    else if (this.#open.size >= this.#parts.options.streamsMax) this.#refuse(streamId, ErrorCode.REFUSED_STREAM);
    else if (this.sender.pendingBytes > this.#parts.options.pendingBytesMax) this.#postpone(streamId);
    else {
      const head = block.dependsOnItself ? undefined : readRequestHead(block.fields);
      if (head === undefined || (isLast && head.contentLength > 0)) this.#refuse(streamId, ErrorCode.PROTOCOL_ERROR);
      else this.#begin(streamId, head, isLast);
    }
  }

  data(frame: Frame): void {
    const { streamId, bytes } = frame;
    const frameBytes = frame.end - frame.start;
    if (streamId === 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'DATA of no stream');
    if (!this.#window.take(frameBytes))
      throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, 'more data than the window of the connection');
    const { start, end } = withoutPadding(frame);
    const isLast = (frame.flags & Flag.END_STREAM) !== 0;
    const stream = this.#open.get(streamId);
    if (stream === undefined) {
      this.#giveBack(frameBytes);
      this.#late(streamId);
      return;
    }
    if (end - start < usefulDataBytesMin && !isLast) this.#parts.meter.control(this.nowMs);
    else this.#parts.meter.useful();
    stream.unconsumedBytes += frameBytes;
    if (stream.isRequestWhole) this.#fail(stream, ErrorCode.STREAM_CLOSED);
    else if (!stream.receiveWindow.take(frameBytes)) this.#fail(stream, ErrorCode.FLOW_CONTROL_ERROR);
    else if (!this.#receive(stream, end - start, isLast)) this.#fail(stream, ErrorCode.PROTOCOL_ERROR);
    else if (this.held.take(stream, frameBytes)) {
      // Padding is nobody's to consume.
      if (end - start < frameBytes) this.consumed(stream, frameBytes - (end - start));
      stream.handler.data(bytes.subarray(start, end), isLast);
    }
  }

  /** RST_STREAM, whose code is `code`. */
  peerReset(streamId: number, code: number): void {
    const stream = this.#open.get(streamId);
    if (stream === undefined) {
      this.#checkNotIdle(streamId);
      this.#parts.meter.control(this.nowMs);
      return;
    }
    this.#close(stream);
    stream.handler.reset(code);
    if (this.nowMs - stream.openedMs < this.#parts.options.youngStreamMs) this.#parts.meter.youngReset(this.nowMs);
  }

  /** WINDOW_UPDATE of a stream. */
  widen(streamId: number, bytes: number): void {
    const stream = this.#open.get(streamId);
    if (stream === undefined) {
      this.#checkNotIdle(streamId);
    } else if (bytes === 0) {
      this.#fail(stream, ErrorCode.PROTOCOL_ERROR);
    } else if (stream.sendWindowBytes + bytes > int31Max) {
      this.#fail(stream, ErrorCode.FLOW_CONTROL_ERROR);
    } else {
      stream.sendWindowBytes += bytes;
      this.sender.widened(stream);
    }
  }

  /** The peer chose how much each stream may be sent at first; that changes open ones too (RFC 9113, section 6.9.2). */
  setSendWindow(bytes: number): void {
    const change = bytes - this.#sendBytes;
    this.#sendBytes = bytes;
    for (const stream of this.#open.values()) {
      stream.sendWindowBytes += change;
      if (stream.sendWindowBytes > int31Max)
        throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, 'SETTINGS that widen a window beyond its limit');
    }
    if (change > 0) for (const stream of this.#open.values()) this.sender.widened(stream);
  }

  /** The peer has heard how much it may send on each stream. */
  settingsHeard(): void {
    this.#receiveBytes = this.#parts.options.streamWindowBytes;
    for (const stream of this.#open.values()) this.#widen(stream, stream.receiveWindow.resize(this.#receiveBytes));
  }

  /** Ends the stream of a request that takes too long. */
  cancel(stream: OpenStream): void {
    this.abandon(stream, ErrorCode.CANCEL);
    stream.handler.reset(ErrorCode.CANCEL);
  }

  /** Ends all streams, because the connection has ended. */
  endAll(code: number): void {
    for (const stream of this.#open.values()) {
      this.#close(stream);
      stream.handler.reset(code);
    }
  }

  consumed(stream: OpenStream, bytes: number): void {
    stream.unconsumedBytes -= bytes;
    this.held.letGo(stream, bytes);
    this.#giveBack(bytes);
    this.#widen(stream, stream.receiveWindow.consume(bytes));
  }

  kept(stream: OpenStream, bytes: number): void {
    stream.unconsumedBytes -= bytes;
    this.#giveBack(bytes);
    this.held.keep(stream, bytes);
  }

  lasts(stream: OpenStream): void {
    this.held.finish(stream);
  }

  answered(stream: OpenStream): void {
    // A client must not go on sending what nobody wants (RFC 9113, section 8.1).
    if (stream.isRequestWhole) this.#close(stream);
    else this.abandon(stream, ErrorCode.NO_ERROR);
  }

  abandon(stream: OpenStream, code: number): void {
    // First: behind the last stream the connection may end.
    this.#reset(stream.id, code);
    this.#close(stream);
  }

  /** Refuses a stream because the peer has so much to read first; it could not know, so that is no abuse until there are many. */
  #postpone(streamId: number): void {
    this.#reset(streamId, ErrorCode.REFUSED_STREAM);
    this.#parts.meter.control(this.nowMs);
  }

  #begin(streamId: number, head: RequestHead, isWhole: boolean): void {
    const windows = { receiveBytes: this.#receiveBytes, sendBytes: this.#sendBytes };
    const stream = new OpenStream(streamId, { head, isWhole, openedMs: this.nowMs }, windows, this);
    this.#open.set(streamId, stream);
    this.begunCount += 1;
    this.#parts.meter.useful();
    if (isWhole || this.held.begin(stream)) stream.handler = this.#parts.onStream(stream);
  }

  /** @returns false where the request is not what it says. */
  #receive(stream: OpenStream, bytes: number, isLast: boolean): boolean {
    if (isLast) this.held.finish(stream);
    return stream.receive(bytes, isLast);
  }

  #trailers(stream: OpenStream, block: HeaderBlock): void {
    const { fields, isLast } = block;
    if (stream.isRequestWhole) this.#fail(stream, ErrorCode.STREAM_CLOSED);
    else if (
      !isLast ||
      block.dependsOnItself ||
      block.isTooLarge ||
      !areTrailersValid(fields) ||
      !this.#receive(stream, 0, true)
    )
      this.#fail(stream, ErrorCode.PROTOCOL_ERROR);
    else stream.handler.trailers(fields);
  }

  /** Streams that were passed over are not opened any more (RFC 9113, section 5.1.1). */
  #pass(first: number, last: number): void {
    this.#gaps.push([first, last]);
    if (this.#gaps.length > rememberedGapsMax) this.#gaps.shift();
  }

  #checkNotPassed(streamId: number): void {
    if (this.#gaps.some(([first, last]) => streamId >= first && streamId <= last))
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, `HEADERS of stream ${streamId} behind those of a later one`);
  }

  /** A frame of a stream that is not open. */
  #late(streamId: number): void {
    this.#checkNotIdle(streamId);
    if (streamId <= this.#servedIdMax && !this.#weReset.has(streamId))
      throw new ConnectionError(ErrorCode.STREAM_CLOSED, `a frame of stream ${streamId}, which has ended`);
    this.#parts.meter.control(this.nowMs);
  }

  #checkNotIdle(streamId: number): void {
    if (streamId > this.#lastId || (streamId & 1) === 0)
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, `a frame of stream ${streamId}, which was never opened`);
  }

  #answerTooLarge(streamId: number, isLast: boolean): void {
    this.sender.headers(streamId, [{ name: ':status', value: '431' }], true);
    if (!isLast) this.#reset(streamId, ErrorCode.NO_ERROR);
    this.#parts.meter.youngReset(this.nowMs);
  }

  /** Opens no stream for a request. */
  #refuse(streamId: number, code: number): void {
    this.#reset(streamId, code);
    this.#parts.meter.youngReset(this.nowMs);
  }

  /** Ends a stream whose peer broke a rule. */
  #fail(stream: OpenStream, code: number): void {
    this.abandon(stream, code);
    stream.handler.reset(code);
    this.#parts.meter.youngReset(this.nowMs);
  }

  /** Ends the stream of a request that there is no memory for. */
  #giveUp(stream: OpenStream): void {
    this.abandon(stream, ErrorCode.ENHANCE_YOUR_CALM);
    stream.handler.reset(ErrorCode.ENHANCE_YOUR_CALM);
  }

  #reset(streamId: number, code: number): void {
    writeReset(this.#parts.output, streamId, code);
    this.#weReset.add(streamId);
    if (this.#weReset.size <= rememberedResetsMax) return;
    const [oldest] = this.#weReset;
    if (oldest !== undefined) this.#weReset.delete(oldest);
  }

  #close(stream: OpenStream): void {
    stream.isOpen = false;
    this.#open.delete(stream.id);
    this.sender.forget(stream);
    this.#giveBack(stream.unconsumedBytes);
    stream.unconsumedBytes = 0;
    if (stream.heldBytes > 0) this.held.letGo(stream, stream.heldBytes);
    if (this.#open.size === 0) this.#parts.onIdle();
  }

  /** Lets the peer send so much more on a stream. */
  #widen({ id, isRequestWhole }: OpenStream, bytes: number): void {
    if (bytes > 0 && !isRequestWhole) writeWindowUpdate(this.#parts.output, id, bytes);
  }

  #giveBack(bytes: number): void {
    const widened = this.#window.consume(bytes);
    if (widened > 0) writeWindowUpdate(this.#parts.output, 0, widened);
  }
}
