import { describe, expect, test } from 'vitest';
import { Gate } from '../../../src/client/send/gate.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import { deferred } from '../../support/scripted-peer.ts';

const soon = (): Deadline => Deadline.after(10_000);

/** Works that are inside until told to leave. */
function works(gate: Gate) {
  const inside: (() => void)[] = [];
  return {
    inside,
    enter(name: string, deadline = soon()): Promise<string> {
      return gate.run(async () => {
        const { promise, resolve } = deferred<void>();
        inside.push(resolve);
        await promise;
        return name;
      }, deadline);
    },
  };
}

describe('Gate', () => {
  test('lets in so many at once, the others in the order in which they came', async () => {
    const gate = new Gate(2, 10);
    const { inside, enter } = works(gate);
    const order: string[] = [];
    const all = ['a', 'b', 'c', 'd', 'e'].map((name) => enter(name).then((left) => order.push(left)));
    expect(inside.length).toBe(2);
    for (let count = 0; count < 5; count += 1) {
      await expect.poll(() => inside.length).toBeGreaterThan(count);
      expect(inside.length).toBeLessThanOrEqual(count + 2);
      inside[count]?.();
    }
    await Promise.all(all);
    expect(order).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  test('refuses one more than may wait', async () => {
    const gate = new Gate(1, 2);
    const { inside, enter } = works(gate);
    const first = enter('first');
    const waiting = [enter('second'), enter('third')];
    await expect(enter('fourth')).rejects.toMatchObject({ kind: 'overloaded', outcomeUnknown: false });
    inside[0]?.();
    await first;
    const fifth = enter('fifth');
    for (let count = 1; count < 4; count += 1) {
      await expect.poll(() => inside.length).toBe(count + 1);
      inside[count]?.();
    }
    expect(await Promise.all([...waiting, fifth])).toEqual(['second', 'third', 'fifth']);
  });

  test('who gives up leaves no hole in the line', async () => {
    const gate = new Gate(1, 10);
    const { inside, enter } = works(gate);
    const first = enter('first');
    const caller = new AbortController();
    const cancelled = enter('cancelled', Deadline.after(10_000, caller.signal));
    const late = enter('late', Deadline.after(1));
    const last = enter('last');
    caller.abort();
    await expect(cancelled).rejects.toMatchObject({ kind: 'cancelled' });
    await expect(late).rejects.toMatchObject({ kind: 'timeout' });
    expect(inside.length).toBe(1);
    inside[0]?.();
    expect(await first).toBe('first');
    await expect.poll(() => inside.length).toBe(2);
    inside[1]?.();
    expect(await last).toBe('last');
  });

  test('a place handed over in the moment of giving up goes to the next', async () => {
    const gate = new Gate(1, 10);
    const { inside, enter } = works(gate);
    const caller = new AbortController();
    const first = enter('first');
    const second = enter('second', Deadline.after(10_000, caller.signal));
    const third = enter('third');
    // The first leaves some microtasks later; whenever the second gives up in between, the third must get in.
    inside[0]?.();
    for (let turn = 0; turn < 2; turn += 1) await Promise.resolve();
    caller.abort();
    await first;
    await Promise.race([second.catch(() => {}), expect.poll(() => inside.length).toBe(2)]);
    inside[1]?.();
    await second.catch(() => {});
    await expect.poll(() => inside.length).toBeGreaterThanOrEqual(2);
    inside.at(-1)?.();
    expect(await third).toBe('third');
    const { inside: later, enter: enterLater } = works(gate);
    const next = enterLater('next');
    await expect.poll(() => later.length).toBe(1);
    later[0]?.();
    expect(await next).toBe('next');
  });

  test('work that fails gives its place away too', async () => {
    const gate = new Gate(1, 1);
    await expect(gate.run(() => Promise.reject(new Error('no')), soon())).rejects.toThrow('no');
    await expect(
      gate.run(() => {
        throw new Error('at once');
      }, soon()),
    ).rejects.toThrow('at once');
    expect(await gate.run(() => Promise.resolve('yes'), soon())).toBe('yes');
  });
});
