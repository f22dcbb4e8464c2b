import { describe, expect, test } from 'vitest';
import { checkPushOptions, type PushConsumerOptions } from '../../../src/client/api/push-options.ts';

const least: PushConsumerOptions = { group: 'billing', handler() {} };

describe('checkPushOptions', () => {
  test('fills in what the text says', () => {
    expect(checkPushOptions(least)).toMatchObject({
      concurrency: 16,
      messagesMax: 64,
      ordered: false,
      handlerTimeoutMs: 900_000,
      invisibleDurationMs: 60_000,
      closeTimeoutMs: 30_000,
      consumeFrom: { kind: 'last' },
    });
    expect(checkPushOptions({ ...least, concurrency: 100 }).messagesMax).toBe(400);
  });

  test('delays as official clients do, and 1 s where there is an order', () => {
    const { retryDelayMs } = checkPushOptions(least);
    expect([0, 1, 2, 15, 16, 99].map(retryDelayMs)).toEqual([10_000, 30_000, 60_000, 7_200_000, 7_200_000, 7_200_000]);
    expect(checkPushOptions({ ...least, ordered: true }).retryDelayMs(5)).toBe(1_000);
  });

  test.each<Partial<PushConsumerOptions>>([
    { concurrency: 0 },
    { concurrency: 4_097 },
    { concurrency: 1.5 },
    { messagesMax: 0 },
    { messagesMax: 65_537 },
    { handlerTimeoutMs: 0 },
    { handlerTimeoutMs: 43_200_001 },
    { invisibleDurationMs: 999 },
    { closeTimeoutMs: -1 },
    { closeTimeoutMs: 2 ** 31 },
    { consumeFrom: new Date('never') },
    Object.create({ ...least, handler: 'no function' }),
  ])('refuses %j', (change) => {
    const options = 'handler' in change ? change : { ...least, ...change };
    expect(() => checkPushOptions(Object.assign(Object.create(options), options))).toThrow(
      expect.objectContaining({ name: 'RocketMQError', code: 'INVALID_ARGUMENT' }),
    );
  });
});
