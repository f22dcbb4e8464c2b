import { expect, test } from 'vitest';
import { allResults, PartialFailureError } from '../../../src/client/admin/admin-results.ts';

test('what all servers said is told by server', async () => {
  const calls = new Map([
    ['a', Promise.resolve(1)],
    ['b', Promise.resolve(2)],
  ]);
  expect([...(await allResults('counting', calls))]).toEqual([
    ...new Map([
      ['a', 1],
      ['b', 2],
    ]),
  ]);
  expect((await allResults('nothing', new Map())).size).toBe(0);
});

test('one error says who failed and why, and who did not, once all have ended', async () => {
  let end = (): void => {};
  const slow = new Promise<number>((resolve) => {
    end = () => resolve(1);
  });
  const reason = new Error('no room');
  const all = allResults(
    'storing',
    new Map([
      ['a', slow],
      ['b', Promise.reject(reason)],
      ['c', Promise.reject(5)],
    ]),
  );
  let hasEnded = false;
  const outcome = all.catch((error: unknown) => error).finally(() => (hasEnded = true));
  await new Promise(setImmediate);
  expect(hasEnded).toBe(false);
  end();
  const error = await outcome;
  expect(error).toBeInstanceOf(PartialFailureError);
  expect(error).toMatchObject({
    name: 'PartialFailureError',
    message: 'storing failed at b: no room; c: 5 (done by a)',
    failures: new Map<string, unknown>([
      ['b', reason],
      ['c', 5],
    ]),
    succeeded: ['a'],
    cause: reason,
  });
  await expect(allResults('storing', new Map([['b', Promise.reject(reason)]]))).rejects.toThrow(
    'no server has done it',
  );
});
