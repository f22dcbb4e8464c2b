import { describe, expect, test } from 'vitest';
import { GrpcError } from '../../src/grpc/status.ts';
import { readTimeoutMs } from '../../src/grpc/timeout.ts';

describe('readTimeoutMs', () => {
  test.each([
    ['0n', 0],
    ['1n', 0.000_001],
    ['500u', 0.5],
    ['4999m', 4_999],
    ['00000007S', 7_000],
    ['10M', 600_000],
    ['596H', 2_145_600_000],
    ['2147483S', 2_147_483_000],
    ['99999999m', 99_999_999],
  ])('reads %s', (text, timeoutMs) => {
    expect(readTimeoutMs(text)).toBeCloseTo(timeoutMs, 9);
  });

  test.each(['597H', '2147484S', '99999999M', '99999999H'])(
    'takes %s, which no timer reaches, for no deadline',
    (text) => {
      expect(readTimeoutMs(text)).toBeUndefined();
    },
  );

  test.each(['', 'm', '1', '1s', '1 m', '-1m', '+1m', '1.5S', '123456789m', '1mm', '0x1m', '١m'])(
    'refuses "%s"',
    (text) => {
      expect(() => readTimeoutMs(text)).toThrow(GrpcError);
    },
  );
});
