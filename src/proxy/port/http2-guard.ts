import { constants, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { Http2Options } from '../../http2/options.ts';

/** What one HTTP/2 connection may do. */
export interface Http2Limits
  extends Pick<
    Http2Options,
    | 'keepaliveIntervalMs'
    | 'keepaliveTimeoutMs'
    | 'readTimeoutMs'
    | 'idleMs'
    | 'ageMsMax'
    | 'youngStreamMs'
    | 'youngResetsMax'
    | 'youngResetsPerSecond'
    | 'closeGraceMs'
  > {
  /** Path of requests that have no end, and so no such limit as `readTimeoutMs`. Default: there are none. */
  readonly endlessPath?: string | undefined;
  /** Most PING and SETTINGS frames in a row to which our only output is their acknowledgement. */
  readonly controlFramesMax: number;
}

/** Why an HTTP/2 connection was ended that went wrong. */
export interface Http2End {
  /** What the peer did, or what went wrong. */
  readonly what: string;
  /** Whether the peer did what costs us more than it. */
  readonly isAbuse: boolean;
  /** The mistake of ours that it was; undefined: it was the peer's. */
  readonly mistake?: unknown;
}

interface OpenStream {
  readonly stream: ServerHttp2Stream;
  readonly openedMs: number;
  /** True once nothing more is expected from the client by a certain time. */
  requestWhole: boolean;
}

/** Bytes of a PING and of an acknowledgement of SETTINGS on the wire. */
const pingBytes = 17;
const settingsAckBytes = 9;

/** Connections that were opened together, as after a restart, do not end together. */
const ageJitter = 0.1;

/**
 * Watches over one HTTP/2 connection: is the peer alive, does it send its requests in time, does it abuse the protocol, may it be
 * closed. Node's own guards send GOAWAY and then leave the socket open; here it is destroyed.
 */
export class Http2Guard {
  readonly #session: ServerHttp2Session;
  readonly #socket: Socket;
  readonly #limits: Http2Limits;
  readonly #abused: (what: string) => void;
  readonly #streams = new Set<OpenStream>();
  readonly #ageMsMax: number;
  #firstUsedMs: number | undefined;
  #lastUsedMs: number;
  #lastPingMs: number;
  /** When the peer began to owe a sign of life; undefined when it owes none. */
  #silentSinceMs: number | undefined;
  #bytesReadAtPing = 0;
  #youngResets = 0;
  #youngResetsAtMs: number;
  #controlFrames = 0;
  #controlBytes = 0;
  #otherBytesSent = 0;
  #abusive = false;
  #endedSinceMs: number | undefined;

  /** @param abused is told once what the peer did, before its connection is ended. */
  constructor(session: ServerHttp2Session, socket: Socket, limits: Http2Limits, abused: (what: string) => void) {
    this.#session = session;
    this.#socket = socket;
    this.#limits = limits;
    this.#abused = abused;
    this.#lastUsedMs = performance.now();
    this.#lastPingMs = this.#lastUsedMs;
    this.#youngResetsAtMs = this.#lastUsedMs;
    this.#ageMsMax = limits.ageMsMax * (1 + ageJitter * (2 * Math.random() - 1));
    session.on('stream', (stream, headers) => this.#watch(stream, headers));
    session.on('ping', () => this.#controlFrame(pingBytes));
    session.on('remoteSettings', () => this.#controlFrame(settingsAckBytes));
    session.on('error', ignore);
  }

  /** To be called about once a second. */
  sweep(nowMs: number): void {
    if (this.#session.destroyed) {
      // Node waits for the peer to close its side, however long that takes.
      this.#endedSinceMs ??= nowMs;
      if (nowMs - this.#endedSinceMs >= this.#limits.closeGraceMs) this.#socket.destroy();
      return;
    }
    this.#checkLife(nowMs);
    this.#checkRequests(nowMs);
    if (this.#streams.size > 0) this.#lastUsedMs = nowMs;
    else if (nowMs - this.#lastUsedMs >= this.#limits.idleMs) this.drain();
    if (this.#isAged(nowMs)) this.drain();
  }

  /**
   * Lets open streams end and takes no new ones: GOAWAY names the last, so that clients send the others elsewhere. There is no first GOAWAY
   * without a last stream (RFC 9113, section 6.8), since behind any that Node sends it ignores new streams; clients of gRPC begin what
   * GOAWAY says was not served anew by themselves.
   */
  drain(): void {
    this.#session.close();
  }

  /** From its first stream on: clients begin a call anew once only, so the connection that they then open must take it. */
  #isAged(nowMs: number): boolean {
    return this.#ageMsMax > 0 && this.#firstUsedMs !== undefined && nowMs - this.#firstUsedMs >= this.#ageMsMax;
  }

  #watch(stream: ServerHttp2Stream, { ':path': path }: IncomingHttpHeaders): void {
    const isEndless = path !== undefined && path === this.#limits.endlessPath;
    const open: OpenStream = { stream, openedMs: performance.now(), requestWhole: stream.endAfterHeaders || isEndless };
    this.#firstUsedMs ??= open.openedMs;
    this.#streams.add(open);
    stream.on('error', ignore);
    stream.once('close', () => {
      this.#streams.delete(open);
      // Aborted: reset before our answer was whole.
      if (stream.aborted && performance.now() - open.openedMs < this.#limits.youngStreamMs) this.#youngReset();
    });
  }

  #youngReset(): void {
    const nowMs = performance.now();
    const forgiven = ((nowMs - this.#youngResetsAtMs) / 1000) * this.#limits.youngResetsPerSecond;
    this.#youngResets = Math.max(0, this.#youngResets - forgiven) + 1;
    this.#youngResetsAtMs = nowMs;
    if (this.#youngResets > this.#limits.youngResetsMax) this.#endForAbuse('streams reset as soon as they were opened');
  }

  /** Clients that stream measure their bandwidth with PINGs, so only those count that come while we have nothing to send. */
  #controlFrame(acknowledgementBytes: number): void {
    this.#controlBytes += acknowledgementBytes;
    this.#controlFrames += 1;
    const otherBytesSent = this.#socket.bytesWritten - this.#controlBytes;
    if (otherBytesSent > this.#otherBytesSent) {
      this.#otherBytesSent = otherBytesSent;
      this.#controlFrames = 0;
    }
    if (this.#controlFrames > this.#limits.controlFramesMax) this.#endForAbuse('a flood of PING or SETTINGS frames');
  }

  #endForAbuse(what: string): void {
    if (this.#abusive) return;
    this.#abusive = true;
    this.#abused(what);
    // The grace is for the peer to read why; a peer that does not read is not waited for.
    setTimeout(() => this.#socket.destroy(), this.#limits.closeGraceMs).unref();
    this.#session.destroy(new Error(what), constants.NGHTTP2_ENHANCE_YOUR_CALM);
  }

  #checkLife(nowMs: number): void {
    if (this.#silentSinceMs === undefined) {
      if (nowMs - this.#lastPingMs < this.#limits.keepaliveIntervalMs) return;
      this.#lastPingMs = nowMs;
      this.#silentSinceMs = nowMs;
      this.#bytesReadAtPing = this.#socket.bytesRead;
      // A PING of ours is nothing that the peer made us say.
      this.#controlBytes += pingBytes;
      this.#session.ping((error) => {
        if (error === null) this.#silentSinceMs = undefined;
      });
    } else if (this.#socket.bytesRead !== this.#bytesReadAtPing) {
      // The answer may wait behind a large upload: any byte is a sign of life.
      this.#bytesReadAtPing = this.#socket.bytesRead;
      this.#silentSinceMs = nowMs;
    } else if (nowMs - this.#silentSinceMs >= this.#limits.keepaliveTimeoutMs) {
      this.#session.destroy();
      this.#socket.destroy();
    }
  }

  #checkRequests(nowMs: number): void {
    for (const open of this.#streams) {
      if (open.stream.writableFinished) stopRequest(open.stream);
      if (open.requestWhole || nowMs - open.openedMs < this.#limits.readTimeoutMs) continue;
      open.requestWhole = open.stream.state.remoteClose === 1;
      if (!open.requestWhole) open.stream.close(constants.NGHTTP2_CANCEL);
    }
  }
}

/**
 * Behind the whole answer a client need not send the rest of its request (RFC 9113, section 8.1), for which Node would wait. nghttp2 drops
 * trailers that wait to be written.
 */
function stopRequest(stream: ServerHttp2Stream): void {
  const { localClose, remoteClose } = stream.state;
  if (localClose === 1 && remoteClose !== 1) stream.close(constants.NGHTTP2_NO_ERROR);
}

function ignore(): void {}
