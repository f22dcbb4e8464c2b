import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { onTestFinished } from 'vitest';
import { BufferPool } from '../../src/http2/buffer-pool.ts';
import { Http2Connection } from '../../src/http2/connection.ts';
import type { ConnectionError } from '../../src/http2/errors.ts';
import { type Http2Options, http2Defaults } from '../../src/http2/options.ts';
import { RequestMemory } from '../../src/http2/request-memory.ts';
import type { Http2Stream, OnStream, StreamHandler } from '../../src/http2/stream.ts';

export interface StartedHttp2 {
  readonly port: number;
  /** In the order in which they came. */
  readonly connections: Http2Connection[];
  readonly sockets: Socket[];
  readonly streams: Http2Stream[];
  /** Why connections were ended. */
  readonly failures: ConnectionError[];
  readonly memory: RequestMemory;
}

/** Does nothing with what comes, but to take it. */
export function takeAll(stream: Http2Stream, more: Partial<StreamHandler> = {}): StreamHandler {
  return {
    data: (chunk) => stream.consumed(chunk.length),
    trailers: () => {},
    reset: () => {},
    drain: () => {},
    ...more,
  };
}

/** Answers with the body that it is sent as it comes, no faster than it is taken, and with the trailers. */
export const echoStream: OnStream = (stream) => {
  let waitingBytes = 0;
  const isWhole = stream.isWhole;
  stream.sendHeaders([{ name: ':status', value: '200' }], isWhole);
  return takeAll(stream, {
    data: (chunk, isLast) => {
      if (stream.sendData(chunk, isLast)) stream.consumed(chunk.length);
      else waitingBytes += chunk.length;
    },
    drain: () => {
      stream.consumed(waitingBytes);
      waitingBytes = 0;
    },
    trailers: (fields) => stream.sendTrailers(fields),
  });
};

/** An HTTP/2 server on any port, swept every 10 ms; closed when the test ends. @param tls Undefined: cleartext. */
export async function startHttp2(
  options: Partial<Http2Options> = {},
  onStream = echoStream,
  tls?: TlsOptions,
  memory = new RequestMemory(Number.POSITIVE_INFINITY),
): Promise<StartedHttp2> {
  const pool = new BufferPool();
  const connections: Http2Connection[] = [];
  const live = new Set<Http2Connection>();
  const sockets: Socket[] = [];
  const streams: Http2Stream[] = [];
  const failures: ConnectionError[] = [];
  const serve = (socket: Socket): void => {
    sockets.push(socket);
    const connection = new Http2Connection(socket, {
      options: { ...http2Defaults, ...options },
      pool,
      memory,
      onStream: (stream) => {
        streams.push(stream);
        return onStream(stream);
      },
      onFailure: (error) => failures.push(error),
    });
    connections.push(connection);
    live.add(connection);
    socket.once('close', () => live.delete(connection));
  };
  const server = tls === undefined ? createServer(serve) : createTlsServer({ ...tls, ALPNProtocols: ['h2'] }, serve);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const sweeper = setInterval(() => {
    const nowMs = performance.now();
    for (const connection of live) connection.sweep(nowMs);
  }, 10);
  onTestFinished(() => {
    clearInterval(sweeper);
    server.close();
    for (const connection of live) connection.destroy();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return { port: address.port, connections, sockets, streams, failures, memory };
}
