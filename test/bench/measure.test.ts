import { describe, expect, it } from 'vitest';
import { interleave, sumOf } from '../../bench/measure.ts';

describe('clients side by side', () => {
  it('are added up, with the latencies of all in order', () => {
    const results = [
      { count: 10, seconds: 2, latenciesMicros: [3_000, 1_000] },
      { count: 30, seconds: 3, latenciesMicros: [2_000] },
    ];
    expect(sumOf(results)).toEqual({ count: 40, perSecond: 15, latenciesMs: [1, 2, 3] });
    expect(sumOf([{ count: 4, seconds: 2 }])).toEqual({ count: 4, perSecond: 2, latenciesMs: [] });
  });
});

describe('rounds', () => {
  const contestant = (name: string, run: (round: number) => number) => ({
    case: 'all',
    name,
    run: async (round: number) => ({ 'messages/s': run(round) }),
  });

  it('are of all in turn', async () => {
    const order: string[] = [];
    const telling = (name: string) => contestant(name, (round) => order.push(`${name}${round}`));
    const figures = await interleave(2, [telling('a'), telling('b')]);
    expect(order).toEqual(['a0', 'b0', 'a1', 'b1']);
    expect(figures.map(({ rounds }) => rounds.length)).toEqual([2, 2]);
  });

  it('go on where one fails, and leave out who fails twice', async () => {
    let count = 0;
    const failing = contestant('failing', () => {
      count += 1;
      throw new Error('a client ended');
    });
    const [failed, other] = await interleave(4, [failing, contestant('other', (round) => round)]);
    expect(count).toBe(2);
    expect(failed).toMatchObject({ rounds: [], failures: ['a client ended', 'a client ended'] });
    expect(other?.rounds).toHaveLength(4);
  });
});
