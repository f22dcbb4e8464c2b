import { describe, expect, test } from 'vitest';
import { RocketMQError, type RocketMQErrorCode } from '../../../src/client/api/rocketmq-error.ts';
import { fromClientError, fromFirstCall } from '../../../src/sdk/direct/direct-errors.ts';

const failure = (code: RocketMQErrorCode, cause?: unknown): RocketMQError => new RocketMQError(code, 'text', cause);

describe('what fails in the client', () => {
  test.each([
    ['INVALID_ARGUMENT', 'INVALID_ARGUMENT', 'INVALID_REQUEST'],
    ['TOPIC_NOT_FOUND', 'NOT_FOUND', 'TOPIC_NOT_FOUND'],
    ['ACCESS_DENIED', 'PERMISSION_DENIED', 'BROKER_REFUSED'],
    ['BUSY', 'RESOURCE_EXHAUSTED', 'BROKER_BUSY'],
    ['OUTCOME_UNKNOWN', 'UNAVAILABLE', 'OUTCOME_UNKNOWN'],
    ['RECEIPT_EXPIRED', 'FAILED_PRECONDITION', 'RECEIPT_EXPIRED'],
    ['TIMEOUT', 'DEADLINE_EXCEEDED', 'DEADLINE'],
  ] as const)('%s is %s for %s, as a proxy says it', (own, code, reason) => {
    const error = failure(own);
    expect(fromClientError(error)).toMatchObject({ name: 'MQError', code, reason, message: 'text', cause: error });
    expect(fromClientError(error).retryable).toBe(error.retryable);
  });

  test('is what an aborted signal says', () => {
    const reason = new Error('enough');
    expect(fromClientError(failure('CANCELLED', reason)).cause).toBe(reason);
  });

  test('may be anything', () => {
    expect(fromClientError(new Error('odd'))).toMatchObject({ code: 'INTERNAL' });
    const error = fromClientError(failure('BUSY'));
    expect(fromClientError(error)).toBe(error);
  });
});

test('an endpoint is named where nobody answers, and only there', () => {
  for (const code of ['UNREACHABLE', 'TIMEOUT'] as const) {
    const error = fromFirstCall(failure(code), 'host:9876');
    expect(error).toMatchObject({ code: 'UNAVAILABLE', reason: 'ENDPOINT_UNREACHABLE' });
    expect(error.message).toContain('endpoint host:9876');
  }
  expect(fromFirstCall(failure('TOPIC_NOT_FOUND'), 'host:9876').message).toBe('text');
});
