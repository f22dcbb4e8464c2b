import { describe, expect, it } from 'vitest';
import { afterGrace } from '../../src/client/stream-grace.ts';

/** What happened, in order. */
function watch(graceMs: number) {
  const order: string[] = [];
  const grace = { begin: () => graceMs, end: () => void order.push('over') };
  const giveBack = async (): Promise<void> => void order.push('given back');
  return { order, grace, giveBack };
}

const never = new AbortController().signal;

describe('what a stream has handed out', () => {
  it('is given back at once where there is no grace', async () => {
    for (const grace of [undefined, watch(0).grace]) {
      const { order, giveBack } = watch(0);
      const { hasGrace, released } = afterGrace(grace, () => 1, never, giveBack);
      expect([hasGrace, order]).toEqual([false, ['given back']]);
      await released;
    }
  });

  it('is given back when all of it is settled', async () => {
    const { order, grace, giveBack } = watch(3_600_000);
    let count = 1;
    const { hasGrace, released } = afterGrace(grace, () => count, never, giveBack);
    expect([hasGrace, order]).toEqual([true, []]);
    count = 0;
    await released;
    expect(order).toEqual(['over', 'given back']);
  });

  it('is given back when the time is over, or who ends it says so', async () => {
    const late = watch(30);
    await afterGrace(late.grace, () => 1, never, late.giveBack).released;
    expect(late.order).toEqual(['over', 'given back']);
    const cut = watch(3_600_000);
    const cutting = new AbortController();
    const { released } = afterGrace(cut.grace, () => 1, cutting.signal, cut.giveBack);
    cutting.abort();
    await released;
    expect(cut.order).toEqual(['over', 'given back']);
    expect(afterGrace(cut.grace, () => 1, cutting.signal, cut.giveBack).hasGrace).toBe(false);
  });
});
