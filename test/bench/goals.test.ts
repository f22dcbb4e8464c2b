import { describe, expect, it } from 'vitest';
import type { Column, Figures } from '../../bench/figures.ts';
import { type Goal, goals, verdictsOf } from '../../bench/goals.ts';
import { proxyNames } from '../../bench/proxies.ts';
import { questions } from '../../bench/questions.ts';

const column: Column = 'messages/s';
const place = (name: string) => ({ question: 'send', case: 'all', name, column });
const figuresOf = (name: string, ...values: readonly number[]): Figures => ({
  case: 'all',
  name,
  rounds: values.map((value) => ({ [column]: value })),
  failures: [],
});
const verdictOf = (goal: Omit<Goal, 'path' | 'measured'>, ...figures: readonly Figures[]) =>
  verdictsOf(new Map([['send', figures]]), [{ path: 'a path', measured: place('own'), ...goal }])[0];

describe('goals', () => {
  it('are held at their bound and not beyond it', () => {
    expect(verdictOf({ most: 120 }, figuresOf('own', 120))).toEqual({
      path: 'a path',
      goal: 'messages/s ≤ 120',
      measured: '120',
      beside: '–',
      ratio: '–',
      'Go proxy grows': '–',
      held: 'yes',
    });
    expect(verdictOf({ most: 120 }, figuresOf('own', 121))).toMatchObject({ held: 'NO' });
    expect(verdictOf({ least: 3, over: [place('peer')] }, figuresOf('own', 30), figuresOf('peer', 10))).toEqual({
      path: 'a path',
      goal: 'messages/s ≥ 3 × peer',
      measured: '30',
      beside: '10',
      ratio: '3.00',
      'Go proxy grows': '–',
      held: 'yes',
    });
    expect(verdictOf({ least: 3, over: [place('peer')] }, figuresOf('own', 29), figuresOf('peer', 10))).toMatchObject({
      held: 'NO',
    });
  });

  it('are judged by medians, beside the best of several peers', () => {
    const figures = [figuresOf('own', 10, 1_000, 20), figuresOf('slow', 5), figuresOf('fast', 40)];
    const over = [place('slow'), place('fast')];
    const goal = 'messages/s ≥ 1 × the best other';
    expect(verdictOf({ least: 1, over }, ...figures)).toMatchObject({
      goal,
      measured: '20',
      ratio: '0.50',
      held: 'NO',
    });
    expect(verdictOf({ most: 1, over }, ...figures)).toMatchObject({ beside: '5', ratio: '4.00', held: 'NO' });
  });

  it('are neither held nor missed where one side was not measured', () => {
    const missing = { ratio: '–', held: '–' };
    expect(verdictOf({ most: 1 })).toMatchObject(missing);
    expect(verdictOf({ most: 1 }, figuresOf('own'))).toMatchObject(missing);
    expect(verdictOf({ most: 1, over: [place('peer')] }, figuresOf('own', 1))).toMatchObject({
      ...missing,
      measured: '1',
    });
  });

  it('of growth show how the Go proxy grows, which is not what they are judged by', () => {
    const [small, large] = [place('own'), { ...place('own'), case: 'many' }];
    const peer = [{ ...place('peer'), case: 'many' }, place('peer')] as const;
    const goal = { path: 'growth', measured: large, over: [small], goGrowth: peer, most: 1.2 };
    const figures = [figuresOf('own', 10), { ...figuresOf('own', 20), case: 'many' }, figuresOf('peer', 10)];
    const verdictWith = (...more: readonly Figures[]) =>
      verdictsOf(new Map([['send', [...figures, ...more]]]), [goal])[0];
    const manyOfPeer = { ...figuresOf('peer', 30), case: 'many' };
    expect(verdictWith(manyOfPeer)).toMatchObject({ ratio: '2.00', 'Go proxy grows': '3.00', held: 'NO' });
    expect(verdictWith()).toMatchObject({ ratio: '2.00', 'Go proxy grows': '–', held: 'NO' });
  });

  it('ask for what questions tell', () => {
    const names = new Set(questions.map(({ name }) => name));
    const asked = goals.flatMap(({ measured, over = [] }) => [measured, ...over]);
    expect(asked.map(({ question }) => question).filter((question) => !names.has(question))).toEqual([]);
    expect(goals.some(({ measured }) => measured.name === proxyNames.pop)).toBe(true);
  });
});
