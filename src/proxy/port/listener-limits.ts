import { readFileSync } from 'node:fs';
import { http2Defaults } from '../../http2/options.ts';
import type { Http2Limits } from './http2-guard.ts';

/** What no setting changes. Times in milliseconds. */
export interface ListenerLimits
  extends Omit<
    Http2Limits,
    'ageMsMax' | 'keepaliveIntervalMs' | 'keepaliveTimeoutMs' | 'readTimeoutMs' | 'endlessPath'
  > {
  /** Longest a new connection may take to show whether it speaks HTTP/1.1 or HTTP/2. */
  readonly firstBytesMs: number;
  /** Longest a request over our own HTTP/2 core that is not whole may go without any data, unless it lasts by nature. */
  readonly firstDataMs: number;
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

/** File descriptors that clients leave to brokers, files and the status port. */
const keptFileCount = 200;

/**
 * How many connections to take at most.
 * @param wanted by the settings.
 * @param fileCountMax how many file descriptors the process may have.
 */
export function connectionCountMax(wanted: number, fileCountMax = openFileCountMax()): number {
  return Math.max(1, Math.min(wanted, fileCountMax - keptFileCount));
}

/** What Linux says of this process; elsewhere nobody says. */
function openFileCountMax(): number {
  try {
    const [, count] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return count === undefined ? Number.POSITIVE_INFINITY : Number(count);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
