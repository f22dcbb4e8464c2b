import type { Socket } from 'node:net';
import { AbuseMeter } from './abuse-meter.ts';
import type { BufferPool } from './buffer-pool.ts';
import { writeGoaway, writeGreeting, writePing } from './control-frames.ts';
import { ConnectionError, ErrorCode } from './errors.ts';
import { int31Max } from './frame.ts';
import type { Http2Options } from './options.ts';
import { Output } from './output.ts';
import { Receiver } from './receiver.ts';
import type { RequestMemory } from './request-memory.ts';
import { Sender } from './sender.ts';
import { takeReads } from './socket-reads.ts';
import type { OnStream } from './stream.ts';
import { Streams } from './streams.ts';
import { Watch } from './watch.ts';

/** What a connection is made of. */
export interface ConnectionParts {
  readonly options: Http2Options;
  /** Shared by all connections of a server. */
  readonly pool: BufferPool;
  /** Shared as well. */
  readonly memory: RequestMemory;
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
  readonly #output: Output;
  readonly #sender: Sender;
  readonly #streams: Streams;
  readonly #receiver: Receiver;
  readonly #watch: Watch;
  /** `announced`: GOAWAY without a last stream was sent; `draining`: with one; `ended`: nothing more is read. */
  #phase: 'open' | 'announced' | 'draining' | 'ended' = 'open';
  #announcedMs = 0;
  /** Whether others have their turn before the rest of what has come. */
  #hasMore = false;
  /** Whether too much waits for the peer to take it. */
  #isFull = false;
  #isPaused = false;
  #endTimer: NodeJS.Timeout | undefined;

  /** @param socket Its first bytes are the client's preface. */
  constructor(socket: Socket, parts: ConnectionParts) {
    const { options, memory, onStream } = parts;
    const nowMs = performance.now();
    const meter = new AbuseMeter(options);
    const peer = `${socket.remoteAddress ?? 'a peer that has gone'}:${socket.remotePort ?? 0}`;
    this.#socket = socket;
    this.#parts = parts;
    this.#output = new Output(socket, parts.pool, () => this.#left());
    this.#sender = new Sender(this.#output, options, () => meter.useful());
    const shared = { options, meter, output: this.#output, sender: this.#sender };
    this.#streams = new Streams({ ...shared, memory, peer, onStream, onIdle: () => this.#idle() }, nowMs);
    this.#receiver = new Receiver({
      ...shared,
      streams: this.#streams,
      onPong: (data) => this.#pong(data),
      onGoaway: () => this.drain(),
    });
    this.#watch = new Watch(options, nowMs);
    memory.add(this.#streams.held);
    this.#listen();
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
    this.#cancelLate(nowMs);
    const facts = {
      ...this.#receiver.facts,
      movedBytes: this.#socket.bytesRead + this.#output.leftBytes,
      openCount: this.#streams.openCount,
      lastStreamId: this.#streams.lastServedId,
    };
    switch (this.#watch.look(facts, nowMs)) {
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
    // A client that does not answer PINGs is not waited for.
    const announcedMs = this.#phase === 'announced' ? nowMs - this.#announcedMs : 0;
    if (announcedMs >= this.#parts.options.closeGraceMs) this.#drainFinally();
  }

  #listen(): void {
    const socket = this.#socket;
    socket.setNoDelay(true);
    takeReads(socket, (chunk) => this.#receive(chunk));
    // A broken connection is noticed by its end.
    socket.on('error', () => {});
    socket.on('end', () => {
      // Half a connection is of no use: nobody could be told anything. But where it has ended, the last of it is still to be read.
      if (this.#phase !== 'ended') this.destroy();
    });
    socket.on('close', () => {
      clearTimeout(this.#endTimer);
      this.#lost();
    });
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
    this.#receiver.feed(chunk);
    this.#read();
  }

  /** Reads on in what has come. */
  #read(): void {
    this.#hasMore = false;
    this.#streams.nowMs = performance.now();
    try {
      this.#hasMore = !this.#receiver.read();
    } catch (cause) {
      const isKnown = cause instanceof ConnectionError;
      this.#fail(isKnown ? cause : new ConnectionError(ErrorCode.INTERNAL_ERROR, 'a mistake of ours', { cause }));
      return;
    }
    if (this.#phase === 'ended') return;
    this.#isFull = this.#output.unsentBytes > 2 * this.#parts.options.unsentBytesMax;
    this.#pace();
  }

  readonly #readOn = (): void => {
    if (this.#phase !== 'ended') this.#read();
  };

  /** Nothing is read while the peer takes too little of our answers, and nothing more comes while some is left to read. */
  #pace(): void {
    if (this.#hasMore && !this.#isFull) setImmediate(this.#readOn);
    const isPaused = this.#hasMore || this.#isFull;
    if (isPaused === this.#isPaused) return;
    this.#isPaused = isPaused;
    if (isPaused) this.#socket.pause();
    else this.#socket.resume();
  }

  #pong(data: Buffer): void {
    if (data.equals(keepaliveData)) this.#watch.answered();
    else if (data.equals(drainData) && this.#phase === 'announced') this.#drainFinally();
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
    this.#stop();
    this.#output.flush();
    const { closeGraceMs, keepaliveTimeoutMs } = this.#parts.options;
    // The client closes its side when it has read all; one that reads nothing is not waited for.
    this.#destroyAfter(keepaliveTimeoutMs);
    this.#socket.end(() => this.#destroyAfter(closeGraceMs));
  }

  /** Ends a connection whose peer broke a rule. */
  #fail(error: ConnectionError): void {
    const { code, message } = error;
    writeGoaway(this.#output, this.#streams.lastServedId, code, message);
    this.#output.flush();
    this.#stop();
    this.#socket.end();
    const { closeGraceMs, abuserGraceMs } = this.#parts.options;
    const isAbuse = code === ErrorCode.ENHANCE_YOUR_CALM;
    // What a flood still brings is not even read; what others do is, so that GOAWAY reaches them before the end of the connection.
    if (isAbuse) this.#socket.pause();
    this.#destroyAfter(isAbuse ? abuserGraceMs : closeGraceMs);
    this.#streams.endAll(code);
    this.#parts.onFailure(error);
  }

  #stop(): void {
    this.#phase = 'ended';
    this.#receiver.stop();
  }

  #destroyAfter(ms: number): void {
    clearTimeout(this.#endTimer);
    this.#endTimer = setTimeout(() => this.#socket.destroy(), ms).unref();
  }

  #left(): void {
    this.#sender.resume();
    if (!this.#isFull || this.#output.unsentBytes > this.#parts.options.unsentBytesMax) return;
    this.#isFull = false;
    if (this.#phase !== 'ended') this.#pace();
  }

  #lost(): void {
    this.#parts.memory.remove(this.#streams.held);
    if (this.#phase === 'ended' && this.#streams.openCount === 0) return;
    this.#stop();
    this.#streams.endAll(ErrorCode.CANCEL);
  }
}
