import type { AbuseMeter } from './abuse-meter.ts';
import { writePing, writeSettingsAck } from './control-frames.ts';
import { ConnectionError, ErrorCode } from './errors.ts';
import { Flag, FrameType, int31Max } from './frame.ts';
import { FrameReader } from './frame-reader.ts';
import { type HeaderBlock, HeaderBlocks } from './header-blocks.ts';
import type { Http2Options } from './options.ts';
import type { Output } from './output.ts';
import type { Sender } from './sender.ts';
import { readSettings } from './settings.ts';
import type { Streams } from './streams.ts';
import type { ConnectionFacts } from './watch.ts';

/** What frames change. */
export interface ReceiverParts {
  readonly options: Http2Options;
  readonly output: Output;
  readonly sender: Sender;
  readonly streams: Streams;
  readonly meter: AbuseMeter;
  /** An answer to a PING of ours came, with these eight bytes, which are valid during the call. */
  readonly onPong: (data: Buffer) => void;
  /** The client says that it opens no more streams. */
  readonly onGoaway: () => void;
}

/** Reads what one client says, checks each frame by RFC 9113, section 6, and does what it asks. */
export class Receiver {
  readonly #parts: ReceiverParts;
  readonly #reader = new FrameReader();
  readonly #blocks: HeaderBlocks;
  #hasSettings = false;
  /** Whether the client has acknowledged our SETTINGS. */
  #isHeard = false;
  #isStopped = false;

  constructor(parts: ReceiverParts) {
    this.#parts = parts;
    this.#blocks = new HeaderBlocks(parts.options);
  }

  /** What a watch wants to know of what has come. */
  get facts(): Pick<ConnectionFacts, 'isSettled' | 'openFrame' | 'isDataOpen' | 'openBlock'> {
    return {
      isSettled: this.#hasSettings && this.#isHeard,
      openFrame: this.#reader.isWithinFrame ? this.#reader.frameCount : undefined,
      isDataOpen: this.#reader.type === FrameType.DATA,
      openBlock: this.#blocks.openStreamId,
    };
  }

  /** Takes the next bytes of a client; those before must have been read. */
  feed(chunk: Buffer): void {
    this.#reader.feed(chunk);
  }

  /**
   * Reads what has come, up to as many new streams as may be opened in one turn of the event loop.
   * @returns false where there may be more to read.
   * @throws ConnectionError where the client breaks a rule or a limit that ends the connection.
   */
  read(): boolean {
    const { streams, options } = this.#parts;
    const countMax = streams.begunCount + options.streamsPerTurnMax;
    while (!this.#isStopped && this.#reader.next()) {
      this.#frame();
      if (streams.begunCount >= countMax) return false;
    }
    this.#reader.release();
    return true;
  }

  /** Reads no further, not even what has come: what a frame does may end the connection. */
  stop(): void {
    this.#isStopped = true;
    this.#reader.release();
  }

  #frame(): void {
    const { type, flags, streamId } = this.#reader;
    const { openStreamId } = this.#blocks;
    if (openStreamId !== undefined && (type !== FrameType.CONTINUATION || streamId !== openStreamId))
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'a frame within a header block of another');
    if (!this.#hasSettings && (type !== FrameType.SETTINGS || (flags & Flag.ACK) !== 0))
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'a preface without SETTINGS');
    switch (type) {
      case FrameType.DATA:
        this.#parts.streams.data(this.#reader);
        break;
      case FrameType.HEADERS:
        this.#expectStream('HEADERS');
        this.#headers(this.#blocks.begin(this.#reader));
        break;
      case FrameType.CONTINUATION:
        this.#headers(this.#blocks.continue(this.#reader));
        break;
      case FrameType.WINDOW_UPDATE:
        this.#windowUpdate();
        break;
      case FrameType.RST_STREAM:
        this.#expectStream('RST_STREAM');
        this.#parts.streams.peerReset(streamId, this.#uint32('RST_STREAM'));
        break;
      default:
        this.#controlFrame();
    }
  }

  /** Frames of the connection, and those that nobody heeds. */
  #controlFrame(): void {
    this.#parts.meter.control(this.#parts.streams.nowMs);
    switch (this.#reader.type) {
      case FrameType.SETTINGS:
        this.#settings();
        break;
      case FrameType.PING:
        this.#ping();
        break;
      case FrameType.GOAWAY:
        this.#expectConnection('GOAWAY', 8, true);
        this.#parts.onGoaway();
        break;
      case FrameType.PRIORITY:
        this.#priority();
        break;
      case FrameType.PUSH_PROMISE:
        throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'PUSH_PROMISE of a client');
      default:
    }
  }

  #headers(block: HeaderBlock | undefined): void {
    if (block !== undefined) this.#parts.streams.headers(block);
  }

  #windowUpdate(): void {
    this.#parts.meter.control(this.#parts.streams.nowMs);
    const bytes = this.#uint32('WINDOW_UPDATE') & int31Max;
    const { streamId } = this.#reader;
    if (streamId !== 0) this.#parts.streams.widen(streamId, bytes);
    else if (bytes === 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'WINDOW_UPDATE by nothing');
    else this.#parts.sender.widen(bytes);
  }

  #settings(): void {
    const isAck = (this.#reader.flags & Flag.ACK) !== 0;
    this.#expectConnection('SETTINGS', 0, !isAck);
    if (isAck) {
      if (!this.#isHeard) this.#parts.streams.settingsHeard();
      this.#isHeard = true;
      return;
    }
    this.#hasSettings = true;
    const { tableBytes, windowBytes } = readSettings(this.#reader);
    // In front of the data that they let go.
    writeSettingsAck(this.#parts.output);
    for (const bytes of tableBytes) this.#parts.sender.setTableBytesMax(bytes);
    if (windowBytes !== undefined) this.#parts.streams.setSendWindow(windowBytes);
  }

  #ping(): void {
    this.#expectConnection('PING', 8, false);
    const { bytes, start, end, flags } = this.#reader;
    const data = bytes.subarray(start, end);
    if ((flags & Flag.ACK) === 0) writePing(this.#parts.output, data, true);
    else this.#parts.onPong(data);
  }

  /** Priorities are no more (RFC 9113, section 5.3.2); the form of the frame is still checked. */
  #priority(): void {
    const { bytes, start, end, streamId } = this.#reader;
    this.#expectStream('PRIORITY');
    if (end - start !== 5) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'PRIORITY of a wrong size');
    if ((bytes.readUInt32BE(start) & int31Max) === streamId)
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'PRIORITY of a stream that depends on itself');
  }

  #expectStream(what: string): void {
    if (this.#reader.streamId === 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, `${what} of no stream`);
  }

  #expectConnection(what: string, payloadBytes: number, mayBeLonger: boolean): void {
    const { start, end, streamId } = this.#reader;
    if (streamId !== 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, `${what} of a stream`);
    const bytes = end - start;
    if (bytes < payloadBytes || (bytes > payloadBytes && !mayBeLonger))
      throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, `${what} of ${bytes} bytes`);
  }

  /** The payload of a frame that has four bytes. */
  #uint32(what: string): number {
    const { bytes, start, end } = this.#reader;
    if (end - start !== 4) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, `${what} of ${end - start} bytes`);
    return bytes.readUInt32BE(start);
  }
}
