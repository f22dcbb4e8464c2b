import type { Socket } from 'node:net';
import { AbuseMeter } from './abuse-meter.ts';
import type { BufferPool } from './buffer-pool.ts';
import { writeGoaway, writeGreeting, writePing, writeSettingsAck } from './control-frames.ts';
import { ConnectionError, ErrorCode } from './errors.ts';
import { Flag, FrameType, int31Max } from './frame.ts';
import { FrameReader } from './frame-reader.ts';
import { type HeaderBlock, HeaderBlocks } from './header-blocks.ts';
import type { Http2Options } from './options.ts';
import { Output } from './output.ts';
import { Sender } from './sender.ts';
import { readSettings } from './settings.ts';
import type { OnStream } from './stream.ts';
import { Streams } from './streams.ts';
import { type ConnectionFacts, Watch } from './watch.ts';

/** What a connection is made of. */
export interface ConnectionParts {
  readonly options: Http2Options;
  /** Shared by all connections of a server. */
  readonly pool: BufferPool;
  readonly onStream: OnStream;
  /** Hears why we ended the connection, where the peer broke a rule or a limit, or a handler threw (INTERNAL_ERROR). Not of drains. */
  readonly onFailure: (error: ConnectionError) => void;
}

/** What our PINGs carry: whether one asks for a sign of life, or whether everything that was sent before our GOAWAY has come. */
const keepaliveData = Buffer.from('are you?', 'latin1');
const drainData = Buffer.from('all here', 'latin1');

/**
 * The server's side of one HTTP/2 connection in cleartext or behind TLS (RFC 9113): it greets, serves streams, and ends the connection when
 * the peer breaks a rule, abuses it, gives no sign of life, or takes too long. It has no timers but one for its end: `sweep` must be called.
 */
export class Http2Connection {
  readonly #socket: Socket;
  readonly #parts: ConnectionParts;
  readonly #reader = new FrameReader();
  readonly #blocks: HeaderBlocks;
  readonly #meter: AbuseMeter;
  readonly #output: Output;
  readonly #sender: Sender;
  readonly #streams: Streams;
  readonly #watch: Watch;
  /** `announced`: GOAWAY without a last stream was sent; `draining`: with one; `ended`: nothing more is read. */
  #phase: 'open' | 'announced' | 'draining' | 'ended' = 'open';
  #announcedMs = 0;
  #hasSettings = false;
  #isHeard = false;
  #isPaused = false;

