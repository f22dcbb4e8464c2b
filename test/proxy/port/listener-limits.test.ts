import { describe, expect, it } from 'vitest';
import { connectionCountMax } from '../../../src/proxy/port/listener-limits.ts';

describe('connections', () => {
  it('are as many as wanted, and leave 200 file descriptors to others', () => {
    expect([800, 823, 824, 825, 10_000].map((wanted) => connectionCountMax(wanted, 1_024))).toEqual([
      800, 823, 824, 824, 824,
    ]);
  });

  it('are one at least, and as wanted where nobody says how many files there may be', () => {
    expect([connectionCountMax(10, 100), connectionCountMax(10, Number.POSITIVE_INFINITY)]).toEqual([1, 10]);
  });
});
