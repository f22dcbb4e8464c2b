import { http2Defaults } from '../http2/options.ts';
import type { Http2Limits } from './http2-guard.ts';

/** What no setting changes. Times in milliseconds. */
export interface ListenerLimits
  extends Omit<
    Http2Limits,
    'ageMsMax' | 'keepaliveIntervalMs' | 'keepaliveTimeoutMs' | 'readTimeoutMs' | 'endlessPath'
  > {
  /** Longest a new connection may take to show whether it speaks HTTP/1.1 or HTTP/2. */
  readonly firstBytesMs: number;
  /** Longest an HTTP/1.1 client may take for its headers. */
  readonly headersMs: number;
  /** Most bytes of the headers of one request; an HTTP/2 field counts 32 more. */
  readonly headerBytesMax: number;
  /** Most header fields of one request. */
  readonly headerFieldsMax: number;
  /** Bytes of one request that may be on their way before its handler reads them. */
  readonly streamWindowBytes: number;
  /** The same for all requests of one connection together. */
  readonly connectionWindowBytes: number;
  /** Megabytes that nghttp2 may hold for one connection before it refuses streams. */
  readonly sessionMemoryMb: number;
  /** How often the connections are looked over. */
  readonly sweepMs: number;
}

/** What both ways of serving HTTP/2 bound is the same for both, and for HTTP/1.1 where it has that too. */
export const listenerLimits: ListenerLimits = {
  ...http2Defaults,
  firstBytesMs: 5000,
  sessionMemoryMb: 10,
  sweepMs: 1000,
};
