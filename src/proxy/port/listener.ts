import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { Socket } from 'node:net';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { RequestMemory } from '../../http2/request-memory.ts';
import type { OnStream } from '../../http2/stream.ts';
import type { Log } from '../../log.ts';
import { refusePlaintext } from '../access/plaintext.ts';
import { awaitProtocol, type WireProtocol } from './first-bytes.ts';
import { HeldRefusals } from './held-refusals.ts';
import { listen } from './listen.ts';
import { connectionCountMax, type ListenerLimits, listenerLimits } from './listener-limits.ts';
import { NodeHttp2 } from './node-http2.ts';
import { Offenders } from './offenders.ts';
import { OwnHttp2 } from './own-http2.ts';
import type { TlsMaterial } from './tls-files.ts';
import { TlsPort } from './tls-port.ts';

/** One request of either HTTP version: the shape of connect-node's adapter. It must not throw. */
export type RequestHandler = (
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
) => void;

/** What the listener counts: `ProxyMetrics` does. */
export interface ConnectionCounter {
  connectionOpened(): void;
  connectionClosed(): void;
  connectionRefused(): void;
  error(): void;
}

export interface ListenerOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Most streams at a time on one HTTP/2 connection. */
  readonly maxConcurrent: number;
  /** Most connections at a time; more are closed at once. */
  readonly maxConnections: number;
  /** Most of them from one address. Unset: any number. */
  readonly maxConnectionsPerAddress?: number | undefined;
  /** How long an address gets no new connections that goes on with abuse; 0: it is never refused. Default: 60,000. */
  readonly abuserRefusalMs?: number | undefined;
  /** MiB that requests over our own HTTP/2 core may hold; default: 128. */
  readonly requestMegabytes?: number | undefined;
  readonly readTimeoutMs: number;
  /** Path of requests that have no end, and so no such limit, over HTTP/2. Default: there are none. */
  readonly endlessPath?: string | undefined;
  readonly keepaliveIntervalMs: number;
  readonly keepaliveTimeoutMs: number;
  /** How old an HTTP/2 connection gets, give or take a tenth, before its client is told to open another one. Default 0: any age. */
  readonly connectionAgeMsMax?: number | undefined;
  /** Unset: cleartext. */
  readonly tls?: TlsMaterial | undefined;
  /** Serves HTTP/1.1, and HTTP/2 where nothing else does. */
  readonly handler: RequestHandler;
  /** Serves HTTP/2 on our own core. Default: `handler` does, on Node's. */
  readonly onStream?: OnStream | undefined;
  readonly counter: ConnectionCounter;
  readonly log: Log;
  /** For tests. Default: `listenerLimits`. */
  readonly limits?: Partial<ListenerLimits>;
}

const abuserRefusalMsDefault = 60_000;
const requestMegabytesDefault = 128;
const megabyte = 1_048_576;
/** How often at most the log is told that requests were ended for want of memory. */
const shedLogIntervalMs = 10_000;

/** One accepted connection. */
interface Connection {
  /** As it was accepted: below TLS. */
  readonly socket: Socket;
  /** Kept, since a closed socket no longer knows. */
  readonly peer: string;
  /** Undefined until its first bytes have come. */
  protocol: WireProtocol | undefined;
  /** Only for HTTP/2. */
  http2: Http2Connection | undefined;
}

/** An HTTP/2 connection, whoever serves it. */
interface Http2Connection {
  /** Lets open streams end, takes no new ones, and then closes. */
  drain(): void;
  /** To be called about once a second, with `performance.now()`. */
  sweep(nowMs: number): void;
}

/**
 * One port for gRPC (HTTP/2), gRPC-web and Connect (HTTP/1.1 and HTTP/2), in cleartext or by TLS. One handler serves both versions of HTTP on Node's servers;
 * which of them a connection goes to is decided by its first bytes, those behind the TLS handshake where there is one.
 */
