import { describe, expect, it } from 'vitest';
import { median, percentile, spread, tableOf } from '../../bench/report.ts';

describe('report', () => {
  it('takes the middle of values in any order', () => {
    expect(median([30, 10, 20])).toBe(20);
    expect(median([7])).toBe(7);
    expect(median([])).toBeNaN();
  });

  it('finds the value below which a share lies, and the last at the end', () => {
    const sorted = Array.from({ length: 100 }, (_, index) => index);
    expect(percentile(sorted, 0.99)).toBe(99);
    expect(percentile(sorted, 0.5)).toBe(50);
    expect(percentile(sorted, 1)).toBe(99);
  });

  it('shows the median with the least and the most', () => {
    expect(spread([3, 1, 2])).toBe('2 (1–3)');
    expect(spread([0.126, 0.124], 2)).toBe('0.13 (0.12–0.13)');
    expect(spread([5.5], 1)).toBe('5.5');
    expect(spread([])).toBe('–');
  });

  it('makes a table with the columns of all rows', () => {
    expect(
      tableOf([
        { who: 'one', calls: 1 },
        { who: 'two', p99: 2 },
      ]),
    ).toBe(['| who | calls | p99 |', '|---:|---:|---:|', '| one | 1 | – |', '| two | – | 2 |'].join('\n'));
  });
});
