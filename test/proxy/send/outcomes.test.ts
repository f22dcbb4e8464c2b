import { describe, expect, it } from 'vitest';
import { ClientError } from '../../../src/client/errors.ts';
import { invalid, toFailure } from '../../../src/proxy/rpc/failures.ts';
import { failedOutcome, successOf } from '../../../src/proxy/send/outcomes.ts';

describe('an outcome', () => {
  it('of success has its text only', () => {
    expect(successOf('done')).toEqual({ success: true, message: 'done' });
  });

  it('of a failure has what a call would have failed with, and no more', () => {
    const code = { success: false };
    expect(failedOutcome(invalid('no'))).toEqual({ ...code, message: 'no', code: 3, reason: 'INVALID_REQUEST' });
    const expired = new ClientError('expired', 'too late');
    expect(failedOutcome(toFailure(expired))).toEqual({
      ...code,
      message: 'too late',
      code: 9,
      reason: 'RECEIPT_EXPIRED',
    });
    const secret = new Error('secret of ours');
    expect(failedOutcome(toFailure(secret))).toEqual({
      ...code,
      message: 'internal error',
      code: 13,
      reason: 'INTERNAL',
    });
  });
});
