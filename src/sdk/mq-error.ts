import { status } from '@grpc/grpc-js';

/** Names of gRPC status codes, as `MQError.code` has them; a call that failed has none that is OK. */
export type MQErrorCode = Exclude<keyof typeof status, 'OK'>;

const retryableCodes: ReadonlySet<MQErrorCode> = new Set(['UNAVAILABLE', 'RESOURCE_EXHAUSTED', 'DEADLINE_EXCEEDED']);

/** The name of a status code of gRPC. */
export function codeName(number: number): MQErrorCode {
  const name = status[number] as keyof typeof status | undefined;
  return name === undefined || name === 'OK' ? 'UNKNOWN' : name;
}

/** The only error that this SDK throws. Decide by `code`, `reason` and `retryable`, never by the text. */
export class MQError extends Error {
  readonly code: MQErrorCode;
  /**
   * Why, more exactly than the code says it; the same words by proxy and in direct mode. Those that programs ask for most:
   * - `OUTCOME_UNKNOWN`: no answer came to a publish, so the message may be stored; to publish it again may store it twice. Or to the end of a
   *   transaction, which may be ended again.
   * - `NOT_STORED`: nothing was stored.
   * - `PROXY_UNREACHABLE`: no proxy can be reached; nothing was sent. `NO_ANSWER`: the connection ended before the answer came.
   * - `ENDPOINT_UNREACHABLE`, `BROKER_UNREACHABLE`, `BROKER_BUSY`, `BROKER_REFUSED`, `BROKER_FAILED`: of RocketMQ itself.
   * - `TOPIC_NOT_FOUND`, `GROUP_NOT_FOUND`, `ID_NOT_FOUND`: no such topic, group, or producer or consumer.
   * - `RECEIPT_EXPIRED`: the ack came too late; the message comes again. Or the end of a transaction, or a recall.
   * - `CREDENTIALS_REFUSED`, `TOKEN_REFUSED`, `TOKEN_DENIED`: access keys or token are wrong, or not enough.
   * - `INVALID_REQUEST`, `NOT_SUPPORTED`, `OVERLOADED`, `DEADLINE`, `CANCELLED`, `CLOSED`, `SHUTTING_DOWN`, `INTERNAL`.
   */
  readonly reason: string;
  /** Whether the same call may succeed a little later. */
  readonly retryable: boolean;

  constructor(code: MQErrorCode, reason: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'MQError';
    this.code = code;
    this.reason = reason;
    this.retryable = retryableCodes.has(code) || reason === 'BROKER_FAILED';
  }
}

/** INVALID_ARGUMENT: it can never work; nothing was sent. */
export function invalid(message: string): MQError {
  return new MQError('INVALID_ARGUMENT', 'INVALID_REQUEST', message);
}

/** What a call on something closed fails with. @param what such as `the producer`. */
export function closedError(what: string): MQError {
  return new MQError('FAILED_PRECONDITION', 'CLOSED', `${what} has been closed`);
}

/** What a call fails with whose signal was aborted; the signal's reason is the cause. */
export function cancelledError(signal: AbortSignal | undefined): MQError {
  return new MQError('CANCELLED', 'CANCELLED', 'the call was cancelled', signal?.reason);
}

/** Whatever went wrong, as users get it. */
export function toMQError(error: unknown): MQError {
  if (error instanceof MQError) return error;
  const text = error instanceof Error ? error.message : String(error);
  return new MQError('INTERNAL', 'INTERNAL', `an unexpected failure: ${text}`, error);
}
