import { Code } from '@connectrpc/connect';
import { expect, it } from 'vitest';
import { triesPerSecondMax, UnprovenEndpoints } from '../../../src/proxy/access/unproven-endpoints.ts';

/** A clock in the hands of the test, and how tries end: `ok`, `silent`, or the code of a refusal. */
function start() {
  const clock = { nowMs: 0 };
  const endpoints = new UnprovenEndpoints(() => clock.nowMs);
  const attempt = (endpoint: string, caller: string, work: () => Promise<unknown>): Promise<unknown> =>
    endpoints
      .try(endpoint, caller, work, (error) => error === 'answered')
      .then(
        () => 'ok',
        (error: unknown) => Code[Object(error).code] ?? error,
      );
  const silent = (endpoint: string, caller = 'a'): Promise<unknown> =>
    attempt(endpoint, caller, () => Promise.reject('silent'));
  return { clock, attempt, silent };
}

it('lets a caller try ten in a second that do not answer, and others as many', async () => {
  const { clock, silent } = start();
  const ends = [];
  for (let count = 0; count <= triesPerSecondMax; count += 1) ends.push(await silent(`host${count}:1`));
  expect(ends).toEqual([...new Array(triesPerSecondMax).fill('silent'), 'ResourceExhausted']);
  expect(await silent('host:1', 'b')).toBe('silent');
  clock.nowMs = 99;
  expect(await silent('host:1')).toBe('ResourceExhausted');
  clock.nowMs = 100;
  expect(await silent('host:1')).toBe('silent');
  expect(await silent('host:1')).toBe('ResourceExhausted');
});

it('takes nothing for endpoints that answer, nor for tries that join one', async () => {
  const { attempt, silent } = start();
  let end: (value: unknown) => void = () => {};
  const slow = new Promise((resolve) => {
    end = resolve;
  });
  const joined = Array.from({ length: 50 }, () => attempt('slow:1', 'a', () => slow));
  expect(await attempt('refusing:1', 'a', () => Promise.reject('answered'))).toBe('answered');
  end('done');
  expect(new Set(await Promise.all(joined))).toEqual(new Set(['ok']));
  for (let count = 0; count < 50; count += 1) {
    expect(await attempt('slow:1', 'a', () => Promise.resolve())).toBe('ok');
    expect(await attempt('refusing:1', 'a', () => Promise.reject('answered'))).toBe('answered');
  }
  const left = [];
  for (let count = 0; count < triesPerSecondMax; count += 1) left.push(await silent(`host${count}:1`));
  expect(left.filter((how) => how === 'silent')).toHaveLength(triesPerSecondMax - 2);
});
