import { describe, expect, it } from 'vitest';
import { DrainGrace, drainGraceMsMax } from '../../../src/proxy/port/drain-grace.ts';

describe('the grace of a shutdown', () => {
  it('is none before it, and no longer than its most', async () => {
    const grace = new DrainGrace();
    expect(grace.begin()).toBe(0);
    await grace.over();
    grace.start(3_600_000);
    expect(grace.begin()).toBeLessThanOrEqual(drainGraceMsMax);
    expect(grace.begin()).toBeGreaterThan(0);
  });

  it('is over when no stream has any', async () => {
    const grace = new DrainGrace();
    grace.start(1_000);
    const order: string[] = [];
    expect([grace.begin() > 0, grace.begin() > 0]).toEqual([true, true]);
    const over = grace.over().then(() => order.push('over'));
    grace.end();
    setTimeout(() => {
      order.push('the last');
      grace.end();
    }, 50);
    await over;
    expect(order).toEqual(['the last', 'over']);
  });
});