export class Listener {
  readonly #options: ListenerOptions;
  readonly #limits: ListenerLimits;
  /** Listens, and serves HTTP/1.1. */
  readonly #http1: Server;
  readonly #http2: NodeHttp2 | OwnHttp2;
  /** Undefined where the port is cleartext. */
  readonly #tls: TlsPort | undefined;
  readonly #connections = new Set<Connection>();
  /** Connections by the address that they come from. */
  readonly #addresses = new Map<string, number>();
  readonly #offenders: Offenders;
  readonly #refusals = new HeldRefusals();
  #shedLoggedMs = Number.NEGATIVE_INFINITY;
  readonly #connectionCountMax: number;
  readonly #http1Responses = new Set<ServerResponse>();
  readonly #sweeper: NodeJS.Timeout;
  #port = 0;
  #stopped: Promise<void> | undefined;
  #drained: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  private constructor(options: ListenerOptions) {
    this.#options = options;
    this.#offenders = new Offenders(options.abuserRefusalMs ?? abuserRefusalMsDefault);
    this.#limits = { ...listenerLimits, ...options.limits };
    this.#connectionCountMax = this.#limitConnections();
    const { connectionAgeMsMax: ageMsMax = 0, keepaliveIntervalMs, keepaliveTimeoutMs } = options;
    const { readTimeoutMs, endlessPath } = options;
    const set = { ageMsMax, keepaliveIntervalMs, keepaliveTimeoutMs, readTimeoutMs, endlessPath };
    const http2Limits = { ...this.#limits, ...set };
    const { onStream, maxConcurrent } = options;
    this.#http1 = this.#createHttp1();
    this.#http2 =
      onStream === undefined
        ? new NodeHttp2(http2Limits, maxConcurrent, (request, response) => this.#handle(request, response))
        : new OwnHttp2(http2Limits, maxConcurrent, { memory: this.#createMemory(), onStream });
    this.#tls = this.#createTls();
    this.#sweeper = setInterval(() => this.#sweep(), this.#limits.sweepMs).unref();
  }

  /** @throws ListenError when the port cannot be had. */
  static async start(options: ListenerOptions): Promise<Listener> {
    const listener = new Listener(options);
    const { host, port } = options;
    try {
      listener.#port = await listen(listener.#http1, { host, port, portSetting: 'GRPC_PORT' });
    } catch (error) {
      clearInterval(listener.#sweeper);
      throw error;
    }
    return listener;
  }

  /** The port that it listens on. */
  get port(): number {
    return this.#port;
  }

  /** Shows another certificate, and trusts other authorities, from the next connection on. */
  renewTls(material: TlsMaterial): void {
    this.#tls?.renew(material);
  }

  /**
   * Takes no new connections and calls, waits up to `timeoutMs` for the calls in progress, then closes. Streams without an end of
   * their own are for their handlers to end.
   */
  drain(timeoutMs: number): Promise<void> {
    this.#drained ??= this.#drain(timeoutMs);
    return this.#drained;
  }

  /** Ends everything at once. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #drain(timeoutMs: number): Promise<void> {
    for (const response of this.#http1Responses) announceClose(response);
    // A listening socket takes with it what waits to be accepted, so that is accepted first: in the turn of the event loop before.
    await nextTurn();
    await nextTurn();
    const stopped = this.#stop();
    this.#refusals.end();
    for (const { http2 } of this.#connections) http2?.drain();
    // What a new connection is about to say may be a call already.
    setTimeout(() => this.#dropSilent(), this.#limits.closeGraceMs).unref();
    const given = new AbortController();
    await Promise.race([stopped, sleep(timeoutMs, undefined, given).catch(ignore)]);
    given.abort();
    await this.close();
  }

  #dropSilent(): void {
    for (const { socket, protocol } of this.#connections) if (protocol === undefined) socket.destroy();
  }

  async #close(): Promise<void> {
    const stopped = this.#stop();
    this.#refusals.end();
    clearInterval(this.#sweeper);
    // The server says that it has closed a moment before the last connections do.
    const ends = [...this.#connections].map(({ socket }) => once(socket, 'close'));
    for (const { socket } of this.#connections) socket.destroy();
    await Promise.all([stopped, ...ends]);
  }

  /** Stops accepting; fulfilled when the last connection has gone. */
  #stop(): Promise<void> {
    this.#stopped ??= new Promise((resolve) => {
      this.#http1.close(() => resolve());
    });
    return this.#stopped;
  }

  #limitConnections(): number {
    const { maxConnections, log } = this.#options;
    const countMax = connectionCountMax(maxConnections);
    if (countMax < maxConnections)
      log.warn(
        { connections: countMax },
        'the system lets this process have too few open files for PROXY_MAX_CONNECTIONS: raise that limit, or expect clients to be refused',
      );
    return countMax;
  }

  #createMemory(): RequestMemory {
    const { requestMegabytes = requestMegabytesDefault, log } = this.#options;
    return new RequestMemory(requestMegabytes * megabyte, (peer) => {
      const nowMs = performance.now();
      if (nowMs - this.#shedLoggedMs < shedLogIntervalMs) return;
      this.#shedLoggedMs = nowMs;
      log.warn(
        { peer },
        'requests hold more than PROXY_REQUEST_MB: ended unfinished ones, of the address that has most of them',
      );
    });
  }

