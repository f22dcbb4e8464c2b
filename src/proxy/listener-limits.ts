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

export const listenerLimits: ListenerLimits = {
  firstBytesMs: 5000,
  headersMs: 10_000,
  headerBytesMax: 16_384,
  headerFieldsMax: 128,
  idleMs: 120_000,
  youngStreamMs: 100,
  youngResetsMax: 200,
  youngResetsPerSecond: 20,
  controlFramesMax: 1000,
  closeGraceMs: 1000,
  streamWindowBytes: 262_144,
  connectionWindowBytes: 1_048_576,
  sessionMemoryMb: 10,
  sweepMs: 1000,
};
