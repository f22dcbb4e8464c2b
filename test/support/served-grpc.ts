/** gRPC methods on our HTTP/2 core behind a real port, and raw frames to call them with. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type ChannelOptions, Client, credentials } from '@grpc/grpc-js';
import { onTestFinished } from 'vitest';
import type { GrpcCall } from '../../src/grpc/call.ts';
import type { GrpcMethod } from '../../src/grpc/method.ts';
import { type GrpcServerOptions, serveGrpc } from '../../src/grpc/server.ts';
import { BufferPool } from '../../src/http2/buffer-pool.ts';
import { Http2Connection } from '../../src/http2/connection.ts';
import { HpackDecoder } from '../../src/http2/hpack/decoder.ts';
import { HpackEncoder } from '../../src/http2/hpack/encoder.ts';
import { http2Defaults } from '../../src/http2/options.ts';
import { RequestMemory } from '../../src/http2/request-memory.ts';
import {
  ACK,
  END_HEADERS,
  END_STREAM,
  FrameType,
  frame,
  preface,
  RawHttp2Client,
  requestHeaders,
} from './raw-http2.ts';

/** For `expect.poll`: nothing is judged by how long it takes. */
export const patient = { timeout: 30_000, interval: 5 };

/** Messages as the bytes that they are. */
export const plainBytes = {
  decode: (bytes: Buffer): unknown => bytes,
  encode: (reply: unknown): Uint8Array => toBytes(reply),
};

function toBytes(reply: unknown): Uint8Array {
  return reply instanceof Uint8Array ? reply : Buffer.from(String(reply));
}

type Unary = (request: Buffer, call: GrpcCall) => unknown;

/** A method that answers once, of plain bytes. */
export function unary(handle: Unary): GrpcMethod {
  return { kind: 'unary', ...plainBytes, handle: (request, call) => handle(Buffer.from(request as Buffer), call) };
}

/** A server of these methods by their paths, closed when the test ends. */
export class ServedGrpc {
  readonly port: number;
  /** Why connections were ended. */
  readonly failures: Error[];

  readonly #connections: ReadonlySet<Http2Connection>;

  private constructor(port: number, connections: ReadonlySet<Http2Connection>, failures: Error[]) {
    this.port = port;
    this.#connections = connections;
    this.failures = failures;
  }

  static async start(
    methods: Readonly<Record<string, GrpcMethod>>,
    options: Partial<GrpcServerOptions> = {},
  ): Promise<ServedGrpc> {
    const onStream = serveGrpc({ methods: new Map(Object.entries(methods)), ...options });
    const pool = new BufferPool();
    const memory = new RequestMemory(Number.POSITIVE_INFINITY);
    const sockets = new Set<Socket>();
    const connections = new Set<Http2Connection>();
    const failures: Error[] = [];
    const server = createServer((socket) => {
      sockets.add(socket);
      const onFailure = (error: Error) => void failures.push(error);
      connections.add(new Http2Connection(socket, { options: http2Defaults, pool, memory, onStream, onFailure }));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => {
      server.close();
      for (const socket of sockets) socket.destroy();
    });
    return new ServedGrpc((server.address() as AddressInfo).port, connections, failures);
  }

  /** Lets the connections look at their limits as they would so much later. */
  sweep(laterMs: number): void {
    for (const connection of this.#connections) connection.sweep(performance.now() + laterMs);
  }

  /** A client of grpc-js on a connection of its own. */
  grpcJs(options: ChannelOptions = {}): Client {
    const client = new Client(`127.0.0.1:${this.port}`, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_receive_message_length': -1,
      ...options,
    });
    onTestFinished(() => client.close());
    return client;
  }

  /** @param settings SETTINGS of the client: identifiers and values. */
  async rawClient(settings: Readonly<Record<number, number>> = {}): Promise<RawGrpc> {
    const payload = Buffer.concat(
      Object.entries(settings).map(([id, value]) => {
        const setting = Buffer.alloc(6);
        setting.writeUInt16BE(Number(id), 0);
        setting.writeUInt32BE(value, 2);
        return setting;
      }),
    );
    const greeting = Buffer.concat([
      preface,
      frame(FrameType.SETTINGS, 0, 0, payload),
      frame(FrameType.SETTINGS, ACK, 0),
    ]);
    const client = await RawHttp2Client.connect(this.port, greeting);
    onTestFinished(() => void client.socket.destroy());
    // Any number of answers may be waited for.
    client.socket.setMaxListeners(0);
    return new RawGrpc(client);
  }
}

/** What came back on one stream. */
export interface RawAnswer {
  /** Head and trailers, or both in one. */
  readonly headers: readonly Readonly<Record<string, string>>[];
  readonly body: Buffer;
  /** Lengths of its DATA frames. */
  readonly dataBytes: readonly number[];
  /** Code of RST_STREAM. */
  readonly resetCode: number | undefined;
}

/** A message behind its prefix. */
export function prefixed(message: Uint8Array | string, flags = 0, claimedBytes?: number): Buffer {
  const bytes = Buffer.from(message);
  const prefix = Buffer.alloc(5);
  prefix[0] = flags;
  prefix.writeUInt32BE(claimedBytes ?? bytes.length, 1);
  return Buffer.concat([prefix, bytes]);
}

/** One connection of raw frames. */
export class RawGrpc {
  readonly client: RawHttp2Client;
  readonly #decoder = new HpackDecoder({ tableBytesMax: 4_096, listBytesMax: 65_536, fieldsMax: 100 });
  /** Header blocks that were decoded: they must be in the order in which they came. */
  readonly #decoded: { streamId: number; fields: Readonly<Record<string, string>> }[] = [];
  #decodedFrames = 0;
  #nextId = 1;
  #pingCount = 0;
  /** Bytes of data that `dataInWindow` sent. */
  #sentBytes = 0;