  #createHttp1(): Server {
    const { readTimeoutMs } = this.#options;
    const limits = this.#limits;
    const server = createServer({
      maxHeaderSize: limits.headerBytesMax,
      headersTimeout: Math.min(limits.headersMs, readTimeoutMs),
      requestTimeout: readTimeoutMs,
      connectionsCheckingInterval: limits.sweepMs,
      keepAliveTimeout: limits.idleMs,
      keepAlive: true,
      keepAliveInitialDelay: this.#options.keepaliveIntervalMs,
    });
    server.maxHeadersCount = limits.headerFieldsMax;
    server.on('request', (request, response) => this.#handleHttp1(request, response));
    // Node enforces the time limits of HTTP/1.1 only in a server that listens itself; so this one does, and gives the others away.
    const [serve] = server.listeners('connection');
    server.removeAllListeners('connection');
    server.on('connection', (socket) =>
      this.#accept(socket, (ready) => {
        serve?.call(server, ready);
        ready.resume();
      }),
    );
    return server;
  }

  #createTls(): TlsPort | undefined {
    const { tls: material, counter, log } = this.#options;
    if (material === undefined) return undefined;
    return new TlsPort({
      material,
      handshakeMs: this.#limits.firstBytesMs,
      onFailure: (error, peer) => {
        counter.connectionRefused();
        log.debug({ peer, err: error }, 'a TLS handshake failed');
      },
    });
  }

  #accept(socket: Socket, serveHttp1: (ready: Socket) => void): void {
    const peer = socket.remoteAddress ?? 'a peer that has gone';
    if (!this.#letIn(socket, peer)) return;
    const connection: Connection = { socket, peer, protocol: undefined, http2: undefined };
    this.#connections.add(connection);
    this.#options.counter.connectionOpened();
    // A broken connection is noticed by its end.
    socket.on('error', ignore);
    socket.once('close', () => {
      this.#connections.delete(connection);
      this.#countPeer(peer, -1);
      this.#options.counter.connectionClosed();
    });
    const serve = (ready: Socket, protocol: WireProtocol): void => {
      connection.protocol = protocol;
      if (protocol === 'http2') this.#serveHttp2(connection, ready);
      else serveHttp1(ready);
    };
    awaitProtocol(socket, this.#limits.firstBytesMs, (protocol) => {
      if (this.#tls === undefined) serve(socket, protocol);
      else if (protocol !== 'tls') refusePlaintext(socket, protocol);
      else this.#tls.accept(socket, (secure) => this.#awaitSecure(secure, serve));
    });
  }

  /** @returns false for a connection that is refused. */
  #letIn(socket: Socket, peer: string): boolean {
    const { maxConnectionsPerAddress = Number.POSITIVE_INFINITY, counter } = this.#options;
    // Not by the server's own limit: a worker that refuses by that gets the same connection again and again.
    const isFull = this.#connections.size + this.#refusals.count >= this.#connectionCountMax;
    const isOfOffender = this.#offenders.areRefused(peer);
    if (!isFull && !isOfOffender && this.#countPeer(peer, 1, maxConnectionsPerAddress)) return true;
    counter.connectionRefused();
    if (isOfOffender && !isFull) this.#refusals.hold(socket);
    else socket.destroy();
    return false;
  }

  /** @returns false where that would be too many. */
  #countPeer(peer: string, change: 1 | -1, max = Number.POSITIVE_INFINITY): boolean {
    const count = (this.#addresses.get(peer) ?? 0) + change;
    if (count > max) return false;
    if (count === 0) this.#addresses.delete(peer);
    else this.#addresses.set(peer, count);
    return true;
  }

  #awaitSecure(secure: Socket, serve: (ready: Socket, protocol: WireProtocol) => void): void {
    secure.on('error', ignore);
    awaitProtocol(secure, this.#limits.firstBytesMs, (protocol) => serve(secure, protocol));
  }

  #serveHttp2(connection: Connection, socket: Socket): void {
    const { peer } = connection;
    connection.http2 = this.#http2.serve(socket, ({ what, isAbuse, mistake }) => {
      const { counter, log } = this.#options;
      counter.error();
      if (isAbuse) this.#offenders.add(peer);
      if (mistake === undefined) log.warn({ peer }, `closed an HTTP/2 connection for ${what}`);
      else log.error({ peer, err: mistake }, `closed an HTTP/2 connection for ${what}`);
    });
    // It comes late, with a call that nobody could send elsewhere.
    if (this.#drained !== undefined) setTimeout(() => connection.http2?.drain(), this.#limits.closeGraceMs).unref();
  }

  #handleHttp1(request: IncomingMessage, response: ServerResponse): void {
    this.#http1Responses.add(response);
    response.once('close', () => {
      this.#http1Responses.delete(response);
      // Where the client could not be told any more, its connection counts as idle from the next turn on.
      if (this.#stopped !== undefined) setImmediate(() => this.#http1.closeIdleConnections());
    });
    if (this.#drained !== undefined) announceClose(response);
    this.#handle(request, response);
  }

  #handle(request: IncomingMessage | Http2ServerRequest, response: ServerResponse | Http2ServerResponse): void {
    request.on('error', ignore);
    response.on('error', ignore);
    try {
      this.#options.handler(request, response);
    } catch (error) {
      this.#options.counter.error();
      this.#options.log.error({ error }, 'a request handler threw');
      if (response.headersSent) request.socket.destroy();
      else response.writeHead(500).end();
    }
  }

  #sweep(): void {
    const nowMs = performance.now();
    for (const { http2 } of this.#connections) http2?.sweep(nowMs);
  }
}

function announceClose(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('connection', 'close');
}

function ignore(): void {}
