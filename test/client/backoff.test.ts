import { describe, expect, test } from 'vitest';
import { backoffMs } from '../../src/client/backoff.ts';

describe('backoffMs', () => {
  test.each([
    [2, 20],
    [3, 40],
    [4, 80],
    [7, 640],
    [8, 1_000],
    [30, 1_000],
    [2_000, 1_000],
  ])('try %i comes after at most %i ms, any pause below is as likely', (attempt, longestMs) => {
    expect(backoffMs(attempt, () => 1)).toBe(longestMs);
    expect(backoffMs(attempt, () => 0.5)).toBe(longestMs / 2);
    expect(backoffMs(attempt, () => 0)).toBe(0);
  });

  test('rolls dice of its own', () => {
    const pauses = new Set(Array.from({ length: 20 }, () => backoffMs(8)));
    expect(pauses.size).toBeGreaterThan(1);
  });
});
