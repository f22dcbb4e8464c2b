import { RemotingError, type RemotingErrorKind, ResponseError } from '../../remoting/errors.ts';
import { ResponseCode } from '../../remoting/response-code.ts';
import { PartialFailureError } from '../admin/admin-results.ts';
import { ClientError, type ClientErrorKind } from '../errors.ts';
import { BatchError } from '../send/batches.ts';
import type { SendOutcome } from './send-result.ts';

/**
 * What went wrong, for programs. These texts stay as they are; new ones may be added.
 * - `INVALID_ARGUMENT`: it can never work; the message says what to change. Nothing was sent.
 * - `TOPIC_NOT_FOUND`, `GROUP_NOT_FOUND`: the cluster knows no such topic or group, and makes none by itself.
 * - `UNAUTHENTICATED`: the credentials are missing, unknown or wrong.
 * - `ACCESS_DENIED`: the credentials have no right to the topic or group.
 * - `REFUSED`: a broker does not take what it was given, such as a body over its limit.
 * - `BUSY`: a broker limits the rate, or has too much to do; nothing was stored.
 * - `BROKER_FAILED`: a broker could not do it, or answered what the protocol does not allow.
 * - `UNREACHABLE`: no name server or broker answers; nothing was stored.
 * - `NOT_STORED`: every try of a send was refused; nothing was stored.
 * - `OUTCOME_UNKNOWN`: the message may be stored, or not: no answer came. To send it again may store it twice.
 * - `NOT_SUPPORTED`: these brokers cannot do it.
 * - `RECEIPT_EXPIRED`: the message was given back, or its time was over: it is delivered again.
 * - `TIMEOUT`: the time of the call was over.
 * - `CANCELLED`: the signal of the call was aborted; its reason is the `cause`.
 * - `OVERLOADED`: a limit of this client was reached, such as the sends that may wait; nothing was sent.
 * - `CLOSED`: the client, producer or consumer has been closed.
 * - `STORAGE_FAILED`: the file in which a member of a broadcast keeps its offsets could not be read or written.
 * - `INTERNAL`: a fault of this library; please report it.
 */
export type RocketMQErrorCode =
  | 'INVALID_ARGUMENT'
  | 'TOPIC_NOT_FOUND'
  | 'GROUP_NOT_FOUND'
  | 'UNAUTHENTICATED'
  | 'ACCESS_DENIED'
  | 'REFUSED'
  | 'BUSY'
  | 'BROKER_FAILED'
  | 'UNREACHABLE'
  | 'NOT_STORED'
  | 'OUTCOME_UNKNOWN'
  | 'NOT_SUPPORTED'
  | 'RECEIPT_EXPIRED'
  | 'TIMEOUT'
  | 'CANCELLED'
  | 'OVERLOADED'
  | 'CLOSED'
  | 'STORAGE_FAILED'
  | 'INTERNAL';

/** Codes with which the same call may succeed a little later. */
const retryableCodes: ReadonlySet<RocketMQErrorCode> = new Set([
  'BUSY',
  'BROKER_FAILED',
  'UNREACHABLE',
  'NOT_STORED',
  'OUTCOME_UNKNOWN',
  'TIMEOUT',
  'OVERLOADED',
]);

/** What each server said of something that was asked of several. */
export interface ServerOutcomes {
  /** Those that have done it: names of brokers, addresses of name servers. */
  readonly succeeded: readonly string[];
  /** Why each of the others has not. */
  readonly failures: ReadonlyMap<string, RocketMQError>;
}

/** What is known besides. */
interface ErrorDetails {
  readonly outcomes?: readonly SendOutcome[];
  readonly servers?: ServerOutcomes;
}

/** The only error that this API throws. Decide by `code` and `retryable`, never by the text. */
export class RocketMQError extends Error {
  readonly code: RocketMQErrorCode;
  /** Whether the same call may succeed a little later. After `OUTCOME_UNKNOWN` it may store the message a second time. */
  readonly retryable: boolean;
  /** What the broker or name server answered (Java `ResponseCode`), where it was an answer that made the call fail. */
  readonly brokerCode: number | undefined;
  /** Of `sendBatch`: how each message fared, in order. Undefined where nothing of the batch was sent. */
  readonly outcomes: readonly SendOutcome[] | undefined;
  /** Of `Admin`: which servers have done it. To ask again is safe. Undefined where it did not get as far as to ask them. */
  readonly servers: ServerOutcomes | undefined;

  constructor(code: RocketMQErrorCode, message: string, cause?: unknown, details: ErrorDetails = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'RocketMQError';
    this.code = code;
    this.retryable = retryableCodes.has(code);
    this.brokerCode = brokerCodeOf(cause);
    this.outcomes = details.outcomes;
    this.servers = details.servers;
  }
}

/** `INVALID_ARGUMENT`. */
export function invalidArgument(message: string): RocketMQError {
  return new RocketMQError('INVALID_ARGUMENT', message);
}

/** `CLOSED`. @param what such as `the producer`. */
export function closedError(what: string): RocketMQError {
  return new RocketMQError('CLOSED', `${what} has been closed`);
}

