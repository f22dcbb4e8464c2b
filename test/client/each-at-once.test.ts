import { expect, test } from 'vitest';
import { eachAtOnce } from '../../src/client/each-at-once.ts';

test('each item once, in order, and so many at a time', async () => {
  const seen: number[] = [];
  let runningCount = 0;
  let runningCountMost = 0;
  await eachAtOnce([1, 2, 3, 4, 5], 2, async (item) => {
    seen.push(item);
    runningCount += 1;
    runningCountMost = Math.max(runningCountMost, runningCount);
    await Promise.resolve();
    runningCount -= 1;
  });
  expect(seen).toEqual([1, 2, 3, 4, 5]);
  expect(runningCountMost).toBe(2);
});

test('nothing where there is nothing; a failure is told', async () => {
  await eachAtOnce([], 2, () => Promise.reject(new Error('nobody asked')));
  await expect(eachAtOnce([1], 2, () => Promise.reject(new Error('failed')))).rejects.toThrow('failed');
});