  /** @param socket Its first bytes are the client's preface. */
  constructor(socket: Socket, parts: ConnectionParts) {
    const { options } = parts;
    const nowMs = performance.now();
    this.#socket = socket;
    this.#parts = parts;
    this.#blocks = new HeaderBlocks(options);
    this.#meter = new AbuseMeter(options);
    this.#output = new Output(socket, parts.pool, () => this.#left());
    this.#sender = new Sender(this.#output, options, () => this.#meter.useful());
    const peer = `${socket.remoteAddress ?? 'a peer that has gone'}:${socket.remotePort ?? 0}`;
    const shared = { output: this.#output, sender: this.#sender, meter: this.#meter };
    const { onStream } = parts;
    this.#streams = new Streams({ ...shared, options, peer, onStream, onIdle: () => this.#idle() }, nowMs);
    this.#watch = new Watch(options, nowMs);
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    // A broken connection is noticed by its end.
    socket.on('error', () => {});
    // Half a connection is of no use: nobody could be told anything.
    socket.on('end', () => this.destroy());
    socket.on('close', () => this.#lost());
    writeGreeting(this.#output, options);
    socket.resume();
  }

  /** Streams that are open. */
  get openCount(): number {
    return this.#streams.openCount;
  }

  /**
   * Lets open streams end, takes no new ones, and then closes. A client is told first that this is coming, and then which streams were
   * too late, so that none is lost that was on its way (RFC 9113, section 6.8).
   */
  drain(): void {
    if (this.#phase !== 'open') return;
    this.#phase = 'announced';
    this.#announcedMs = performance.now();
    writeGoaway(this.#output, int31Max, ErrorCode.NO_ERROR, '');
    writePing(this.#output, drainData, false);
  }

  /** Ends everything at once. */
  destroy(): void {
    this.#socket.destroy();
    this.#lost();
  }

  /** To be called about once a second, with `performance.now()`. */
  sweep(nowMs: number): void {
    if (this.#phase === 'ended') return;
    const { closeGraceMs } = this.#parts.options;
    if (this.#phase === 'announced' && nowMs - this.#announcedMs >= closeGraceMs) this.#drainFinally();
    this.#cancelLate(nowMs);
    switch (this.#watch.look(this.#facts(), nowMs)) {
      case 'ping':
        writePing(this.#output, keepaliveData, false);
        break;
      case 'drain':
        this.drain();
        break;
      case 'destroy':
        this.destroy();
        break;
      case 'settings are late':
        this.#fail(new ConnectionError(ErrorCode.SETTINGS_TIMEOUT, 'SETTINGS that did not come in time'));
        break;
      case 'a frame is late':
        this.#fail(new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, 'a frame whose end did not come in time'));
        break;
      default:
    }
  }

  #facts(): ConnectionFacts {
    return {
      isSettled: this.#hasSettings && this.#isHeard,
      movedBytes: this.#socket.bytesRead + this.#output.leftBytes,
      openCount: this.#streams.openCount,
      lastStreamId: this.#streams.lastServedId,
      openFrame: this.#reader.isWithinFrame ? this.#reader.frameCount : undefined,
      isDataOpen: this.#reader.type === FrameType.DATA,
      openBlock: this.#blocks.openStreamId,
    };
  }

  #cancelLate(nowMs: number): void {
    const { readTimeoutMs, firstDataMs } = this.#parts.options;
    for (const stream of this.#streams) {
      if (stream.isRequestWhole || stream.mayLast) continue;
      const ageMs = nowMs - stream.openedMs;
      if (ageMs >= readTimeoutMs || (!stream.hasData && ageMs >= firstDataMs)) this.#streams.cancel(stream);
    }
  }

  #receive(chunk: Buffer): void {
    if (this.#phase === 'ended') return;
    this.#streams.nowMs = performance.now();
    try {
      this.#reader.feed(chunk);
      while (this.#isServing() && this.#reader.next()) this.#frame();
    } catch (cause) {
      const isKnown = cause instanceof ConnectionError;
      this.#fail(isKnown ? cause : new ConnectionError(ErrorCode.INTERNAL_ERROR, 'a mistake of ours', { cause }));
      return;
    }
    if (this.#output.unsentBytes > 2 * this.#parts.options.unsentBytesMax) {
      this.#isPaused = true;
      this.#socket.pause();
    }
  }

  /** Whether frames are still worked on: what one of them does may end the connection. */
  #isServing(): boolean {
    return this.#phase !== 'ended';
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
        this.#streams.data(this.#reader);
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
        this.#streams.peerReset(streamId, this.#uint32('RST_STREAM'));
        break;
      default:
        this.#controlFrame();
    }
  }

  /** Frames of the connection, and those that nobody heeds. */
  #controlFrame(): void {
    this.#meter.control(this.#streams.nowMs);
    switch (this.#reader.type) {
      case FrameType.SETTINGS:
        this.#settings();
        break;
      case FrameType.PING:
        this.#ping();
        break;
      case FrameType.GOAWAY:
        this.#expectConnection('GOAWAY', 8, true);
        // The client opens no more streams that it expects to be served.
        this.drain();
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
    if (block !== undefined) this.#streams.headers(block);
  }

  #windowUpdate(): void {
    this.#meter.control(this.#streams.nowMs);
    const bytes = this.#uint32('WINDOW_UPDATE') & int31Max;
    const { streamId } = this.#reader;
    if (streamId !== 0) this.#streams.widen(streamId, bytes);
    else if (bytes === 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'WINDOW_UPDATE by nothing');
    else this.#sender.widen(bytes);
  }

  #settings(): void {
    const isAck = (this.#reader.flags & Flag.ACK) !== 0;
    this.#expectConnection('SETTINGS', 0, !isAck);
    if (isAck) {
      if (!this.#isHeard) this.#streams.settingsHeard();
      this.#isHeard = true;
      return;
    }
    this.#hasSettings = true;
    const { tableBytes, windowBytes } = readSettings(this.#reader);
    // In front of the data that they let go.
    writeSettingsAck(this.#output);
    for (const bytes of tableBytes) this.#sender.setTableBytesMax(bytes);
    if (windowBytes !== undefined) this.#streams.setSendWindow(windowBytes);
  }

  #ping(): void {
    this.#expectConnection('PING', 8, false);
    const { bytes, start, end, flags } = this.#reader;
    const data = bytes.subarray(start, end);
    if ((flags & Flag.ACK) === 0) writePing(this.#output, data, true);
    else if (data.equals(keepaliveData)) this.#watch.answered();
    else if (data.equals(drainData) && this.#phase === 'announced') this.#drainFinally();
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

  #drainFinally(): void {
    this.#phase = 'draining';
    this.#streams.refuseNew();
    writeGoaway(this.#output, this.#streams.lastServedId, ErrorCode.NO_ERROR, '');
    this.#idle();
  }

  /** Closes when the last stream of a connection that is drained has ended. */
  #idle(): void {
    if (this.#phase !== 'draining' || this.#streams.openCount > 0) return;
    this.#phase = 'ended';
    this.#output.flush();
    const { closeGraceMs, keepaliveTimeoutMs } = this.#parts.options;
    // The client closes its side when it has read all; one that reads nothing is not waited for.
    this.#socket.end(() => this.#destroyAfter(closeGraceMs));
    this.#destroyAfter(keepaliveTimeoutMs);
  }

  /** Ends a connection whose peer broke a rule. */
  #fail(error: ConnectionError): void {
    const { code, message } = error;
    writeGoaway(this.#output, this.#streams.lastServedId, code, message);
    this.#output.flush();
    this.#phase = 'ended';
    this.#socket.end();
    // What a flood still brings is not even read; what others do is, so that GOAWAY reaches them before the end of the connection.
    if (code === ErrorCode.ENHANCE_YOUR_CALM) this.#socket.pause();
    this.#destroyAfter(this.#parts.options.closeGraceMs);
    this.#streams.endAll(code);
    this.#parts.onFailure(error);
  }

  #destroyAfter(ms: number): void {
    setTimeout(() => this.#socket.destroy(), ms).unref();
  }

  #left(): void {
    this.#sender.resume();
    if (!this.#isPaused || this.#output.unsentBytes > this.#parts.options.unsentBytesMax) return;
    this.#isPaused = false;
    this.#socket.resume();
  }

  #lost(): void {
    if (this.#phase === 'ended' && this.#streams.openCount === 0) return;
    this.#phase = 'ended';
    this.#streams.endAll(ErrorCode.CANCEL);
  }
}
