import { Code, ConnectError } from '@connectrpc/connect';
import { PartialFailureError } from '../../client/admin/admin-results.ts';
import { ClientError, type ClientErrorKind } from '../../client/errors.ts';
import { ErrorInfoSchema, RetryInfoSchema } from '../../gen/google/rpc/error_details_pb.ts';
import { GrpcError } from '../../grpc/status.ts';
import { RemotingError, type RemotingErrorKind, ResponseError } from '../../remoting/errors.ts';
import { ResponseCode } from '../../remoting/response-code.ts';
import { PolicyError } from '../access/endpoint-policy.ts';

/** Why a call failed, for programs: `reason` of the google.rpc.ErrorInfo that every error carries. */
export type Reason =
  | 'INVALID_REQUEST'
  | 'ID_NOT_FOUND'
  | 'RECEIPT_EXPIRED'
  | 'CREDENTIALS_REFUSED'
  | 'TOKEN_REFUSED'
  | 'TOKEN_DENIED'
  | 'ENDPOINT_NOT_ALLOWED'
  | 'ENDPOINT_UNREACHABLE'
  | 'TOPIC_NOT_FOUND'
  | 'GROUP_NOT_FOUND'
  | 'BROKER_UNREACHABLE'
  | 'BROKER_REFUSED'
  | 'BROKER_BUSY'
  | 'BROKER_FAILED'
  | 'NOT_SUPPORTED'
  | 'NOT_STORED'
  | 'OUTCOME_UNKNOWN'
  | 'DEADLINE'
  | 'CANCELLED'
  | 'OVERLOADED'
  | 'SHUTTING_DOWN'
  | 'INTERNAL';

const domain = 'rocketmq-grpc-proxy';
/** When to try again after a refusal for load, in ms. */
const retryDelayMs = 1_000;

/** Most characters of a message. A gRPC trailer holds it twice, up to 13 bytes for each, and some clients take 8 KiB of trailers. */
const messageCharsMax = 512;

/** An error as a caller gets it. The cause stays here, for the log. */
export function failure(code: Code, reason: Reason, message: string, cause?: unknown): ConnectError {
  // What is too long stays so.
  const retry = reason === 'INVALID_REQUEST' ? [] : retryDetails(code);
  const details = [{ desc: ErrorInfoSchema, value: { reason, domain } }, ...retry];
  return new ConnectError(shortened(message), code, undefined, details, cause);
}