/** Whatever went wrong inside, as users of the API get it: the only place that translates. */
export function toRocketMQError(error: unknown, signal?: AbortSignal): RocketMQError {
  if (error instanceof RocketMQError) return error;
  if (error instanceof ClientError) return fromClient(error, signal);
  if (error instanceof BatchError) {
    const { code, cause } = toRocketMQError(error.cause, signal);
    return new RocketMQError(code, error.message, cause);
  }
  if (error instanceof PartialFailureError) return fromServers(error, signal);
  if (error instanceof ResponseError) return new RocketMQError(responseCode(error.code), responseText(error), error);
  if (error instanceof RemotingError) return fromRemoting(error, signal);
  if (isFileError(error)) return new RocketMQError('STORAGE_FAILED', error.message, error);
  return new RocketMQError('INTERNAL', `an unexpected failure: ${textOf(error)}`, error);
}

const clientCodes: Readonly<Record<ClientErrorKind, RocketMQErrorCode>> = {
  noRoute: 'TOPIC_NOT_FOUND',
  noBroker: 'UNREACHABLE',
  notStored: 'NOT_STORED',
  outcomeUnknown: 'OUTCOME_UNKNOWN',
  unauthenticated: 'UNAUTHENTICATED',
  denied: 'ACCESS_DENIED',
  unsupported: 'NOT_SUPPORTED',
  invalid: 'INVALID_ARGUMENT',
  expired: 'RECEIPT_EXPIRED',
  closed: 'CLOSED',
};

function fromClient(error: ClientError, signal: AbortSignal | undefined): RocketMQError {
  const code = clientCodes[error.kind];
  // A send that the caller gave up: that it may be stored is what the caller must know first.
  const { cause } = error;
  const reason = cause instanceof RemotingError && cause.kind === 'cancelled' ? cancelReason(cause, signal) : error;
  return new RocketMQError(code, error.message, reason);
}

/** As the failure that another try cannot mend, where there is one: it decides. */
function fromServers(error: PartialFailureError, signal: AbortSignal | undefined): RocketMQError {
  const failures = new Map(Array.from(error.failures, ([name, failure]) => [name, toRocketMQError(failure, signal)]));
  const all = [...failures.values()];
  const { code, cause } = all.find(({ retryable }) => !retryable) ?? all[0] ?? toRocketMQError(error.cause, signal);
  return new RocketMQError(code, error.message, cause, { servers: { succeeded: error.succeeded, failures } });
}

/** What Node says of a file: sockets' errors are wrapped before they come here. */
function isFileError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error && 'path' in error;
}

const remotingCodes: Readonly<Record<RemotingErrorKind, RocketMQErrorCode>> = {
  connect: 'UNREACHABLE',
  closed: 'UNREACHABLE',
  timeout: 'TIMEOUT',
  cancelled: 'CANCELLED',
  overloaded: 'OVERLOADED',
  malformed: 'BROKER_FAILED',
};

function fromRemoting(error: RemotingError, signal: AbortSignal | undefined): RocketMQError {
  const cause = error.kind === 'cancelled' ? cancelReason(error, signal) : error;
  return new RocketMQError(remotingCodes[error.kind], error.message, cause);
}

function cancelReason(error: RemotingError, signal: AbortSignal | undefined): unknown {
  return signal?.aborted === true ? signal.reason : error;
}

const responseCodes: Readonly<Record<number, RocketMQErrorCode>> = {
  [ResponseCode.SYSTEM_BUSY]: 'BUSY',
  [ResponseCode.FLOW_CONTROL]: 'BUSY',
  [ResponseCode.POLLING_FULL]: 'BUSY',
  [ResponseCode.MESSAGE_ILLEGAL]: 'REFUSED',
  [ResponseCode.INVALID_PARAMETER]: 'REFUSED',
  [ResponseCode.ILLEGAL_OPERATION]: 'REFUSED',
  [ResponseCode.SUBSCRIPTION_PARSE_FAILED]: 'INVALID_ARGUMENT',
  [ResponseCode.NO_PERMISSION]: 'ACCESS_DENIED',
  [ResponseCode.TOPIC_NOT_EXIST]: 'TOPIC_NOT_FOUND',
  [ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST]: 'GROUP_NOT_FOUND',
  [ResponseCode.SERVICE_NOT_AVAILABLE]: 'UNREACHABLE',
  [ResponseCode.NOT_LEADER_FOR_QUEUE]: 'UNREACHABLE',
  [ResponseCode.GO_AWAY]: 'UNREACHABLE',
  [ResponseCode.NO_MESSAGE]: 'RECEIPT_EXPIRED',
  [ResponseCode.REQUEST_CODE_NOT_SUPPORTED]: 'NOT_SUPPORTED',
  [ResponseCode.VERSION_NOT_SUPPORTED]: 'NOT_SUPPORTED',
};

function responseCode(code: number): RocketMQErrorCode {
  return responseCodes[code] ?? 'BROKER_FAILED';
}

function responseText(error: ResponseError): string {
  if (error.code === ResponseCode.NO_PERMISSION) {
    return `${error.message}; check the access key, the secret key, and their rights to the topic and group`;
  }
  return error.message;
}

/** The first answer of a server among an error and its causes. */
function brokerCodeOf(cause: unknown): number | undefined {
  for (let error = cause, depth = 0; error instanceof Error && depth < causeDepthMax; depth += 1) {
    if (error instanceof ResponseError) return error.code;
    error = error.cause;
  }
  return undefined;
}

/** Causes that are looked through: an error could name itself as its cause. */
const causeDepthMax = 8;

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
