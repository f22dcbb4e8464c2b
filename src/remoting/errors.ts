import { ResponseCode } from './response-code.ts';

/**
 * What went wrong between us and a remoting server:
 * - `connect`: no connection was made; nothing was sent.
 * - `closed`: the connection ended, or was closed by us, before the reply came.
 * - `timeout`: the deadline passed before the reply came.
 * - `cancelled`: the caller gave up.
 * - `overloaded`: a limit of ours was reached; nothing was sent.
 * - `malformed`: bytes or fields that the protocol does not allow.
 */
export type RemotingErrorKind = 'connect' | 'closed' | 'timeout' | 'cancelled' | 'overloaded' | 'malformed';

export interface RemotingErrorDetails {
  /** `host:port` of the server, where one is concerned. */
  readonly address?: string;
  /** True when request bytes may have reached the server, so that the outcome is unknown. Default: false. */
  readonly outcomeUnknown?: boolean;
  readonly cause?: unknown;
}

/** A request that got no reply, or bytes that make no sense. Decide by `kind` and `outcomeUnknown`, never by the text. */
export class RemotingError extends Error {
  readonly kind: RemotingErrorKind;
  readonly address: string | undefined;
  readonly outcomeUnknown: boolean;

  constructor(kind: RemotingErrorKind, message: string, details: RemotingErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'RemotingError';
    this.kind = kind;
    this.address = details.address;
    this.outcomeUnknown = details.outcomeUnknown ?? false;
  }
}

/**
 * A server answered with a code other than the ones its request declares as success.
 * The remark may hold Java stack text and inner addresses: it is for logs, never for clients of the proxy.
 */
export class ResponseError extends Error {
  /** Response code of the server (`ResponseCode`). */
  readonly code: number;
  readonly remark: string;
  /** `host:port` of the server that answered. */
  readonly address: string;

  constructor(code: number, remark: string, address: string) {
    super(`${address} answered ${describeCode(code)}${remark === '' ? '' : `: ${remark}`}`);
    this.name = 'ResponseError';
    this.code = code;
    this.remark = remark;
    this.address = address;
  }
}

function describeCode(code: number): string {
  const name = Object.entries(ResponseCode).find(([, value]) => value === code)?.[0];
  return name === undefined ? `code ${code}` : `${name} (${code})`;
}
