import { expect, test } from 'vitest';
import { closedError, codeName, MQError, toMQError } from '../../src/sdk/mq-error.ts';

test('codes are named as gRPC names them', () => {
  expect([1, 3, 14, 16].map(codeName)).toEqual(['CANCELLED', 'INVALID_ARGUMENT', 'UNAVAILABLE', 'UNAUTHENTICATED']);
  // None of a failure, and none at all.
  expect([0, 17, -1, Number.NaN].map(codeName)).toEqual(['UNKNOWN', 'UNKNOWN', 'UNKNOWN', 'UNKNOWN']);
});

test.each([
  ['UNAVAILABLE', 'NOT_STORED', true],
  ['RESOURCE_EXHAUSTED', 'BROKER_BUSY', true],
  ['DEADLINE_EXCEEDED', 'DEADLINE', true],
  ['INTERNAL', 'BROKER_FAILED', true],
  ['INTERNAL', 'INTERNAL', false],
  ['INVALID_ARGUMENT', 'INVALID_REQUEST', false],
  ['NOT_FOUND', 'TOPIC_NOT_FOUND', false],
] as const)('%s for %s: retryable %s', (code, reason, retryable) => {
  expect(new MQError(code, reason, 'text')).toMatchObject({ name: 'MQError', code, reason, retryable });
});

test('what is closed stays closed; what is unexpected keeps its cause', () => {
  expect(closedError('the client')).toMatchObject({ reason: 'CLOSED', retryable: false });
  const cause = new Error('odd');
  expect(toMQError(cause)).toMatchObject({ code: 'INTERNAL', cause });
  expect(toMQError('text').message).toContain('text');
  const error = closedError('x');
  expect(toMQError(error)).toBe(error);
});
