import type { IncomingMessage, ServerResponse } from 'node:http';
import { fromBinary } from '@bufbuild/protobuf';
import type { HandlerContext } from '@connectrpc/connect';
import { StatusSchema } from '../../src/gen/google/rpc/status_pb.ts';
import type { HeaderField } from '../../src/http2/hpack/header-field.ts';
import type { Http2Stream } from '../../src/http2/stream.ts';

/** The header fields of a call, which the proxy's own methods neither read nor write. */
export interface Metadata {
  /** Of the request. */
  readonly fields: readonly HeaderField[];
  addHeaders(fields: readonly HeaderField[]): void;
  addTrailers(fields: readonly HeaderField[]): void;
}

/** Of a call that Connect's handlers serve. */
export function ofContext({ requestHeader, responseHeader, responseTrailer }: HandlerContext): Metadata {
  return {
    fields: Array.from(requestHeader, ([name, value]) => ({ name, value })),
    addHeaders: (fields) => append(responseHeader, fields),
    addTrailers: (fields) => append(responseTrailer, fields),
  };
}

function append(headers: Headers, fields: readonly HeaderField[]): void {
  for (const { name, value } of fields) headers.append(name, value);
}

/** Of a call of Connect over HTTP/1.1, whose one answer has its trailers in its head. */
export function ofResponse({ headersDistinct }: IncomingMessage, response: ServerResponse): Metadata {
  const add = (prefix: string, fields: readonly HeaderField[]): void => {
    for (const { name, value } of fields) response.appendHeader(`${prefix}${name}`, value);
  };
  return {
    fields: Object.entries(headersDistinct).flatMap(([name, values = []]) => values.map((value) => ({ name, value }))),
    addHeaders: (fields) => add('', fields),
    addTrailers: (fields) => add('trailer-', fields),
  };
}

/** A stream, and the fields that its answer has besides. */
export function ofStream(stream: Http2Stream): { readonly stream: Http2Stream; readonly metadata: Metadata } {
  const headers: HeaderField[] = [];
  const trailers: HeaderField[] = [];
  const changed: Pick<Http2Stream, 'sendHeaders' | 'sendTrailers'> = {
    sendHeaders(answer, isLast) {
      const fields = withoutReason(answer);
      const statusAt = fields.findIndex(({ name }) => name === 'grpc-status');
      if (statusAt < 0) stream.sendHeaders([...fields, ...headers], isLast);
      else if (headers.length === 0) stream.sendHeaders([...fields, ...trailers], isLast);
      else {
        // An answer that is only trailers has no place for headers.
        stream.sendHeaders([...fields.slice(0, statusAt), ...headers]);
        stream.sendTrailers([...fields.slice(statusAt), ...trailers]);
      }
    },
    sendTrailers: (fields) => stream.sendTrailers([...withoutReason(fields), ...trailers]),
  };
  const get = (_: Http2Stream, key: string | symbol): unknown => {
    if (key === 'sendHeaders' || key === 'sendTrailers') return changed[key];
    const value: unknown = Reflect.get(stream, key, stream);
    return typeof value === 'function' ? value.bind(stream) : value;
  };
  const metadata: Metadata = {
    fields: stream.headers,
    addHeaders: (fields) => void headers.push(...lowered(fields)),
    addTrailers: (fields) => void trailers.push(...lowered(fields)),
  };
  return { stream: new Proxy(stream, { get }), metadata };
}

function lowered(fields: readonly HeaderField[]): HeaderField[] {
  return fields.map(({ name, value }) => ({ name: name.toLowerCase(), value }));
}

/** Whatever is refused here says why by `google.rpc` details, of which the suite allows none where its service did not refuse. */
function withoutReason(fields: readonly HeaderField[]): readonly HeaderField[] {
  return fields.filter(({ name, value }) => {
    if (name !== 'grpc-status-details-bin') return true;
    const { details } = fromBinary(StatusSchema, Buffer.from(value, 'base64'));
    return !details.every(({ typeUrl }) => typeUrl.startsWith('type.googleapis.com/google.rpc.'));
  });
}
