import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import { escapeMessage } from '../../grpc/header-fields.ts';

const grpcMessage = 'grpc-message';

/**
 * Makes the `grpc-message` of gRPC errors readable to every client. Connect escapes more characters than the gRPC specification asks
 * for, and grpc-js does not take those escapes out again: its users would read `127.0.0.1%3A9876`.
 */
export function plainGrpcMessages(
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
): void {
  if (!/^application\/grpc(?:\+|;|$)/.test(request.headers['content-type'] ?? '')) return;
  const addTrailers = response.addTrailers.bind(response);
  response.addTrailers = (trailers: OutgoingHttpHeaders) => {
    const message = trailers[grpcMessage];
    addTrailers(
      typeof message === 'string'
        ? { ...trailers, [grpcMessage]: escapeMessage(decodeURIComponent(message)) }
        : trailers,
    );
  };
}
