import { Code, ConnectError } from '@connectrpc/connect';
import { ErrorInfoSchema } from '../gen/google/rpc/error_details_pb.ts';
import type { Outcome } from '../gen/rocketmq/rocketmq_pb.ts';

/** Status codes of gRPC by their number. */
const statusNames = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const;

/** Names of gRPC status codes, as `MQError.code` has them; a call that failed has none that is OK. */
export type MQErrorCode = Exclude<(typeof statusNames)[number], 'OK'>;

/** How one message of `publishAll` fared. */
export interface PublishOutcome {
  /** The id that receivers see; empty where the message is not known to be stored. */
  readonly messageId: string;
  /** Why it is not known to be stored. */
  readonly error: MQError | undefined;
}

/** What is known besides. */
interface ErrorDetails {
  readonly cause?: unknown;
  readonly outcomes?: readonly PublishOutcome[];
}

/** The only error that this client throws. Decide by `code`, `reason` and `retryable`, never by the text. */
export class MQError extends Error {
  readonly code: MQErrorCode;
  /**
   * Why, more exactly than the code says it, in the words of the Node SDK. What the proxy says, such as `TOPIC_NOT_FOUND`, `TOKEN_DENIED` or
   * `RECEIPT_EXPIRED`, and of this client:
   * - `NO_ANSWER`: no answer came from the proxy, or pages of this origin may not read it; of a publish `OUTCOME_UNKNOWN`.
   * - `DEADLINE`: the time of the call was over; whether it was done is not known.
   * - `CANCELLED`: the signal of the call was aborted; its reason is the `cause`.
   * - `CLOSED`: the client or consumer has been closed.
   * - `INVALID_REQUEST`: it can never work; nothing was sent.
   * - `UNKNOWN`: what answered does not say it, such as a gateway before the proxy.
   */
  readonly reason: string;
  /** Whether the same call may succeed a little later. A publish whose outcome is unknown may then store the message twice. */
  readonly retryable: boolean;
  /** Of `publishAll`: how each message fared, in order. */
  readonly outcomes: readonly PublishOutcome[] | undefined;

  constructor(code: MQErrorCode, reason: string, message: string, { cause, outcomes }: ErrorDetails = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'MQError';
    this.code = code;
    this.reason = reason;
    this.retryable = isRetryable(code, reason);
    this.outcomes = outcomes;
  }
}

function isRetryable(code: MQErrorCode, reason: string): boolean {
  // Of the protocol itself it is a limit, which the same call meets again.
  if (code === 'RESOURCE_EXHAUSTED') return reason !== 'UNKNOWN';
  return ['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'ABORTED'].includes(code) || reason === 'BROKER_FAILED';
}

/** `INVALID_REQUEST` */
export function invalidRequest(message: string): MQError {
  return new MQError('INVALID_ARGUMENT', 'INVALID_REQUEST', message);
}

/** `CLOSED`. @param what such as `the client`. */
export function closedError(what: string): MQError {
  return new MQError('FAILED_PRECONDITION', 'CLOSED', `${what} has been closed`);
}

/** How one of several messages failed; undefined where it did not. */
export function outcomeError({ success, message, code, reason }: Outcome): MQError | undefined {
  return success ? undefined : new MQError(codeName(code), reason, message);
}

/** Whatever Connect threw, as users get it. @param baseUrl of the proxy. */
export function toMQError(error: unknown, baseUrl: string): MQError {
  if (error instanceof MQError) return error;
  const failure = ConnectError.from(error);
  const [info] = failure.findDetails(ErrorInfoSchema);
  const cause = failure.cause instanceof Error ? failure.cause : failure;
  if (info !== undefined || !isBroken(failure.code))
    return new MQError(codeName(failure.code), info?.reason ?? 'UNKNOWN', failure.rawMessage, { cause });
  const text =
    `no answer of the proxy at ${baseUrl} (${failure.rawMessage}): it may be down or restarting, or it does not allow pages of this ` +
    'origin, which its setting PROXY_CORS_ORIGINS lists';
  return new MQError('UNAVAILABLE', 'NO_ANSWER', text, { cause });
}

/** Whether Connect says so of an answer that never came, or broke off; the proxy itself gives such codes with a reason only. */
function isBroken(code: Code): boolean {
  return code === Code.Unknown || code === Code.InvalidArgument || code === Code.DataLoss;
}

function codeName(code: number): MQErrorCode {
  const name = statusNames[code] ?? 'UNKNOWN';
  return name === 'OK' ? 'UNKNOWN' : name;
}
