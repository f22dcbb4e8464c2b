import type { IncomingMessage, ServerResponse } from 'node:http';
import { create, type DescMethod, type DescMethodUnary } from '@bufbuild/protobuf';
import type { ConnectError } from '@connectrpc/connect';
import { createMethodSerializationLookup } from '@connectrpc/connect/protocol';
import {
  codeToHttpStatus,
  contentTypeUnaryJson,
  contentTypeUnaryProto,
  errorToJsonBytes,
  parseContentType,
} from '@connectrpc/connect/protocol-connect';
import { Ending } from '../../basics/ending.ts';
import type { IncomingCall } from './calls.ts';
import { connectLimits, type JsonOptions } from './connect.ts';
import { toFailure } from './failures.ts';
import type { ServedMethod } from './served-methods.ts';
import { pathOf } from './stream-requests.ts';

/**
 * Answers a request if it is an ordinary unary call of Connect: over HTTP/1.1, of known length, not compressed.
 * @returns false where it is not, and nothing has been done: Connect's own handlers, which cost four times as much, answer it.
 */
export type UnaryHandler = (request: IncomingMessage, response: ServerResponse) => boolean;

/** By path. Answers are those of Connect's own handlers. */
export function createUnaryHandlers(
  served: readonly ServedMethod[],
  json: JsonOptions = {},
): ReadonlyMap<string, UnaryHandler> {
  const handlers = new Map<string, UnaryHandler>();
  for (const { method, serve } of served)
    if (isUnary(method)) handlers.set(pathOf(method), handlerOf(method, serve, json));
  return handlers;
}

function isUnary(method: DescMethod): method is DescMethodUnary {
  return method.methodKind === 'unary';
}

/** What is known of a request by its head. */
interface OrdinaryHead {
  readonly isBinary: boolean;
  readonly bodyBytes: number;
  /** Undefined where the caller set none. */
  readonly timeoutMs: number | undefined;
}

function handlerOf(method: DescMethodUnary, serve: ServedMethod['serve'], json: JsonOptions): UnaryHandler {
  const serialization = createMethodSerializationLookup(method, undefined, json, connectLimits);
  const answer = async (head: OrdinaryHead, body: Uint8Array, call: UnaryCall): Promise<Answer> => {
    try {
      const request = serialization.getI(head.isBinary).parse(body);
      const reply = create(method.output, await serve(request, call));
      const type = head.isBinary ? contentTypeUnaryProto : contentTypeUnaryJson;
      return { status: 200, type, body: serialization.getO(head.isBinary).serialize(reply) };
    } catch (error) {
      return answerOf(toFailure(error));
    }
  };
  return (request, response) => {
    const head = readHead(request);
    if (head === undefined) return false;
    const call = new UnaryCall(request, head.timeoutMs);
    response.once('close', () => call.close());
    readBody(request, head.bodyBytes, (body) => {
      void answer(head, body, call).then((answered) => {
        call.close();
        write(response, answered);
      });
    });
    return true;
  };
}

/** Undefined where the request is not an ordinary one. */
function readHead({ method, headers, httpVersionMajor }: IncomingMessage): OrdinaryHead | undefined {
  const { 'content-encoding': encoding = 'identity', 'connect-timeout-ms': timeout, host } = headers;
  const type = parseContentType(headers['content-type'] ?? null);
  if (method !== 'POST' || httpVersionMajor !== 1 || type === undefined || type.stream) return undefined;
  if (encoding !== 'identity' || host === undefined || !isPlainHost(host)) return undefined;
  const length = headers['content-length'];
  if (length === undefined || !/^\d{1,7}$/.test(length) || Number(length) > connectLimits.readMaxBytes)
    return undefined;
  if (timeout !== undefined && (typeof timeout !== 'string' || !/^\d{1,9}$/.test(timeout))) return undefined;
  const timeoutMs = timeout === undefined ? undefined : Number(timeout);
  return { isBinary: type.binary, bodyBytes: Number(length), timeoutMs };
}

/** Whether it surely makes a URL; reading one costs more than all the rest of a head. */
function isPlainHost(host: string): boolean {
  return (
    /^[a-z][a-z0-9-]{0,62}(?::[1-5]?\d{1,4})?$|^127\.0\.0\.1(?::[1-5]?\d{1,4})?$/.test(host) ||
    URL.canParse(`http://${host}/`)
  );
}

/** The parser of HTTP sees to it that as many bytes come as were promised; where they do not, nobody waits for an answer. */
function readBody(request: IncomingMessage, bodyBytes: number, read: (body: Uint8Array) => void): void {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const [first] = chunks;
    read(chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks, bodyBytes));
  });
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: Uint8Array;
}

function answerOf(error: ConnectError): Answer {
  return { status: codeToHttpStatus(error.code), type: contentTypeUnaryJson, body: errorToJsonBytes(error, undefined) };
}

function write(response: ServerResponse, { status, type, body }: Answer): void {
  // The caller has gone: there is nobody to tell.
  if (response.destroyed) return;
  response.writeHead(status, { 'content-type': type, 'content-length': body.byteLength });
  response.end(body);
}

/** A call as Node's HTTP/1.1 server knows it. */
class UnaryCall implements IncomingCall {
  readonly end = new Ending();
  readonly reader = undefined;
  readonly address: string;
  readonly authorization: string | undefined;
  readonly #endsAtMs: number | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  #hasTimedOut = false;

  constructor({ socket, headers }: IncomingMessage, timeoutMs: number | undefined) {
    this.address = socket.remoteAddress ?? '';
    this.authorization = headers.authorization;
    if (timeoutMs === undefined) return;
    this.#endsAtMs = performance.now() + timeoutMs;
    if (timeoutMs === 0) this.#timeOut();
    else this.#timer = setTimeout(() => this.#timeOut(), timeoutMs);
  }

  get hasTimedOut(): boolean {
    return this.#hasTimedOut;
  }

  get timeoutMs(): number | undefined {
    return this.#endsAtMs === undefined ? undefined : this.#endsAtMs - performance.now();
  }

  /** The answer is known, or nobody waits for it. */
  close(): void {
    clearTimeout(this.#timer);
    this.end.abort();
  }

  #timeOut(): void {
    this.#hasTimedOut = true;
    this.end.abort();
  }
}
