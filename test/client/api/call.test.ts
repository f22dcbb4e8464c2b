import { describe, expect, test } from 'vitest';
import { checkNumber, runCall } from '../../../src/client/api/call.ts';

describe('runCall', () => {
  test('gives its work the time of the call, or the default', async () => {
    const left = (timeoutMs?: number) =>
      runCall(timeoutMs === undefined ? {} : { timeoutMs }, 5_000, async (deadline) => deadline.remainingMs());
    expect(await left()).toBeGreaterThan(4_000);
    expect(await left()).toBeLessThanOrEqual(5_000);
    expect(await left(60_000)).toBeGreaterThan(50_000);
  });

  test('fails with errors of one class', async () => {
    const failing = runCall({}, 5_000, async () => {
      throw new Error('odd');
    });
    await expect(failing).rejects.toMatchObject({ name: 'RocketMQError', code: 'INTERNAL', cause: new Error('odd') });
  });

  test('does nothing for a caller that has gone', async () => {
    const reason = new Error('changed my mind');
    let isDone = false;
    const call = runCall({ signal: AbortSignal.abort(reason) }, 5_000, async () => {
      isDone = true;
    });
    await expect(call).rejects.toMatchObject({ code: 'CANCELLED', retryable: false, cause: reason });
    expect(isDone).toBe(false);
  });

  test.each([0, -1, 0.5, Number.NaN, 2 ** 31])('refuses a time of %s', async (timeoutMs) => {
    await expect(runCall({ timeoutMs }, 1, async () => {})).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  test('takes the longest time', async () => {
    await runCall({ timeoutMs: 2 ** 31 - 1 }, 1, async () => {});
  });
});

test('checkNumber names the option and its bounds', () => {
  expect(() => checkNumber('count', 9, { min: 1, max: 8 })).toThrow(
    'count is 9; it must be a whole number from 1 to 8',
  );
  checkNumber('count', 8, { min: 1, max: 8 });
});
