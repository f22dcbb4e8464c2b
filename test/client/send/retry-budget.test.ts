import { expect, it } from 'vitest';
import { RetryBudget, savedRetriesMax } from '../../../src/client/send/retry-budget.ts';

function spendAll(budget: RetryBudget, brokerName = 'a'): number {
  let count = 0;
  while (budget.spend(brokerName)) count += 1;
  return count;
}

it('has something saved for each broker', () => {
  const budget = new RetryBudget();
  expect(spendAll(budget)).toBe(savedRetriesMax);
  expect(spendAll(budget, 'b')).toBe(savedRetriesMax);
});

it('earns one try again by ten successes', () => {
  const budget = new RetryBudget();
  spendAll(budget);
  for (let count = 0; count < 101; count += 1) budget.earn('a');
  expect(spendAll(budget)).toBe(savedRetriesMax);
  for (let count = 0; count < 35; count += 1) budget.earn('a');
  expect(spendAll(budget)).toBe(3);
});

it('saves no more than it began with', () => {
  const budget = new RetryBudget();
  budget.spend('a');
  for (let count = 0; count < 1_000; count += 1) budget.earn('a');
  expect(spendAll(budget)).toBe(savedRetriesMax);
});
