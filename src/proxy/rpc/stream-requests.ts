import type { DescMethod } from '@bufbuild/protobuf';
import { ConnectError } from '@connectrpc/connect';
import type { Cancellation } from '../../basics/ending.ts';
import type { GrpcCall } from '../../grpc/call.ts';
import type { GrpcMethod } from '../../grpc/method.ts';
import { answered } from '../../grpc/refusal.ts';
import { serveGrpc } from '../../grpc/server.ts';
import { GrpcError, type GrpcStatus } from '../../grpc/status.ts';
import type { HeaderField } from '../../http2/hpack/header-field.ts';
import type { Http2Stream, OnStream } from '../../http2/stream.ts';
import type { Log } from '../../log.ts';
import { encoderOf, requestDecoderOf } from '../../wire/message-codec.ts';
import { ProtoWriter } from '../../wire/proto-writer.ts';
import type { CorsPolicy } from '../port/cors.ts';
import { type RepliesReader, rpcBytesMax } from './call.ts';
import type { IncomingCall } from './calls.ts';
import type { ConnectHandler } from './connect.ts';
import { toFailure } from './failures.ts';
import { toGrpcStatus } from './grpc-status.ts';
import { reportFailure } from './reports.ts';
import { endlessPath, type ServedMethod } from './served-methods.ts';
import { addressOf, serveExchange } from './stream-exchange.ts';

const kinds = { unary: 'unary', server_streaming: 'serverStream', bidi_streaming: 'bidiStream' } as const;

/** Serves streams of our own HTTP/2 core: gRPC by itself, everything else by Connect. */
export function createStreamHandler(
  served: readonly ServedMethod[],
  handlers: ReadonlyMap<string, ConnectHandler>,
  pages: CorsPolicy,
  log: Log,
): OnStream {
  const writer = new ProtoWriter();
  const methods = new Map(served.map((one) => [pathOf(one.method), toGrpcMethod(one, writer)]));
  const fallback: OnStream = (stream) => {
    const fields = pageFields(pages, stream);
    if (fields === undefined) return answered;
    const path = stream.path.split('?', 1)[0] ?? '';
    const handler = handlers.get(path);
    if (handler === undefined || !URL.canParse(`${stream.scheme}://${stream.authority}${stream.path}`)) {
      stream.sendHeaders([{ name: ':status', value: handler === undefined ? '404' : '400' }, ...fields], true);
      return answered;
    }
    if (path === endlessPath) stream.letRequestLast();
    const failed = (error: unknown): void => log.debug({ err: error }, 'a reply could not be written');
    return serveExchange(stream, handler, fields, failed);
  };
  const toStatus = (error: unknown, { path: rpc }: GrpcCall): GrpcStatus => {
    const failure = toFailure(error);
    // What a handler failed with, the log knows.
    if (!(error instanceof ConnectError || error instanceof GrpcError)) reportFailure(log, rpc, failure);
    return toGrpcStatus(failure);
  };
  const grpc = serveGrpc({ methods, messageBytesMax: rpcBytesMax, toStatus, fallback });
  const authorities = new Authorities();
  return (stream) => (isOfPage(stream) || !authorities.areSound(stream) ? fallback(stream) : grpc(stream));
}

/** Whether a web page asks, by the field that only browsers send. */
function isOfPage({ headers }: Http2Stream): boolean {
  for (const { name } of headers) if (name === 'origin') return true;
  return false;
}

/** Judges what requests call the server. The streams of a connection all call it the same, and reading a URL costs more than the rest. */
class Authorities {
  #sound = '';

  areSound({ authority }: Http2Stream): boolean {
    if (authority === this.#sound) return true;
    const isSound = URL.canParse(`http://${authority}/`);
    if (isSound) this.#sound = authority;
    return isSound;
  }
}

/** The path that a method is called by. */
export function pathOf({ parent, name }: DescMethod): string {
  return `/${parent.typeName}/${name}`;
}

function toGrpcMethod({ method, serve }: ServedMethod, writer: ProtoWriter): GrpcMethod {
  const kind = method.methodKind;
  if (kind === 'client_streaming') throw new Error(`${method.name}: a stream of requests with one reply is not served`);
  return {
    kind: kinds[kind],
    decode: requestDecoderOf(method.input),
    encode: encoderOf(method.output, writer),
    handle: (request: unknown, call: GrpcCall) => serve(request, new StreamCall(call)),
  };
}

/** What the answer tells browsers; undefined where that was all, and has been said. */
function pageFields(pages: CorsPolicy, stream: Http2Stream): readonly HeaderField[] | undefined {
  const of = (name: string): string | undefined => stream.headers.find((field) => field.name === name)?.value;
  const answer = pages.answer(stream.method, of('origin'), of('access-control-request-method'));
  if (answer === undefined) return [];
  const fields = answer.fields.map(([name, value]) => ({ name, value }));
  if (answer.status === undefined) return fields;
  stream.sendHeaders([{ name: ':status', value: String(answer.status) }, ...fields], answer.text === undefined);
  if (answer.text !== undefined) stream.sendData(Buffer.from(answer.text), true);
  return undefined;
}

/** A call as the gRPC layer knows it. */
class StreamCall implements IncomingCall, RepliesReader {
  readonly #call: GrpcCall;

  constructor(call: GrpcCall) {
    this.#call = call;
  }

  get end(): Cancellation {
    return this.#call.end;
  }

  get hasTimedOut(): boolean {
    return this.#call.hasTimedOut;
  }

  get timeoutMs(): number | undefined {
    return this.#call.timeoutMs;
  }

  get address(): string {
    return addressOf(this.#call.peer);
  }

  get authorization(): string | undefined {
    return this.#call.header('authorization');
  }

  get reader(): RepliesReader {
    return this;
  }

  cut(): void {
    this.#call.cut();
  }

  watch(encoded: () => void, progressed: () => void): void {
    this.#call.watchReplies({ encoded, progressed });
  }
}
