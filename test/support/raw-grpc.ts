/** gRPC calls with whatever bytes as their request, by what Node has. */
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type IncomingHttpHeaders } from 'node:http2';
import { Code } from '@connectrpc/connect';
import { onTestFinished } from 'vitest';
import { envelope } from './http-client.ts';

/** How a call ended; of a stream, how it began. */
export interface RawReply {
  /** `OK`, or the name of the status code. */
  readonly status: string;
  readonly text: string;
  /** The first message of the answer. */
  readonly message: Buffer | undefined;
}

const callTimeoutMs = 30_000;

/** One connection; closed when the test ends. */
export class RawGrpcClient {
  readonly #session: ClientHttp2Session;

  constructor(port: number) {
    // A request that is refused by its length may still be under way when the next one begins.
    this.#session = connect(`http://127.0.0.1:${port}`, { maxSessionMemory: 1_000 });
    this.#session.on('error', () => {});
    onTestFinished(() => this.#session.destroy());
  }

  /**
   * @param path as `package.Service/Method`.
   * @param isStream the answer is cut off after its first message.
   */
  call(path: string, request: Uint8Array, isStream = false): Promise<RawReply> {
    const stream = this.#session.request({
      ':method': 'POST',
      ':path': `/${path}`,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    return new Promise((resolve, reject) => {
      let received = Buffer.alloc(0);
      const end = (headers: Readonly<Record<string, unknown>>): void => {
        const status = Number(headers['grpc-status']);
        const text = decodeURIComponent(String(headers['grpc-message'] ?? ''));
        resolve({ status: status === 0 ? 'OK' : (Code[status] ?? String(status)), text, message: firstOf(received) });
      };
      stream.setTimeout(callTimeoutMs, () => reject(new Error(`${path} is not answered`)));
      stream.on('error', reject);
      stream.on('response', (headers) => {
        if (headers['grpc-status'] !== undefined) end(headers);
      });
      stream.on('trailers', end);
      stream.on('data', (chunk: Buffer) => {
        received = Buffer.concat([received, chunk]);
        const message = firstOf(received);
        if (!isStream || message === undefined) return;
        resolve({ status: 'OK', text: '', message });
        stream.close();
      });
      stream.end(envelope(request));
    });
  }
}

/** How a gRPC answer ends: its trailers, which are its head where there is no message. */
export function grpcEndOf(stream: ClientHttp2Stream): Promise<IncomingHttpHeaders> {
  return new Promise((resolve) => {
    stream.on('response', (head) => 'grpc-status' in head && resolve(head));
    stream.on('trailers', resolve);
  });
}

function firstOf(body: Buffer): Buffer | undefined {
  const end = body.length < 5 ? Number.POSITIVE_INFINITY : 5 + body.readUInt32BE(1);
  return body.length >= end ? body.subarray(5, end) : undefined;
}
