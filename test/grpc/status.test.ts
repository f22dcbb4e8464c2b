import { expect, test } from 'vitest';
import { GrpcError, StatusCode, statusOf } from '../../src/grpc/status.ts';

test('statusOf tells what a GrpcError says, and nothing of any other error', () => {
  const error = new GrpcError(StatusCode.ABORTED, 'again', { cause: 'why', details: new Uint8Array(1) });
  expect(statusOf(error)).toBe(error);
  expect(error).toMatchObject({ code: 10, message: 'again', cause: 'why', details: new Uint8Array(1) });
  for (const other of [new Error('secret'), 'secret', undefined, { code: 5, message: 'secret' }])
    expect(statusOf(other)).toEqual({ code: StatusCode.UNKNOWN, message: 'the handler of the call failed' });
});
