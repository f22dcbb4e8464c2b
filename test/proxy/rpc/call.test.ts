import { expect, it } from 'vitest';
import { anyone } from '../../../src/proxy/access/caller.ts';
import { type Call, deadlineOf } from '../../../src/proxy/rpc/call.ts';

const call = (timeoutMs: number | undefined, signal = new AbortController().signal): Call => ({
  timeoutMs,
  end: signal,
  caller: anyone,
});

it.each([
  [undefined, 10_000, 10_000],
  [5_000, 10_000, 5_000],
  [20_000, 10_000, 10_000],
  [0, 10_000, 0],
  [-5, 10_000, 0],
])('a caller’s deadline of %s ms under a limit of %s ms is %s ms', (timeoutMs, longestMs, expectedMs) => {
  const leftMs = deadlineOf(call(timeoutMs), longestMs).remainingMs();
  expect(leftMs).toBeLessThanOrEqual(expectedMs);
  expect(leftMs).toBeGreaterThanOrEqual(Math.max(0, expectedMs - 1_000));
});

it('ends when the caller has gone', async () => {
  const caller = new AbortController();
  const waiting = deadlineOf(call(undefined, caller.signal), 10_000).wait(new Promise(() => {}), 'nothing');
  caller.abort();
  await expect(waiting).rejects.toMatchObject({ kind: 'cancelled' });
});