/** Not cut between the halves of a character. */
function shortened(message: string): string {
  if (message.length <= messageCharsMax) return message;
  return `${message.slice(0, messageCharsMax - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}

/** INVALID_ARGUMENT: the request can never work. */
export function invalid(message: string, cause?: unknown): ConnectError {
  return failure(Code.InvalidArgument, 'INVALID_REQUEST', message, cause);
}

function retryDetails(code: Code) {
  if (code !== Code.ResourceExhausted && code !== Code.Unavailable) return [];
  const retryDelay = { seconds: BigInt(Math.floor(retryDelayMs / 1_000)), nanos: (retryDelayMs % 1_000) * 1_000_000 };
  return [{ desc: RetryInfoSchema, value: { retryDelay } }];
}

/**
 * Turns whatever went wrong into what a caller may know of it: the only place that does. Texts of brokers, which may hold Java stack
 * text and inner addresses, are never passed on.
 * @param timedOut true where the call was cancelled because the caller's deadline passed, and not because the caller has gone.
 */
export function toFailure(error: unknown, timedOut = false): ConnectError {
  if (error instanceof ConnectError) return error;
  if (error instanceof GrpcError) return fromGrpc(error);
  if (error instanceof ClientError) return fromClient(error, timedOut);
  if (error instanceof ResponseError) return fromResponse(error);
  if (error instanceof RemotingError) return fromRemoting(error, timedOut);
  if (error instanceof PolicyError) return fromPolicy(error);
  // What was asked of several brokers fails as the first of those that failed.
  if (error instanceof PartialFailureError) return toFailure(error.cause, timedOut);
  return failure(Code.Internal, 'INTERNAL', 'internal error', error);
}

/** What is wrong with a call as it came: its messages, its deadline. */
function fromGrpc(error: GrpcError): ConnectError {
  const reasons: Readonly<Record<number, Reason>> = {
    [Code.Canceled]: 'CANCELLED',
    [Code.DeadlineExceeded]: 'DEADLINE',
  };
  return failure(error.code, reasons[error.code] ?? 'INVALID_REQUEST', error.message, error);
}

const clientCodes: Readonly<Record<ClientErrorKind, readonly [Code, Reason]>> = {
  noRoute: [Code.NotFound, 'TOPIC_NOT_FOUND'],
  noBroker: [Code.Unavailable, 'BROKER_UNREACHABLE'],
  notStored: [Code.Unavailable, 'NOT_STORED'],
  outcomeUnknown: [Code.Unavailable, 'OUTCOME_UNKNOWN'],
  unauthenticated: [Code.Unauthenticated, 'CREDENTIALS_REFUSED'],
  denied: [Code.PermissionDenied, 'BROKER_REFUSED'],
  unsupported: [Code.FailedPrecondition, 'NOT_SUPPORTED'],
  invalid: [Code.InvalidArgument, 'INVALID_REQUEST'],
  expired: [Code.FailedPrecondition, 'RECEIPT_EXPIRED'],
  closed: [Code.Unavailable, 'SHUTTING_DOWN'],
};

function fromClient(error: ClientError, timedOut: boolean): ConnectError {
  const [code, reason] = clientCodes[error.kind];
  if (error.kind === 'outcomeUnknown' && (timedOut || isTimeout(error.cause)))
    return failure(Code.DeadlineExceeded, reason, error.message, error);
  if (error.kind === 'notStored' && isBusy(error.cause))
    return failure(Code.ResourceExhausted, reason, error.message, error);
  return failure(code, reason, error.message, error);
}

function isTimeout(error: unknown): boolean {
  return error instanceof RemotingError && error.kind === 'timeout';
}

function isBusy(error: unknown): boolean {
  return error instanceof ResponseError && error.code === ResponseCode.SYSTEM_BUSY;
}

const notNow: readonly [Code, Reason, string] = [
  Code.Unavailable,
  'BROKER_UNREACHABLE',
  'the broker does not take the request now',
];

const responseFailures: Readonly<Record<number, readonly [Code, Reason, string]>> = {
  [ResponseCode.SYSTEM_BUSY]: [Code.ResourceExhausted, 'BROKER_BUSY', 'the broker is too busy'],
  [ResponseCode.FLOW_CONTROL]: [Code.ResourceExhausted, 'BROKER_BUSY', 'the broker limits the rate'],
  [ResponseCode.POLLING_FULL]: [Code.ResourceExhausted, 'BROKER_BUSY', 'too many receivers wait at the broker'],
  [ResponseCode.SERVICE_NOT_AVAILABLE]: notNow,
  [ResponseCode.NOT_LEADER_FOR_QUEUE]: notNow,
  [ResponseCode.GO_AWAY]: notNow,
  [ResponseCode.MESSAGE_ILLEGAL]: [
    Code.InvalidArgument,
    'BROKER_REFUSED',
    'the broker refused the message: its body is over the limit (4 MiB unless configured), its properties are over 32,767 bytes, ' +
      'or its delivery time is too far away (more than 3 days unless configured)',
  ],
  [ResponseCode.INVALID_PARAMETER]: [
    Code.InvalidArgument,
    'BROKER_REFUSED',
    'the broker refused a value of the request',
  ],
  [ResponseCode.NO_PERMISSION]: [
    Code.PermissionDenied,
    'BROKER_REFUSED',
    'the broker refused access: check access_key_id, access_key_secret and their rights to the topic and group',
  ],
  [ResponseCode.TOPIC_NOT_EXIST]: [Code.NotFound, 'TOPIC_NOT_FOUND', 'the broker does not know the topic'],
  [ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST]: [
    Code.NotFound,
    'GROUP_NOT_FOUND',
    'the broker does not know the consumer group and does not create groups by itself',
  ],
  [ResponseCode.NO_MESSAGE]: [Code.InvalidArgument, 'BROKER_REFUSED', 'the broker has no such message'],
};

function fromResponse(error: ResponseError): ConnectError {
  const [code, reason, message] = responseFailures[error.code] ?? [
    Code.Internal,
    'BROKER_FAILED',
    `the broker failed on the request (response code ${error.code})`,
  ];
  return failure(code, reason, message, error);
}

const remotingFailures: Readonly<Record<RemotingErrorKind, readonly [Code, Reason, string]>> = {
  connect: [Code.Unavailable, 'BROKER_UNREACHABLE', 'a RocketMQ server cannot be reached'],
  closed: [Code.Unavailable, 'BROKER_UNREACHABLE', 'the connection to a RocketMQ server was lost'],
  timeout: [Code.DeadlineExceeded, 'DEADLINE', 'RocketMQ did not answer before the deadline'],
  cancelled: [Code.Canceled, 'CANCELLED', 'the call was cancelled'],
  overloaded: [Code.ResourceExhausted, 'OVERLOADED', 'too many requests are waiting for RocketMQ'],
  malformed: [Code.Internal, 'BROKER_FAILED', 'a RocketMQ server sent what the protocol does not allow'],
};

function fromRemoting(error: RemotingError, timedOut: boolean): ConnectError {
  const kind = timedOut && error.kind === 'cancelled' ? 'timeout' : error.kind;
  const [code, reason, message] = remotingFailures[kind];
  return failure(code, reason, message, error);
}

function fromPolicy(error: PolicyError): ConnectError {
  if (error.kind === 'refused') return failure(Code.PermissionDenied, 'ENDPOINT_NOT_ALLOWED', error.message, error);
  return invalid(error.message, error);
}
