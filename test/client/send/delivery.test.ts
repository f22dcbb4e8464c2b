import { describe, expect, test } from 'vitest';
import { ClientError } from '../../../src/client/errors.ts';
import { deliveryProperty } from '../../../src/client/send/delivery.ts';

const now = 1_700_000_000_000;
const v4 = 407;
const v5 = 413;

function at(deliverTimestampMs: number) {
  return { kind: 'time', deliverTimestampMs } as const;
}

describe('deliveryProperty', () => {
  test('at once needs no property', () => {
    expect(deliveryProperty({ kind: 'now' }, 'apache', v5, now)).toBeUndefined();
    expect(deliveryProperty({ kind: 'level', level: 0 }, 'apache', v5, now)).toBeUndefined();
    expect(deliveryProperty(at(now), 'apache', v4, now)).toBeUndefined();
    expect(deliveryProperty(at(0), 'volcengine', v4, now)).toBeUndefined();
  });

  test.each([1, 18])('level %i is a level on every broker', (level) => {
    for (const vendor of ['apache', 'aliyun', 'volcengine'] as const) {
      expect(deliveryProperty({ kind: 'level', level }, vendor, v4, now)).toEqual(['DELAY', String(level)]);
    }
  });

  test.each([-1, 19, 1.5, Number.NaN, Number.POSITIVE_INFINITY])('level %d is refused, naming the bounds', (level) => {
    expect(() => deliveryProperty({ kind: 'level', level }, 'apache', v5, now)).toThrow(
      expect.objectContaining({ kind: 'invalid', message: expect.stringContaining('1 to 18') }),
    );
  });

  test('a time goes to brokers that know times', () => {
    const time = String(now + 1);
    expect(deliveryProperty(at(now + 1), 'apache', v5, now)).toEqual(['TIMER_DELIVER_MS', time]);
    expect(deliveryProperty(at(now + 1), 'aliyun', v4, now)).toEqual(['__STARTDELIVERTIME', time]);
    expect(deliveryProperty(at(now + 1), 'volcengine', v4, now)).toEqual(['__STARTDELIVERTIME', time]);
  });

  test.each([
    [1, 1],
    [2_900, 1],
    [3_100, 2],
    [60_000, 5],
    [80_000_000, 18],
  ])('a time %i ms ahead is refused for Apache 4.x, naming level %i', (delayMs, level) => {
    const refusal = (): unknown => deliveryProperty(at(now + delayMs), 'apache', v4, now);
    expect(refusal).toThrow(ClientError);
    expect(refusal).toThrow(
      expect.objectContaining({ kind: 'unsupported', message: expect.stringContaining(`delay level ${level} `) }),
    );
  });
});