  constructor(client: RawHttp2Client) {
    this.client = client;
  }

  /** Opens a stream. @param fields beside those of every gRPC call. @returns its id. */
  open(path: string, fields: Record<string, string> = {}, isWhole = false): number {
    const id = this.#nextId;
    this.#nextId += 2;
    const usual = { ':path': path, 'content-type': 'application/grpc', te: 'trailers' };
    this.client.socket.write(requestHeaders(id, isWhole, { ...usual, ...fields }));
    return id;
  }

  /** Sends a part of a request's body, in frames that every server takes. */
  data(id: number, bytes: Uint8Array, isLast = false): void {
    for (let start = 0; start === 0 || start < bytes.length; start += 16_384) {
      const flags = isLast && start + 16_384 >= bytes.length ? END_STREAM : 0;
      this.client.socket.write(frame(FrameType.DATA, flags, id, bytes.subarray(start, start + 16_384)));
    }
  }

  /** Sends a part as the server's windows let it: of the stream, and of the connection, which nobody else uses then. */
  async dataInWindow(id: number, bytes: Uint8Array, isLast = true): Promise<void> {
    let sent = 0;
    while (sent < bytes.length) {
      // Streams begin with what the server's SETTINGS say, the connection is widened by its first frames.
      const stream = http2Defaults.streamWindowBytes + this.#widened(id);
      const connection = 65_535 + this.#widened(0) - this.#sentBytes;
      const end = Math.min(bytes.length, stream, sent + connection);
      if (end > sent) {
        this.data(id, bytes.subarray(sent, end), isLast && end === bytes.length);
        this.#sentBytes += end - sent;
        sent = end;
      } else await once(this.client.socket, 'frames');
    }
  }

  #widened(id: number): number {
    const widened = this.client.frames.filter(
      ({ type, streamId }) => type === FrameType.WINDOW_UPDATE && streamId === id,
    );
    return widened.reduce((sum, { payload }) => sum + payload.readUInt32BE(0), 0);
  }

  /** Ends a request with fields. */
  trailers(id: number, fields: Readonly<Record<string, string>>): void {
    const list = Object.entries(fields).map(([name, value]) => ({ name, value }));
    const encoder = new HpackEncoder();
    const block = Buffer.alloc(encoder.encodedBytesMax(list));
    const payload = block.subarray(0, encoder.encode(list, block, 0));
    this.client.socket.write(frame(FrameType.HEADERS, END_HEADERS | END_STREAM, id, payload));
  }

  reset(id: number, code: Uint8Array): void {
    this.client.socket.write(frame(FrameType.RST_STREAM, 0, id, code));
  }

  /** Lets the server send more: on a stream, or by 0 on all of them. */
  widen(id: number, bytes: number): void {
    const payload = Buffer.alloc(4);
    payload.writeUInt32BE(bytes);
    this.client.socket.write(frame(FrameType.WINDOW_UPDATE, 0, id, payload));
  }

  /** The server has worked on all that was sent. */
  async settled(): Promise<void> {
    this.#pingCount += 1;
    const data = Buffer.alloc(8, this.#pingCount);
    this.client.socket.write(frame(FrameType.PING, 0, 0, data));
    await this.client.next(
      ({ type, flags, payload }) => type === FrameType.PING && flags === ACK && payload.equals(data),
    );
  }

  /** A whole call: everything that came back. */
  call(path: string, body: Uint8Array, fields: Record<string, string> = {}): Promise<RawAnswer> {
    const id = this.open(path, fields, body.length === 0);
    if (body.length > 0) this.data(id, body, true);
    return this.answer(id);
  }

  /** Waits for the end of an answer. */
  async answer(id: number): Promise<RawAnswer> {
    await this.client.next(
      ({ streamId, type, flags }) =>
        streamId === id &&
        (type === FrameType.RST_STREAM ||
          ((type === FrameType.DATA || type === FrameType.HEADERS) && (flags & END_STREAM) !== 0)),
    );
    return this.sofar(id);
  }

  /** What has come of an answer. */
  sofar(id: number): RawAnswer {
    const { frames } = this.client;
    for (; this.#decodedFrames < frames.length; this.#decodedFrames += 1) {
      const one = frames[this.#decodedFrames];
      if (one?.type !== FrameType.HEADERS) continue;
      const fields = this.#decoder.decode(one.payload).fields.map(({ name, value }) => [name, value]);
      this.#decoded.push({ streamId: one.streamId, fields: Object.fromEntries(fields) });
    }
    const own = frames.filter(({ streamId }) => streamId === id);
    const data = own.filter(({ type }) => type === FrameType.DATA).map(({ payload }) => payload);
    return {
      headers: this.#decoded.filter(({ streamId }) => streamId === id).map(({ fields }) => fields),
      body: Buffer.concat(data),
      dataBytes: data.map(({ length }) => length),
      resetCode: own.find(({ type }) => type === FrameType.RST_STREAM)?.payload.readUInt32BE(0),
    };
  }
}

/** Status code and text of an answer. */
export function statusOfAnswer({ headers }: RawAnswer): string {
  const last = headers.at(-1) ?? {};
  return `${last['grpc-status']} ${last['grpc-message'] ?? ''}`.trimEnd();
}
