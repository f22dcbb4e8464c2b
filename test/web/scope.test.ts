import { describe, expect, it, vi } from 'vitest';
import { type CallOptions, joinScopes, onAbort, runInTime, type Scope, sleep } from '../../src/web/scope.ts';

/** Nobody closes it. */
const open = { timeoutMs: 60_000, onClose: () => () => {} };

/** Work that never ends, and the signal that it was given. */
function endless() {
  const signals: AbortSignal[] = [];
  const work = ({ signal }: Scope): Promise<never> => {
    signals.push(signal);
    return new Promise(() => {});
  };
  return { work, signals };
}

describe('a call', () => {
  it('gives back what its work does, or throws what it throws', async () => {
    expect(await runInTime({}, open, async () => 'done')).toBe('done');
    await expect(runInTime({}, open, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  });

  it('ends when its time is over, the work with it', async () => {
    const { work, signals } = endless();
    const ended = { code: 'DEADLINE_EXCEEDED', reason: 'DEADLINE', message: expect.stringContaining('20 ms') };
    await expect(runInTime({ timeoutMs: 20 }, open, work)).rejects.toMatchObject(ended);
    await expect(runInTime({}, { ...open, timeoutMs: 20 }, work)).rejects.toMatchObject(ended);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
  });

  it('ends when its signal is aborted, and does not begin where it was', async () => {
    const { work, signals } = endless();
    const stop = new AbortController();
    const ended = runInTime({ signal: stop.signal }, open, work);
    stop.abort('enough');
    await expect(ended).rejects.toMatchObject({ code: 'CANCELLED', reason: 'CANCELLED', cause: 'enough' });
    await expect(runInTime({ signal: stop.signal }, open, work)).rejects.toMatchObject({ reason: 'CANCELLED' });
    expect(signals).toHaveLength(1);
  });

  it('ends when the client is closed, and leaves nothing behind', async () => {
    const ends = new Set<() => void>();
    const onClose = (end: () => void) => {
      ends.add(end);
      return () => ends.delete(end);
    };
    const ended = runInTime({}, { ...open, onClose }, endless().work);
    for (const end of ends) end();
    await expect(ended).rejects.toMatchObject({ reason: 'CLOSED' });
    expect(ends.size).toBe(0);
    const { signal } = new AbortController();
    const removed = vi.spyOn(signal, 'removeEventListener');
    await runInTime({ signal }, open, async () => {});
    expect(removed).toHaveBeenCalledOnce();
  });

  it('tells its work how much is left: at least 1 ms, at most all of it', async () => {
    const left = (call: CallOptions) => runInTime(call, open, async ({ remainingMs }) => remainingMs());
    expect(await left({ timeoutMs: 0.1 })).toBe(1);
    expect(await left({})).toBeGreaterThan(1_000);
    expect(await left({ timeoutMs: 4_000_000_000 })).toBeGreaterThan(2_147_483_647);
  });

  it.each([0, -1, Number.NaN])('takes no time of %d ms', async (timeoutMs) => {
    await expect(runInTime({ timeoutMs }, open, async () => {})).rejects.toMatchObject({ reason: 'INVALID_REQUEST' });
  });
});

it('calls back once, at once where the signal is aborted already', () => {
  const controller = new AbortController();
  const [early, off] = [vi.fn(), vi.fn()];
  onAbort(controller.signal, early);
  onAbort(controller.signal, off)();
  controller.abort();
  expect([early.mock.calls.length, off.mock.calls.length]).toEqual([1, 0]);
  onAbort(controller.signal, early);
  expect(early).toHaveBeenCalledTimes(2);
});

it('sleeps until the time is over or the signal aborted', async () => {
  const controller = new AbortController();
  await sleep(1, controller.signal);
  const slept = sleep(1_000_000, controller.signal);
  controller.abort();
  await slept;
  await sleep(1_000_000, controller.signal);
});

describe('a call that several wait for', () => {
  it('lasts as long as one of them does', () => {
    const stops = [new AbortController(), new AbortController(), new AbortController()];
    const joined = joinScopes(stops.map(({ signal }, index) => ({ signal, remainingMs: () => 10 * (index + 1) })));
    expect(joined.remainingMs()).toBe(30);
    stops[2]?.abort('third');
    stops[0]?.abort('first');
    expect(joined.signal.aborted).toBe(false);
    stops[1]?.abort('second');
    expect(joined.signal.reason).toBe('second');
  });
});
