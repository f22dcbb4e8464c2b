import { describe, expect, it } from 'vitest';
import { loadProcessCount } from '../../bench/bench.ts';
import { sharesOf } from '../../bench/sends.ts';

describe('the load of several processes', () => {
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

  it.each([
    [64, 4],
    [512, 4],
    [256, 1_000],
    [7, 3],
  ])('is what was asked for in all: %i in flight over %i connections', (inFlight, connections) => {
    const shares = sharesOf({ inFlight, connections });
    expect(shares).toHaveLength(Math.min(loadProcessCount, connections));
    expect(sum(shares.map((share) => share.inFlight))).toBe(inFlight);
    expect(sum(shares.map((share) => share.connections))).toBe(connections);
  });

  it('is of one process where one call or one connection is all there is', () => {
    expect(sharesOf({ inFlight: 1 })).toEqual([{ inFlight: 1, connections: 1 }]);
    expect(sharesOf({ inFlight: 64, connections: 1 })).toEqual([{ inFlight: 64, connections: 1 }]);
  });
});
