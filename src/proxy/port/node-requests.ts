import { IncomingMessage, ServerResponse } from 'node:http';
import { constants } from 'node:http2';
import type { UniversalServerRequest, UniversalServerResponse } from '@connectrpc/connect/protocol';
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from '@connectrpc/connect-node';
import type { Log } from '../../log.ts';
import type { ConnectHandler } from '../rpc/connect.ts';
import type { UnaryHandler } from '../rpc/connect-unary.ts';
import { plainGrpcMessages } from '../rpc/grpc-message.ts';
import type { CorsPolicy } from './cors.ts';
import type { RequestHandler } from './listener.ts';

type NodeRequest = Parameters<RequestHandler>[0];
type NodeResponse = Parameters<RequestHandler>[1];

/**
 * Serves requests that come by Node's own HTTP/1.1 and HTTP/2 servers.
 * @param unary What answers ordinary unary calls, at less cost.
 */
export function createRequestHandler(
  handlers: ReadonlyMap<string, ConnectHandler>,
  unary: ReadonlyMap<string, UnaryHandler>,
  pages: CorsPolicy,
  log: Log,
): RequestHandler {
  return (request, response) => {
    if (isAnswered(pages, request, response)) return;
    const path = request.url?.split('?', 1)[0] ?? '';
    if (request instanceof IncomingMessage && response instanceof ServerResponse) {
      if (unary.get(path)?.(request, response) === true) return;
    }
    const handler = handlers.get(path);
    const call = handler === undefined ? undefined : readCall(request, response);
    if (handler === undefined || call === undefined) {
      response.writeHead(handler === undefined ? 404 : 400).end();
      return;
    }
    plainGrpcMessages(request, response);
    handler({ ...call, address: request.socket.remoteAddress ?? '', cut: () => cut(response) })
      .then((reply) => universalResponseToNodeResponse(endWith(response, reply), response))
      // The caller has gone: there is nobody to tell.
      .catch((error: unknown) => log.debug({ err: error }, 'a reply could not be written'));
  };
}

/** Writes what browsers need to know; true where that was all there was to answer. */
function isAnswered(pages: CorsPolicy, request: NodeRequest, response: NodeResponse): boolean {
  const { origin, 'access-control-request-method': preflightMethod } = request.headers;
  const answer = pages.answer(request.method ?? '', origin, preflightMethod);
  if (answer === undefined) return false;
  for (const [name, value] of answer.fields) response.setHeader(name, value);
  if (answer.status === undefined) return false;
  response.writeHead(answer.status);
  response.end(answer.text ?? '');
  return true;
}

/** Undefined for a request whose authority or path makes no URL. */
function readCall(request: NodeRequest, response: NodeResponse): UniversalServerRequest | undefined {
  try {
    const call = universalRequestFromNodeRequest(request, response, undefined, undefined);
    // Reading that stops at a request which cannot be read would end the whole call, and with it what is still to be answered.
    return 'stream' in request ? { ...call, body: request.iterator({ destroyOnReturn: false }) } : call;
  } catch {
    return undefined;
  }
}

/**
 * The reply, of which nothing more is made once the caller has gone. Connect waits for a caller that reads slowly, and goes on to
 * wait when that caller has gone.
 */
function endWith(response: NodeResponse, reply: UniversalServerResponse): UniversalServerResponse {
  if (reply.body === undefined || reply.body === null) return reply;
  const body = reply.body[Symbol.asyncIterator]();
  response.once('close', () => void body.return?.().catch(() => {}));
  return { ...reply, body: { [Symbol.asyncIterator]: () => body } };
}

/** Drops what is on its way to the caller. Clients of gRPC read this code as RESOURCE_EXHAUSTED. */
function cut(response: NodeResponse): void {
  if ('stream' in response) response.stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  else response.destroy();
}
