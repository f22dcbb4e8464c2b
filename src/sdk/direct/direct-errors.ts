import { RocketMQError, type RocketMQErrorCode, toRocketMQError } from '../../client/api/rocketmq-error.ts';
import { MQError, type MQErrorCode } from '../mq-error.ts';

/** What a proxy would say. */
const codes: Readonly<Record<RocketMQErrorCode, readonly [MQErrorCode, string]>> = {
  INVALID_ARGUMENT: ['INVALID_ARGUMENT', 'INVALID_REQUEST'],
  TOPIC_NOT_FOUND: ['NOT_FOUND', 'TOPIC_NOT_FOUND'],
  GROUP_NOT_FOUND: ['NOT_FOUND', 'GROUP_NOT_FOUND'],
  UNAUTHENTICATED: ['UNAUTHENTICATED', 'CREDENTIALS_REFUSED'],
  ACCESS_DENIED: ['PERMISSION_DENIED', 'BROKER_REFUSED'],
  REFUSED: ['INVALID_ARGUMENT', 'BROKER_REFUSED'],
  BUSY: ['RESOURCE_EXHAUSTED', 'BROKER_BUSY'],
  BROKER_FAILED: ['INTERNAL', 'BROKER_FAILED'],
  UNREACHABLE: ['UNAVAILABLE', 'BROKER_UNREACHABLE'],
  NOT_STORED: ['UNAVAILABLE', 'NOT_STORED'],
  OUTCOME_UNKNOWN: ['UNAVAILABLE', 'OUTCOME_UNKNOWN'],
  NOT_SUPPORTED: ['FAILED_PRECONDITION', 'NOT_SUPPORTED'],
  RECEIPT_EXPIRED: ['FAILED_PRECONDITION', 'RECEIPT_EXPIRED'],
  TIMEOUT: ['DEADLINE_EXCEEDED', 'DEADLINE'],
  CANCELLED: ['CANCELLED', 'CANCELLED'],
  OVERLOADED: ['RESOURCE_EXHAUSTED', 'OVERLOADED'],
  CLOSED: ['FAILED_PRECONDITION', 'CLOSED'],
  STORAGE_FAILED: ['INTERNAL', 'INTERNAL'],
  INTERNAL: ['INTERNAL', 'INTERNAL'],
};

/** Whatever failed in the client, as users of the SDK get it. */
export function fromClientError(error: unknown): MQError {
  if (error instanceof MQError) return error;
  const failure = error instanceof RocketMQError ? error : toRocketMQError(error);
  const [code, reason] = codes[failure.code];
  // The signal's own reason, as by a proxy.
  return new MQError(code, reason, failure.message, code === 'CANCELLED' ? failure.cause : failure);
}

/** As `fromClientError`, of the first calls to an endpoint: where nobody answers, the text names it. */
export function fromFirstCall(error: unknown, endpoint: string): MQError {
  const failure = fromClientError(error);
  if (!['BROKER_UNREACHABLE', 'DEADLINE'].includes(failure.reason)) return failure;
  const text = `endpoint ${endpoint} does not answer: is it a RocketMQ name server, and is its broker up?`;
  return new MQError('UNAVAILABLE', 'ENDPOINT_UNREACHABLE', text, failure);
}
