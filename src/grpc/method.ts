import type { GrpcCall } from './call.ts';
import type { GrpcStatus } from './status.ts';

/** How the messages of a method become bytes and back. */
export interface MessageCodec<Request, Reply> {
  /**
   * @param bytes belong to the request: parts of them may be kept.
   * @throws an error that is not a GrpcError for INVALID_ARGUMENT.
   */
  decode(bytes: Buffer): Request;
  /** @returns bytes that may be used again for the next reply, of this call or another: what is not sent at once is copied. */
  encode(reply: Reply): Uint8Array;
}

/** Replies in their order. One that is at hand may also be taken without a promise. */
export interface ReplySource<Reply> extends AsyncIterator<Reply, unknown> {
  takeNow?(): Reply | undefined;
}

/** What is called with one request and answers once. */
export interface UnaryMethod<Request, Reply> extends MessageCodec<Request, Reply> {
  readonly kind: 'unary';
  handle(request: Request, call: GrpcCall): Promise<Reply> | Reply;
}

/** What is called with one request and answers with any number of replies; the next is asked for when the caller has room for it. */
export interface ServerStreamMethod<Request, Reply> extends MessageCodec<Request, Reply> {
  readonly kind: 'serverStream';
  handle(request: Request, call: GrpcCall): Replies<Reply>;
}

/** What is called with any number of requests, which come while it answers. */
export interface BidiStreamMethod<Request, Reply> extends MessageCodec<Request, Reply> {
  readonly kind: 'bidiStream';
  /** @param requests fails with a GrpcError where a request cannot be read, and where the caller goes before it has said the last. */
  handle(requests: AsyncIterableIterator<Request, undefined>, call: GrpcCall): Replies<Reply>;
}

/** What may be asked for replies. */
export interface Replies<Reply> {
  [Symbol.asyncIterator](): ReplySource<Reply>;
}

/** A method of any messages, as a table holds it. */
export type GrpcMethod =
  | UnaryMethod<unknown, unknown>
  | ServerStreamMethod<unknown, unknown>
  | BidiStreamMethod<unknown, unknown>;

/** Turns what a handler threw into what its caller is told. It must not throw. */
export type ToStatus = (error: unknown, call: GrpcCall) => GrpcStatus;
