import { create } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { OutcomeSchema } from '../../src/gen/rocketmq/rocketmq_pb.ts';
import { failure } from '../../src/proxy/rpc/failures.ts';
import { closedError, invalidRequest, MQError, outcomeError, toMQError } from '../../src/web/errors.ts';

const baseUrl = 'https://mq.example';

describe('an error', () => {
  it.each([
    [Code.NotFound, 'TOPIC_NOT_FOUND', 'NOT_FOUND', false],
    [Code.PermissionDenied, 'TOKEN_DENIED', 'PERMISSION_DENIED', false],
    [Code.ResourceExhausted, 'BROKER_BUSY', 'RESOURCE_EXHAUSTED', true],
    [Code.Unavailable, 'SHUTTING_DOWN', 'UNAVAILABLE', true],
    [Code.DeadlineExceeded, 'DEADLINE', 'DEADLINE_EXCEEDED', true],
    [Code.Internal, 'BROKER_FAILED', 'INTERNAL', true],
    [Code.Internal, 'INTERNAL', 'INTERNAL', false],
  ] as const)('of the proxy keeps its code and reason: %s %s', (code, reason, name, retryable) => {
    expect(toMQError(failure(code, reason, 'why'), baseUrl)).toMatchObject({
      name: 'MQError',
      code: name,
      reason,
      retryable,
      message: 'why',
    });
  });

  it.each([
    ['a page that may not read the answer', new TypeError('Failed to fetch')],
    ['a stream that broke off', 'missing EndStreamResponse'],
    ['half an envelope', new ConnectError('protocol error: incomplete envelope', Code.InvalidArgument)],
  ])('is NO_ANSWER for %s', (_, thrown) => {
    const error = toMQError(thrown, baseUrl);
    expect(error).toMatchObject({ code: 'UNAVAILABLE', reason: 'NO_ANSWER', retryable: true });
    expect(error.message).toContain(baseUrl);
    expect(error.message).toContain('PROXY_CORS_ORIGINS');
    expect(error.cause).toBeInstanceOf(Error);
  });

  it.each([
    [Code.Unavailable, 'UNAVAILABLE', true],
    [Code.ResourceExhausted, 'RESOURCE_EXHAUSTED', false],
    [Code.Unimplemented, 'UNIMPLEMENTED', false],
  ] as const)('of a gateway, or of the protocol, has a code only: %s', (code, name, retryable) => {
    expect(toMQError(new ConnectError('x', code), baseUrl)).toMatchObject({ code: name, reason: 'UNKNOWN', retryable });
  });

  it('of this client is what it was', () => {
    const errors = [closedError('the client'), invalidRequest('timeoutMs is 0')];
    expect(errors.map((error) => toMQError(error, baseUrl))).toEqual(errors);
    expect(errors.map(({ code, reason }) => [code, reason])).toEqual([
      ['FAILED_PRECONDITION', 'CLOSED'],
      ['INVALID_ARGUMENT', 'INVALID_REQUEST'],
    ]);
  });
});

it('makes an error of the outcome of one message', () => {
  expect(outcomeError(create(OutcomeSchema, { success: true }))).toBeUndefined();
  const failed = { success: false, code: Code.NotFound, reason: 'RECEIPT_EXPIRED', message: 'too late' };
  const error = outcomeError(create(OutcomeSchema, failed));
  expect(error).toBeInstanceOf(MQError);
  expect(error).toMatchObject({ code: 'NOT_FOUND', reason: 'RECEIPT_EXPIRED', message: 'too late', retryable: false });
});
