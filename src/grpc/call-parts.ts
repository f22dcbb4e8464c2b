import type { Http2Stream } from '../http2/stream.ts';
import type { Answer } from './answer.ts';
import type { CallContext } from './call.ts';
import { gunzipMessage } from './gunzip.ts';
import type { MessageCodec, ToStatus } from './method.ts';
import { GrpcError, StatusCode } from './status.ts';

/** What belongs to one call. */
export interface CallParts {
  readonly stream: Http2Stream;
  readonly context: CallContext;
  readonly answer: Answer;
  readonly toStatus: ToStatus;
  /** `identity` or `gzip`: how the messages of the request are coded whose prefix says that they are. */
  readonly encoding: string;
  /** Longest message of the request, as it comes and decompressed. */
  readonly messageBytesMax: number;
}

/** @throws GrpcError INTERNAL for a message that says it is compressed where the request does not say how. */
export function checkCompressed(isCompressed: boolean, { encoding }: CallParts): void {
  if (isCompressed && encoding === 'identity')
    throw new GrpcError(StatusCode.INTERNAL, 'a message is compressed, but the request has no grpc-encoding');
}

/** @throws GrpcError where it is no gzip, or too much comes of it. */
export function decompress(bytes: Buffer, { messageBytesMax }: CallParts): Promise<Buffer> {
  return gunzipMessage(bytes, messageBytesMax);
}

/** @throws GrpcError INVALID_ARGUMENT where the bytes are no request. */
export function decodeRequest<Request>(codec: MessageCodec<Request, unknown>, bytes: Buffer): Request {
  try {
    return codec.decode(bytes);
  } catch (cause) {
    if (cause instanceof GrpcError) throw cause;
    throw new GrpcError(StatusCode.INVALID_ARGUMENT, 'the request cannot be read: its bytes are no such message', {
      cause,
    });
  }
}
