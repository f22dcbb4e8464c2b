import type { OnStream, StreamHandler } from '../http2/stream.ts';
import { Answer } from './answer.ts';
import { BidiCall } from './bidi-call.ts';
import { CallContext } from './call.ts';
import type { CallParts } from './call-parts.ts';
import { readCallHead } from './header-fields.ts';
import { MessageWriter } from './message-writer.ts';
import type { GrpcMethod, ToStatus } from './method.ts';
import { answered, refuse } from './refusal.ts';
import { SingleRequestCall } from './single-request-call.ts';
import { GrpcError, StatusCode, statusOf } from './status.ts';
import { readTimeoutMs } from './timeout.ts';

export interface GrpcServerOptions {
  /** By path: `/package.Service/Method`. */
  readonly methods: ReadonlyMap<string, GrpcMethod>;
  /** Longest message, of requests and of replies; of a compressed one before and after. Default: 5 MiB. */
  readonly messageBytesMax?: number;
  /** What callers are told of what handlers throw, and of what is wrong with requests. Default: `statusOf`. */
  readonly toStatus?: ToStatus;
  /** Takes every stream that is not gRPC in protobuf for one of the methods. Default: refuses them. */
  readonly fallback?: OnStream;
}

const messageBytesMaxDefault = 5_242_880;

const nothing = Buffer.alloc(0);

/** Serves gRPC on the streams of HTTP/2 connections. `te: trailers` is not asked for: servers in other languages do without it too. */
export function serveGrpc(options: GrpcServerOptions): OnStream {
  const { methods, messageBytesMax = messageBytesMaxDefault, toStatus = statusOf, fallback = refuse } = options;
  const writer = new MessageWriter(messageBytesMax);
  return (stream) => {
    const method = stream.method === 'POST' ? methods.get(stream.path) : undefined;
    if (method === undefined) return fallback(stream);
    const { answerHead, timeout, encoding } = readCallHead(stream.headers);
    if (answerHead === undefined) return fallback(stream);
    const context = new CallContext(stream);
    const answer = new Answer(stream, answerHead, writer);
    try {
      if (timeout !== undefined) context.timeoutMs = readTimeoutMs(timeout);
      checkEncoding(encoding);
      return begin(method, { stream, context, answer, toStatus, encoding, messageBytesMax });
    } catch (error) {
      answer.fail(toStatus(error, context));
      return answered;
    }
  };
}

function begin(method: GrpcMethod, parts: CallParts): StreamHandler {
  const call = method.kind === 'bidiStream' ? new BidiCall(method, parts) : new SingleRequestCall(method, parts);
  if (parts.stream.isWhole) call.data(nothing, true);
  return call;
}

/** @throws GrpcError UNIMPLEMENTED, to which every answer's `grpc-accept-encoding` belongs. */
function checkEncoding(encoding: string): void {
  if (encoding !== 'identity' && encoding !== 'gzip')
    throw new GrpcError(
      StatusCode.UNIMPLEMENTED,
      'the grpc-encoding of the request is not known here: use gzip or none',
    );
}
