/** Connect with JSON and gRPC-web as their specifications have them, by plain HTTP. */

import { envelope, type HttpCall, type HttpClient, readEnvelopes } from './http-client.ts';
import { decodeReply, encodeRequest } from './published-api.ts';

/** A reply, its fields named as in the published proto. */
export type Fields = Readonly<Record<string, unknown>>;

/** A call that failed, with the status code's name in lower case. */
export class WebError extends Error {
  readonly code: string;
  /** Of the ErrorInfo, where the client can tell. */
  readonly reason: string | undefined;

  constructor(code: string, message: string, reason?: string) {
    super(message);
    this.code = code;
    this.reason = reason;
  }
}

/** A stream that is being received. */
export interface WebStream {
  /** The next message. @throws Error when the stream has ended; WebError when it failed. */
  next(): Promise<Fields>;
  cancel(): void;
}

/** How a browser or a script calls the proxy. */
export interface WebProtocol {
  /** @throws WebError */
  call(rpc: string, request: Fields): Promise<Fields>;
  receive(consumerId: string): WebStream;
}

const pathOf = (rpc: string): string => `/rocketmq.RocketMQProxy/${rpc}`;

/** The code of NOT_FOUND, by which the tests judge errors. */
const grpcNotFound = 5;
const endOfConnectStream = 2;
const trailersOfGrpcWeb = 128;

/** Connect with JSON; a stream in envelopes. */
export function connectJson(origin: string, post: HttpClient): WebProtocol {
  return {
    async call(rpc, request) {
      const call = post(origin, pathOf(rpc), 'application/json', Buffer.from(JSON.stringify(request)));
      const text = (await bytesOf(call)).toString();
      const reply = JSON.parse(text);
      if ((await call.status) !== 200) throw new WebError(reply.code, reply.message, reply.details?.[0]?.debug?.reason);
      return snakeCase(reply);
    },
    receive(consumerId) {
      const body = envelope(Buffer.from(JSON.stringify({ consumerId })));
      const call = post(origin, pathOf('ReceiveMessages'), 'application/connect+json', body);
      return streamOf(call, (flags, data) => {
        const value = JSON.parse(data.toString());
        if (flags !== endOfConnectStream) return snakeCase(value);
        throw value.error === undefined ? undefined : new WebError(value.error.code, value.error.message);
      });
    },
  };
}

/** gRPC-web with binary messages; trailers stand in the body. */
export function grpcWeb(origin: string, post: HttpClient): WebProtocol {
  const start = (rpc: string, request: Fields): WebStream => {
    const body = envelope(encodeRequest(rpc, request));
    return streamOf(post(origin, pathOf(rpc), 'application/grpc-web+proto', body), (flags, data) => {
      if (flags !== trailersOfGrpcWeb) return decodeReply(rpc, data);
      const trailers = new Map(data.toString().trim().split('\r\n').map(splitTrailer));
      const status = Number(trailers.get('grpc-status'));
      if (status === 0) return undefined;
      const code = status === grpcNotFound ? 'not_found' : String(status);
      throw new WebError(code, decodeURIComponent(trailers.get('grpc-message') ?? ''));
    });
  };
  return {
    call: (rpc, request) => start(rpc, request).next(),
    receive: (consumerId) => start('ReceiveMessages', { consumer_id: consumerId }),
  };
}

function splitTrailer(line: string): [string, string] {
  const colon = line.indexOf(':');
  return [line.slice(0, colon), line.slice(colon + 1).trim()];
}

/** @param read a message, or undefined at the end. */
function streamOf(call: HttpCall, read: (flags: number, data: Buffer) => Fields | undefined): WebStream {
  const envelopes = readEnvelopes(call.body);
  return {
    async next() {
      const { value } = await envelopes.next();
      const message = value === undefined ? undefined : read(value.flags, value.data);
      if (message === undefined) throw new Error(`the stream has ended with HTTP status ${await call.status}`);
      return message;
    },
    cancel() {
      // Whoever cancels wants to hear no more.
      envelopes.next().catch(() => {});
      call.cancel();
    },
  };
}

async function bytesOf(call: HttpCall): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of call.body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** JSON names its fields in camel case, the published proto in snake case. */
function snakeCase(reply: Fields): Fields {
  return Object.fromEntries(
    Object.entries(reply).map(([name, value]) => [name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`), value]),
  );
}
