/**
 * Remoting over a plain socket, written apart from `src/`: the harness is the outside judge, so a mistake
 * in our codec must not be able to agree with itself here.
 */
import { createConnection, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';

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

/** The same with a binary header (serialisation 1), which holds codes up to 32767 only. */
export function encodeBinaryRequest(request: WireRequest): Buffer {
  const fields = Object.entries(request.extFields ?? {}).flatMap(([name, value]) => {
    const nameLength = Buffer.alloc(2);
    nameLength.writeInt16BE(Buffer.byteLength(name));
    const valueLength = Buffer.alloc(4);
    valueLength.writeInt32BE(Buffer.byteLength(value));
    return [nameLength, Buffer.from(name), valueLength, Buffer.from(value)];
  });
  const extFields = Buffer.concat(fields);
  // int16 code, int8 language (0, Java), int16 version, int32 opaque, flag, length of the remark (none), length of the fields.
  const head = Buffer.alloc(21);
  head.writeInt16BE(request.code, 0);
  head.writeInt16BE(request.version ?? 407, 3);
  head.writeInt32BE(request.opaque ?? 1, 5);
  head.writeInt32BE(request.flag ?? 0, 9);
  head.writeInt32BE(extFields.length, 17);
  const body = request.body ?? new Uint8Array(0);
  const prefix = Buffer.alloc(8);
  prefix.writeUInt32BE(4 + head.length + extFields.length + body.length, 0);
  prefix.writeUInt32BE((1 << 24) | (head.length + extFields.length), 4);
  return Buffer.concat([prefix, head, extFields, body]);
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

/** Cuts whole frames off the front. */
function splitFrames(bytes: Buffer): { readonly frames: Buffer[]; readonly rest: Buffer } {
  const frames: Buffer[] = [];
  let start = 0;
  while (bytes.length - start >= 4) {
    const end = start + 4 + bytes.readUInt32BE(start);
    if (end > bytes.length) break;
    frames.push(bytes.subarray(start, end));
    start = end;
  }
  return { frames, rest: bytes.subarray(start) };
}

/** One TCP connection to a name server or broker. */
export class WireConnection {
  readonly #address: string;
  readonly #socket: Socket;
  #rest: Buffer = Buffer.alloc(0);
  #frames: Buffer[] = [];
  #failure: Error | undefined;
  #changed: () => void = () => {};

  /** @param address `host:port` @param tls by TLS, with these. */
  constructor(address: string, tls?: Pick<ConnectionOptions, 'ca' | 'cert' | 'key'>) {
    const [host = '', port = ''] = address.split(':');
    this.#address = address;
    const place = { host, port: Number(port) };
    this.#socket = tls === undefined ? createConnection(place) : connectTls({ ...tls, ...place });
    this.#socket.on('data', (chunk) => {
      const { frames, rest } = splitFrames(Buffer.concat([this.#rest, chunk]));
      this.#rest = rest;
      this.#frames.push(...frames);
      this.#changed();
    });
    this.#socket.on('error', (error) => this.#fail(error.message, error));
    this.#socket.on('close', () => this.#fail('the connection was closed'));
  }

  write(frame: Uint8Array): void {
    this.#socket.write(frame);
  }

  /**
   * Waits for the first frame that `accept` takes; frames before it stay for later calls.
   * @throws Error when the connection fails or ends, or no such frame came in `timeoutMs`.
   */
  async read(accept: (frame: Buffer) => boolean = () => true, timeoutMs = 10_000): Promise<Buffer> {
    const timer = setTimeout(() => this.#fail(`no reply within ${timeoutMs} ms`), timeoutMs);
    try {
      for (;;) {
        const index = this.#frames.findIndex(accept);
        if (index >= 0) return this.#frames.splice(index, 1)[0] ?? Buffer.alloc(0);
        if (this.#failure !== undefined) throw this.#failure;
        await new Promise<void>((resolve) => {
          this.#changed = resolve;
        });
      }
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  #fail(why: string, cause?: Error): void {
    this.#failure ??= new Error(`RocketMQ at ${this.#address}: ${why}`, { cause });
    this.#changed();
  }
}

interface CallOptions {
  readonly timeoutMs?: number | undefined;
  readonly tls?: Pick<ConnectionOptions, 'ca' | 'cert' | 'key'> | undefined;
}

/** One request to `host:port`, on a connection of its own, and its reply, whatever the response code says. */
export async function call(
  address: string,
  request: WireRequest,
  { timeoutMs, tls }: CallOptions = {},
): Promise<WireReply> {
  const connection = new WireConnection(address, tls);
  try {
    connection.write(encodeRequest(request));
    return decodeReply(await connection.read(undefined, timeoutMs));
  } finally {
    connection.close();
  }
}
