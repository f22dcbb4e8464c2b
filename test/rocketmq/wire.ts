/**
 * One remoting request over a connection of its own, written apart from `src/`: the harness is the outside judge, so a mistake
 * in our codec must not be able to agree with itself here.
 */
import { createConnection } from 'node:net';

/** A request with a JSON header (serialisation 0). */
export interface WireRequest {
  /** Request code as in `RequestCode.java`. */
  readonly code: number;
  /** Header fields; RocketMQ wants every value as a string. */
  readonly extFields?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Version of the caller, an ordinal of `MQVersion.java`. Below 401 a name server writes JSON with unquoted keys. Default 407. */
  readonly version?: number;
  /** 0 = wants a reply (default), 2 = one-way. */
  readonly flag?: number;
  readonly opaque?: number;
}

/** A frame that came back. */
export interface WireReply {
  readonly code: number;
  readonly remark: string;
  /** Version of the server: 407 is 4.9.7. */
  readonly version: number;
  readonly extFields: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** The whole frame, length prefix included. */
  readonly frame: Buffer;
}

/** Bytes of a request, length prefix included. */
export function encodeRequest(request: WireRequest): Buffer {
  const header = Buffer.from(
    JSON.stringify({
      code: request.code,
      flag: request.flag ?? 0,
      language: 'JAVA',
      opaque: request.opaque ?? 1,
      version: request.version ?? 407,
      serializeTypeCurrentRPC: 'JSON',
      extFields: request.extFields ?? {},
    }),
  );
  const body = request.body ?? new Uint8Array(0);
  const prefix = Buffer.alloc(8);
  prefix.writeUInt32BE(4 + header.length + body.length, 0);
  prefix.writeUInt32BE(header.length, 4);
  return Buffer.concat([prefix, header, body]);
}

/** Reads a frame with a JSON header. */
export function decodeReply(frame: Buffer): WireReply {
  const headerLength = frame.readUInt32BE(4) & 0xffffff;
  const header = JSON.parse(frame.toString('utf8', 8, 8 + headerLength));
  return {
    code: header.code,
    remark: header.remark ?? '',
    version: header.version,
    extFields: header.extFields ?? {},
    body: frame.subarray(8 + headerLength),
    frame,
  };
}

/**
 * Sends bytes to `host:port` and gives back the first whole frame that arrives.
 * @throws Error when the connection fails or ends, or nothing whole came in `timeoutMs`.
 */
export function exchange(address: string, request: Uint8Array, timeoutMs = 10_000): Promise<Buffer> {
  const [host = '', port = ''] = address.split(':');
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host, port: Number(port) });
    const fail = (why: string, cause?: Error) => {
      socket.destroy();
      reject(new Error(`RocketMQ at ${address}: ${why}`, { cause }));
    };
    const timer = setTimeout(() => fail(`no reply within ${timeoutMs} ms`), timeoutMs);
    let received = Buffer.alloc(0);
    socket.on('connect', () => socket.write(request));
    socket.on('error', (error) => fail(error.message, error));
    socket.on('close', () => {
      clearTimeout(timer);
      fail('closed the connection without a reply');
    });
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 4 || received.length < 4 + received.readUInt32BE(0)) return;
      resolve(received.subarray(0, 4 + received.readUInt32BE(0)));
      socket.destroy();
    });
  });
}

/** One request to `host:port` and its reply, whatever the response code says. */
export async function call(address: string, request: WireRequest, timeoutMs?: number): Promise<WireReply> {
  return decodeReply(await exchange(address, encodeRequest(request), timeoutMs));
}
