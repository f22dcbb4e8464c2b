import type { DescMethod } from '@bufbuild/protobuf';
import { ConnectError } from '@connectrpc/connect';
import type { GrpcCall } from '../grpc/call.ts';
import type { GrpcMethod } from '../grpc/method.ts';
import { answered } from '../grpc/refusal.ts';
import { serveGrpc } from '../grpc/server.ts';
import { statusOf } from '../grpc/status.ts';
import type { HeaderField } from '../http2/hpack/header-field.ts';
import type { Http2Stream, OnStream } from '../http2/stream.ts';
import type { Log } from '../log.ts';
import { decoderOf, encoderOf } from '../wire/message-codec.ts';
import { ProtoWriter } from '../wire/proto-writer.ts';
import { type RepliesReader, rpcBytesMax } from './call.ts';
import type { IncomingCall } from './calls.ts';
import type { ConnectHandler } from './connect.ts';
import type { CorsPolicy } from './cors.ts';
import { toGrpcStatus } from './grpc-status.ts';
import type { ServedMethod } from './served-methods.ts';
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
  return serveGrpc({
    methods,
    messageBytesMax: rpcBytesMax,
    toStatus: (error) => (error instanceof ConnectError ? toGrpcStatus(error) : statusOf(error)),
    fallback: (stream) => {
      const fields = pageFields(pages, stream);
      if (fields === undefined) return answered;
      const handler = handlers.get(stream.path.split('?', 1)[0] ?? '');
      if (handler !== undefined && URL.canParse(`${stream.scheme}://${stream.authority}${stream.path}`)) {
        const failed = (error: unknown): void => log.debug({ err: error }, 'a reply could not be written');
        return serveExchange(stream, handler, fields, failed);
      }
      const status = handler === undefined ? '404' : '400';
      stream.sendHeaders([{ name: ':status', value: status }, ...fields], true);
      return answered;
    },
  });
}

function pathOf({ parent, name }: DescMethod): string {
  return `/${parent.typeName}/${name}`;
}

function toGrpcMethod({ method, serve }: ServedMethod, writer: ProtoWriter): GrpcMethod {
  const kind = method.methodKind;
  if (kind === 'client_streaming') throw new Error(`${method.name}: a stream of requests with one reply is not served`);
  return {
    kind: kinds[kind],
    decode: decoderOf(method.input),
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

  get signal(): AbortSignal {
    return this.#call.signal;
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
