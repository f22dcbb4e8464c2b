import { describe, expect, test } from 'vitest';
import { MQError } from '../../../src/sdk/mq-error.ts';
import { tokenOf } from '../../../src/sdk/proxy/token.ts';

const never = (): Promise<string> => new Promise(() => {});
const soon = () => ({ endsAtMs: Date.now() + 60_000 });

describe('a token', () => {
  test('is what it is, or what the function gives, at once or later', async () => {
    // A text needs no time.
    expect(await tokenOf('text', { endsAtMs: 0 })).toBe('text');
    expect(await tokenOf(() => 'at once', soon())).toBe('at once');
    expect(await tokenOf(async () => 'later', soon())).toBe('later');
  });

  test('is waited for as long as the call has time, and no longer', async () => {
    const endsAtMs = Date.now() + 50;
    const failure = await tokenOf(never, { endsAtMs }).catch((error: unknown) => error);
    expect(Date.now()).toBeGreaterThanOrEqual(endsAtMs - 1);
    expect(failure).toBeInstanceOf(MQError);
    expect(failure).toMatchObject({ code: 'DEADLINE_EXCEEDED', reason: 'DEADLINE', retryable: true });
    // Given in the last moment.
    expect(await tokenOf(() => 'x', { endsAtMs: Date.now() })).toBe('x');
  });

  test('is no longer waited for once the call is cancelled', async () => {
    const [ending, reason] = [new AbortController(), new Error('enough')];
    const asked = tokenOf(never, { ...soon(), signal: ending.signal });
    ending.abort(reason);
    await expect(asked).rejects.toMatchObject({ code: 'CANCELLED', cause: reason });
    await expect(tokenOf(never, { ...soon(), signal: ending.signal })).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  test.each([
    ['rejects', () => Promise.reject(new Error('no issuer'))],
    [
      'throws',
      () => {
        throw new Error('no issuer');
      },
    ],
  ])('is refused where the function %s', async (_, token) => {
    await expect(tokenOf(token, soon())).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      reason: 'TOKEN_REFUSED',
      cause: new Error('no issuer'),
    });
  });
});
