import {
  createServer,
  type Http2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from 'node:http2';
import type { Socket } from 'node:net';
import { type Http2End, Http2Guard, type Http2Limits } from './http2-guard.ts';
import type { ListenerLimits } from './listener-limits.ts';

/** HTTP/2 by Node's own server, which does not listen: it is handed its connections. */
export class NodeHttp2 {
  readonly #server: Http2Server;
  readonly #limits: ListenerLimits & Http2Limits;

  /** @param maxConcurrent streams at a time on one connection. */
  constructor(
    limits: ListenerLimits & Http2Limits,
    maxConcurrent: number,
    handle: (request: Http2ServerRequest, response: Http2ServerResponse) => void,
  ) {
    this.#limits = limits;
    this.#server = createServer({
      maxSessionMemory: limits.sessionMemoryMb,
      maxHeaderListPairs: limits.headerFieldsMax,
      settings: {
        enablePush: false,
        maxConcurrentStreams: maxConcurrent,
        maxHeaderListSize: limits.headerBytesMax,
        initialWindowSize: limits.streamWindowBytes,
      },
    });
    this.#server.on('request', (request, response) => {
      // Streams that were reset before their turn cost nothing more.
      if (!response.stream.destroyed) handle(request, response);
    });
  }

  /** @param failed is told once what the peer did, before its connection is ended. */
  serve(socket: Socket, failed: (end: Http2End) => void): Http2Guard | undefined {
    // The HTTP/1.1 server lets clients half-close. In HTTP/2 that is how one ends that was killed, and nothing else tells of it.
    socket.allowHalfOpen = false;
    let guard: Http2Guard | undefined;
    const adopt = (session: ServerHttp2Session): void => {
      session.setLocalWindowSize(this.#limits.connectionWindowBytes);
      guard = new Http2Guard(session, socket, this.#limits, (what) => failed({ what, isAbuse: true }));
    };
    // Emitted before `emit` returns.
    this.#server.once('session', adopt);
    this.#server.emit('connection', socket);
    this.#server.off('session', adopt);
    return guard;
  }
}
