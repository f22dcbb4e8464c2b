import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { eachOffset, toRuns } from '../../../src/broker/pop/runs.ts';

function offsetsOf(runs: readonly number[]): number[] {
  const offsets: number[] = [];
  eachOffset(runs, (offset) => offsets.push(offset));
  return offsets;
}

describe('runs of offsets', () => {
  it.each([
    [[], []],
    [[7], [7, 1]],
    [
      [0, 1, 2],
      [0, 3],
    ],
    [
      [5, 6, 9, 2, 3],
      [5, 2, 9, 1, 2, 2],
    ],
  ])('of %j are %j', (offsets, runs) => {
    expect(toRuns(offsets)).toEqual(runs);
  });

  it('say what went in, in its order', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(40)), (offsets) => {
        expect(offsetsOf(toRuns(offsets))).toEqual(offsets);
      }),
    );
  });
});
