import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { expect, onTestFinished } from 'vitest';
import { ProxyMetrics } from '../../src/proxy/metrics.ts';
import { Listener, type ListenerOptions, type RequestHandler } from '../../src/proxy/port/listener.ts';
import { RawHttp2Client } from './raw-http2.ts';

export interface StartedListener {
  readonly listener: Listener;
  readonly port: number;
  readonly metrics: ProxyMetrics;
  readonly logged: string[];
}

/** Answers with the body that it was sent, and with the HTTP version in `x-version`. */
export const echo: RequestHandler = (request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    response.setHeader('x-version', request.httpVersion);
    response.end(Buffer.concat(chunks));
  });
};

/** A listener on any port that looks over its connections every 10 ms; closed when the test ends. */
export async function startListener(given: Partial<ListenerOptions> = {}): Promise<StartedListener> {
  const metrics = new ProxyMetrics({ activeProducers: () => 0, activeConsumers: () => 0 });
  const logged: string[] = [];
  const write = (_fields: object, message: string): void => {
    logged.push(message);
  };
  const listener = await Listener.start({
    host: '127.0.0.1',
    port: 0,
    maxConcurrent: 100,
    maxConnections: 100,
    readTimeoutMs: 30_000,
    keepaliveIntervalMs: 10_000,
    keepaliveTimeoutMs: 20_000,
    handler: echo,
    counter: metrics,
    log: { debug: write, info: write, warn: write, error: write },
    ...given,
    limits: { sweepMs: 10, ...given.limits },
  });
  onTestFinished(() => listener.close());
  return { listener, port: listener.port, metrics, logged };
}

/** A plain TCP connection, destroyed when the test ends. */
export function tcpClient(port: number): Socket {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.on('error', () => {});
  onTestFinished(() => {
    socket.destroy();
  });
  return socket;
}

/** Node's own HTTP/2 client, destroyed when the test ends. */
export function http2Client(port: number): ClientHttp2Session {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  onTestFinished(() => session.destroy());
  return session;
}

/** A client that speaks frames, destroyed when the test ends. */
export async function rawHttp2Client(port: number, opening?: Uint8Array): Promise<RawHttp2Client> {
  const client = await RawHttp2Client.connect(port, opening);
  onTestFinished(() => {
    client.socket.destroy();
  });
  return client;
}

/** What a connection receives until its end. */
export async function readAll(socket: Socket): Promise<string> {
  let received = '';
  for await (const chunk of socket) received += String(chunk);
  return received;
}

/** Sends a body on a new stream and reads the answer's. */
export async function post(session: ClientHttp2Session, body: string): Promise<string> {
  const stream = session.request({ ':method': 'POST' });
  stream.end(body);
  let received = '';
  for await (const chunk of stream) received += String(chunk);
  return received;
}

/** Writes one byte at a time, each in a packet of its own. */
export async function writeByteByByte(socket: Socket, bytes: Uint8Array): Promise<void> {
  for (const byte of bytes) await new Promise((resolve) => socket.write(Uint8Array.of(byte), resolve));
}

/** Waits until something is so, on a busy machine too. */
export function eventually<T>(read: () => T): ReturnType<typeof expect.poll<T>> {
  return expect.poll(read, { timeout: 10_000, interval: 5 });
}
