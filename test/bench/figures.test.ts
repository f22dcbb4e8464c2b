import { describe, expect, it } from 'vitest';
import { type Figures, failedFigures, failuresOf, medianOf, ratiosOf, rowsOf } from '../../bench/figures.ts';

const figuresOf = (name: string, ...perSecond: readonly number[]): Figures => ({
  case: '64 in flight',
  name,
  rounds: perSecond.map((rate) => ({ 'messages/s': rate, 'p99 ms': rate / 1_000 })),
  failures: [],
});

describe('figures', () => {
  it('have the median of what was measured', () => {
    expect(medianOf(figuresOf('own', 30, 10, 20), 'messages/s')).toBe(20);
    expect(medianOf(figuresOf('own', 30), 'KB/stream')).toBeUndefined();
    expect(medianOf(figuresOf('own'), 'messages/s')).toBeUndefined();
  });

  it('are shown by columns that any of them has, in the digits of each', () => {
    expect(rowsOf([figuresOf('own', 3_000, 1_000.4, 2_000), figuresOf('peer')])).toEqual([
      { case: '64 in flight', who: 'own', 'messages/s': '2000 (1000–3000)', 'p99 ms': '2.00 (1.00–3.00)' },
      { case: '64 in flight', who: 'peer', 'messages/s': '–', 'p99 ms': '–' },
    ]);
  });

  it('are divided by those of a peer in the same case', () => {
    const ways = [figuresOf('own, pull', 30), figuresOf('own, POP', 15), figuresOf('peer', 10)];
    expect(ratiosOf(ways, 'own', 'peer')).toEqual([
      { case: '64 in flight', who: 'own, pull', 'messages/s': '3.00', 'p99 ms': '3.00' },
      { case: '64 in flight', who: 'own, POP', 'messages/s': '1.50', 'p99 ms': '1.50' },
    ]);
  });

  it('are not divided by a peer without figures or in another case', () => {
    expect(ratiosOf([figuresOf('own', 30), figuresOf('peer')], 'own', 'peer')).toEqual([]);
    expect(ratiosOf([figuresOf('own', 30), { ...figuresOf('peer', 10), case: 'alone' }], 'own', 'peer')).toEqual([]);
  });

  it('tell of rounds that failed', () => {
    const failed = { ...figuresOf('own', 1_000), failures: ['a client ended'] };
    expect(rowsOf([failed, figuresOf('peer', 1_000)]).map((row) => row['failed rounds'])).toEqual([1, 0]);
    expect(failuresOf('send', [failed])).toEqual(['Failed: send, 64 in flight, own: a client ended']);
    expect(failuresOf('send', [figuresOf('own', 1_000)])).toEqual([]);
  });

  it('tell of what could not begin, in the table of the others', () => {
    const failed = failedFigures('start', 'peer', new Error('no port'));
    expect(rowsOf([figuresOf('own', 1_000), failed])[1]).toMatchObject({
      case: 'start',
      who: 'peer',
      'failed rounds': 1,
    });
    expect(failuresOf('send', [failed])).toEqual(['Failed: send, start, peer: no port']);
  });
});
