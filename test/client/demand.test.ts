import { expect, it, vi } from 'vitest';
import { Demand } from '../../src/client/demand.ts';

it('tells who has to know when more is wanted, not when less is', () => {
  const demand = new Demand();
  demand.set(1);
  expect(demand.count).toBe(1);
  const onMore = vi.fn();
  demand.watch(onMore);
  demand.set(3);
  expect(onMore).toHaveBeenCalledTimes(1);
  demand.set(3);
  demand.set(0);
  expect(onMore).toHaveBeenCalledTimes(1);
  expect(demand.count).toBe(0);
});
