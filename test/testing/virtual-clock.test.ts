import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';

const start = 1_700_000_000_000;

describe('the virtual clock', () => {
  it('starts at the time of the machine, or where it is told, and stands still', async () => {
    const before = Date.now();
    const clock = new VirtualClock();
    expect(clock.now()).toBeGreaterThanOrEqual(before);
    expect(clock.now()).toBeLessThanOrEqual(Date.now());
    const other = new VirtualClock(start);
    await nextTurn();
    expect(other.now()).toBe(start);
  });

  it('runs in the order of time, each at its own time, and nothing early', async () => {
    const clock = new VirtualClock(start);
    const ran: [string, number][] = [];
    const at = (name: string, afterMs: number): unknown =>
      clock.at(start + afterMs, () => ran.push([name, clock.now() - start]));
    at('third', 300);
    at('first', 100);
    at('second', 200);
    at('second too', 200);
    at('late', 301);
    await clock.advance(99);
    expect(ran).toEqual([]);
    await clock.advance(201);
    expect(ran).toEqual([
      ['first', 100],
      ['second', 200],
      ['second too', 200],
      ['third', 300],
    ]);
    expect(clock.now()).toBe(start + 300);
    await clock.advance(1);
    expect(ran.at(-1)).toEqual(['late', 301]);
  });

  it('runs what its timers set in turn, when that is due meanwhile', async () => {
    const clock = new VirtualClock(start);
    const ran: number[] = [];
    const tick = (): void => {
      ran.push(clock.now() - start);
      // As what waits for a store does.
      setImmediate(() => clock.at(clock.now() + 10, tick));
    };
    clock.at(start + 10, tick);
    await clock.advance(35);
    expect(ran).toEqual([10, 20, 30]);
    expect(clock.now()).toBe(start + 35);
  });

  it('runs soon, and not at once, what is due already', async () => {
    const clock = new VirtualClock(start);
    const ran: string[] = [];
    clock.at(start, () => ran.push('now'));
    clock.at(start - 5, () => ran.push('before'));
    expect(ran).toEqual([]);
    await nextTurn();
    await nextTurn();
    expect(ran.sort()).toEqual(['before', 'now']);
    await clock.advance(10);
    expect(ran).toHaveLength(2);
  });

  it('runs never what was taken back, not even by a timer of the same time', async () => {
    const clock = new VirtualClock(start);
    const ran: string[] = [];
    const cancel = clock.at(start + 10, () => ran.push('never'));
    cancel();
    cancel();
    let cancelSecond = (): void => {};
    clock.at(start + 20, () => cancelSecond());
    cancelSecond = clock.at(start + 20, () => ran.push('never'));
    clock.at(start, () => ran.push('never'))();
    await clock.advance(100);
    expect(ran).toEqual([]);
  });

  it('waits at each time for the end of what was set off', async () => {
    const clock = new VirtualClock(start);
    const ran: string[] = [];
    const work = async (name: string): Promise<void> => {
      for (let turn = 0; turn < 10; turn += 1) await nextTurn();
      ran.push(`${name} at ${clock.now() - start}`);
    };
    clock.at(start, () => work('what is due'));
    clock.at(start + 10, () => work('the first'));
    clock.at(start + 20, () => work('the second'));
    await clock.advance(20);
    expect(ran).toEqual(['what is due at 0', 'the first at 10', 'the second at 20']);
  });

  it('goes no way back, when it is moved twice at a time', async () => {
    const clock = new VirtualClock(start);
    const times: number[] = [];
    for (const afterMs of [5, 50, 500]) clock.at(start + afterMs, () => times.push(clock.now() - start));
    await Promise.all([clock.advance(1_000), clock.advance(10)]);
    expect(times).toEqual([5, 50, 500]);
    expect(clock.now()).toBe(start + 1_000);
    const advances: Promise<void>[] = [];
    // Begins while the other is about to end, and ends later.
    clock.at(start + 1_500, () => setImmediate(() => advances.push(clock.advance(10))));
    await clock.advance(1_000);
    expect(advances).toHaveLength(1);
    await Promise.all(advances);
    expect(clock.now()).toBe(start + 2_000);
  });

  it.each([-1, Number.NaN])('cannot be moved by %d', async (durationMs) => {
    const clock = new VirtualClock(start);
    await expect(clock.advance(durationMs)).rejects.toThrow(RangeError);
    expect(clock.now()).toBe(start);
  });
});
