import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** Frame types and flags of RFC 9113, section 6. */
export const FrameType = {
  DATA: 0,
  HEADERS: 1,
  RST_STREAM: 3,
  SETTINGS: 4,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
} as const;
export const END_STREAM = 1;
export const ACK = 1;
export const END_HEADERS = 4;

export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

export function frame(type: number, flags: number, streamId: number, payload: Uint8Array = new Uint8Array()): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

/** A field that the other side shall not index: name and value as they are (RFC 7541, section 6.2.2). */
export function field(name: string, value: string): Buffer {
  const length = (text: string): number[] => (text.length < 127 ? [text.length] : [127, ...varint(text.length - 127)]);
  return Buffer.concat([
    Buffer.from([0, ...length(name)]),
    Buffer.from(name),
    Buffer.from(length(value)),
    Buffer.from(value),
  ]);
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >> 7)];
}

/** Payload of RST_STREAM: code CANCEL, as gRPC clients send it when a caller gives up. */
export const CANCEL = Buffer.from([0, 0, 0, 8]);

/** HEADERS of a POST, followed by more fields. */
export function requestHeaders(streamId: number, endStream: boolean, more: Record<string, string> = {}): Buffer {
  const fields = { ':method': 'POST', ':scheme': 'http', ':path': '/', ':authority': 'localhost', ...more };
  const block = Buffer.concat(Object.entries(fields).map(([name, value]) => field(name, value)));
  return frame(FrameType.HEADERS, END_HEADERS | (endStream ? END_STREAM : 0), streamId, block);
}

const greeting = Buffer.concat([preface, frame(FrameType.SETTINGS, 0, 0)]);

/** A client that says exactly what a test tells it to, and nothing by itself: no acknowledgement, no answer to a PING. */
export class RawHttp2Client {
  readonly socket: Socket;
  readonly frames: Frame[] = [];
  readonly closed: Promise<unknown>;
  #bytes = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => {});
    // Also of a connection that was reset.
    this.closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('data', (chunk) => {
      this.#read(chunk);
      socket.emit('frames');
    });
  }

  /** Connects, and says the preface and empty SETTINGS unless it is told otherwise. */
  static async connect(
    port: number,
    opening: Uint8Array = greeting,
    localAddress = '127.0.0.1',
  ): Promise<RawHttp2Client> {
    const socket = connect({ port, host: '127.0.0.1', localAddress, noDelay: true });
    await once(socket, 'connect');
    const client = new RawHttp2Client(socket);
    socket.write(opening);
    return client;
  }

  /** The first frame that is as wanted, of those that came and will come. */
  async next(wanted: (frame: Frame) => boolean): Promise<Frame> {
    for (;;) {
      const found = this.frames.find(wanted);
      if (found !== undefined) return found;
      await once(this.socket, 'frames');
    }
  }

  #read(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    while (this.#bytes.length >= 9) {
      const end = 9 + this.#bytes.readUIntBE(0, 3);
      if (this.#bytes.length < end) return;
      const [type = 0, flags = 0] = this.#bytes.subarray(3, 5);
      const streamId = this.#bytes.readUInt32BE(5);
      this.frames.push({ type, flags, streamId, payload: this.#bytes.subarray(9, end) });
      this.#bytes = this.#bytes.subarray(end);
    }
  }
}
