import type { UniversalServerResponse } from '@connectrpc/connect/protocol';
import { Bell } from '../../client/bell.ts';
import { ErrorCode } from '../../http2/errors.ts';
import type { HeaderField } from '../../http2/hpack/header-field.ts';
import type { Http2Stream, StreamHandler } from '../../http2/stream.ts';
import type { ConnectHandler, ConnectRequest } from './connect.ts';

/** Why a request is aborted whose stream has ended. */
class StreamEnded extends Error {
  constructor() {
    super('the caller has gone');
    this.name = 'StreamEnded';
  }
}

/**
 * Serves one stream of our own HTTP/2 core by Connect.
 * @param fields What the answer has beside what Connect says.
 * @param failed Hears what kept the answer from being written, but for the caller's leaving.
 */
export function serveExchange(
  stream: Http2Stream,
  handler: ConnectHandler,
  fields: readonly HeaderField[],
  failed: (error: unknown) => void,
): StreamHandler {
  const body = new RequestBody(stream);
  const room = new Bell();
  const ended = new AbortController();
  const request: ConnectRequest = {
    httpVersion: '2.0',
    method: stream.method,
    url: `${stream.scheme}://${stream.authority}${stream.path}`,
    header: toHeaders(stream.headers),
    body,
    signal: ended.signal,
    address: addressOf(stream.peer),
    cut: () => stream.reset(ErrorCode.ENHANCE_YOUR_CALM),
  };
  handler(request)
    .then((response) => write(stream, response, fields, room))
    .catch((error: unknown) => {
      stream.reset(ErrorCode.INTERNAL_ERROR);
      if (!ended.signal.aborted) failed(error);
    });
  return {
    data: (chunk, isLast) => body.push(chunk, isLast),
    trailers: () => body.end(),
    drain: () => room.ring(),
    reset: () => {
      const reason = new StreamEnded();
      ended.abort(reason);
      body.fail(reason);
      room.ring();
    },
  };
}

/** `ip:port` without the port. */
export function addressOf(peer: string): string {
  return peer.slice(0, peer.lastIndexOf(':'));
}

function toHeaders(fields: readonly HeaderField[]): Headers {
  const headers = new Headers();
  for (const { name, value } of fields) headers.append(name, value);
  return headers;
}

/** Leaving the loop tells the handler that its caller has gone. */
async function write(
  stream: Http2Stream,
  { status, header, body, trailer }: UniversalServerResponse,
  fields: readonly HeaderField[],
  room: Bell,
): Promise<void> {
  stream.sendHeaders([{ name: ':status', value: String(status) }, ...fields, ...toFields(header)]);
  for await (const chunk of body ?? []) {
    if (!stream.sendData(chunk) && stream.isOpen) await room.heard();
    if (!stream.isOpen) return;
  }
  const last = toFields(trailer);
  if (last.length > 0) stream.sendTrailers(last);
  else stream.sendData(new Uint8Array(0), true);
}

function toFields(headers: Headers | undefined): HeaderField[] {
  return Array.from(headers ?? [], ([name, value]) => ({ name, value }));
}

/** The body of a request, as Connect reads it; the windows of HTTP/2 bound what waits here. */
class RequestBody implements AsyncIterableIterator<Uint8Array> {
  readonly #stream: Http2Stream;
  readonly #chunks: Buffer[] = [];
  readonly #arrived = new Bell();
  #isWhole: boolean;
  #isDropped = false;
  #error: Error | undefined;

  constructor(stream: Http2Stream) {
    this.#stream = stream;
    this.#isWhole = stream.isWhole;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  push(chunk: Buffer, isLast: boolean): void {
    if (this.#isDropped) this.#stream.consumed(chunk.length);
    // Valid only now.
    else if (chunk.length > 0) this.#chunks.push(Buffer.from(chunk));
    if (isLast) this.#isWhole = true;
    this.#arrived.ring();
  }

  end(): void {
    this.#isWhole = true;
    this.#arrived.ring();
  }

  fail(error: Error): void {
    this.#error = error;
    this.#arrived.ring();
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        // Connect joins the parts of a message.
        this.#stream.kept(chunk.length);
        return { done: false, value: chunk };
      }
      if (this.#isWhole) return { done: true, value: undefined };
      if (this.#error !== undefined) throw this.#error;
      await this.#arrived.heard();
    }
  }

  /** Connect reads no more: what still comes is dropped. */
  async return(): Promise<IteratorResult<Uint8Array, undefined>> {
    for (const chunk of this.#chunks.splice(0)) this.#stream.consumed(chunk.length);
    this.#isDropped = true;
    this.#isWhole = true;
    return { done: true, value: undefined };
  }
}
