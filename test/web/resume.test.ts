import { describe, expect, it } from 'vitest';
import { MQError } from '../../src/web/errors.ts';
import { Resumption } from '../../src/web/resume.ts';

const down = new MQError('UNAVAILABLE', 'NO_ANSWER', 'down');
const refused = new MQError('UNAUTHENTICATED', 'TOKEN_REFUSED', 'refused');

describe('a stream that broke', () => {
  const half = () => 0.5;

  it('is opened again behind pauses that grow to 15 s', () => {
    const resumption = new Resumption(false, half);
    const delays = Array.from({ length: 9 }, () => {
      resumption.opening(0);
      return resumption.delayMs(down, 10);
    });
    expect(delays).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
  });

  it('is opened again behind the shortest pause where it brought a message, or lived for 10 s', () => {
    const resumption = new Resumption(false, half);
    resumption.delayMs(down, 0);
    resumption.delayMs(down, 0);
    resumption.received();
    expect(resumption.delayMs(down, 0)).toBe(250);
    resumption.opening(1_000);
    expect(resumption.delayMs(down, 10_999)).toBe(500);
    resumption.opening(11_000);
    expect(resumption.delayMs(down, 21_000)).toBe(250);
  });

  it('waits half as long as others at least, and half as long again at most', () => {
    expect([0, 0.999].map((random) => new Resumption(false, () => random).delayMs(down, 0))).toEqual([125, 374.75]);
  });

  it.each([
    ['NOT_FOUND', 'ID_NOT_FOUND', true],
    ['UNAVAILABLE', 'SHUTTING_DOWN', true],
    ['RESOURCE_EXHAUSTED', 'BROKER_BUSY', true],
    ['NOT_FOUND', 'TOPIC_NOT_FOUND', false],
    ['PERMISSION_DENIED', 'TOKEN_DENIED', false],
    ['INVALID_ARGUMENT', 'INVALID_REQUEST', false],
  ] as const)('of %s %s is opened again: %s', (code, reason, isOpened) => {
    expect(new Resumption(true).delayMs(new MQError(code, reason, ''), 0) !== undefined).toBe(isOpened);
  });

  it('for its token is opened again once, where there may be another', () => {
    expect(new Resumption(false).delayMs(refused, 0)).toBeUndefined();
    const resumption = new Resumption(true);
    expect(resumption.delayMs(refused, 0)).toBeDefined();
    expect(resumption.delayMs(refused, 0)).toBeUndefined();
    resumption.received();
    expect(resumption.delayMs(refused, 0)).toBeDefined();
  });
});
