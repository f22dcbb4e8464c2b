import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Rounds, roundsDefaults } from '../../../src/client/pull/rounds.ts';
import { deferred } from '../../support/scripted-peer.ts';

describe('rounds', () => {
  const startsMs: number[] = [];
  let result: () => Promise<number>;
  let rounds: Rounds;

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    startsMs.length = 0;
    result = () => Promise.resolve(Infinity);
    const beginMs = performance.now();
    rounds = new Rounds(() => {
      startsMs.push(Math.round(performance.now() - beginMs));
      return result();
    });
  });

  afterEach(async () => {
    await rounds.close();
    vi.useRealTimers();
  });

  const pass = (durationMs: number) => vi.advanceTimersByTimeAsync(durationMs);

  test('come from time to time, once there was one', async () => {
    await pass(100_000);
    expect(startsMs).toEqual([]);
    await rounds.now();
    await pass(60_000);
    expect(startsMs.map((ms) => ms - 100_000)).toEqual([0, 20_000, 40_000, 60_000]);
  });

  test('come soon where there is a reason: at once, then a second after the last', async () => {
    rounds.soon();
    rounds.soon();
    await pass(0);
    expect(startsMs).toEqual([0]);
    await pass(300);
    rounds.soon();
    rounds.soon();
    await pass(699);
    expect(startsMs).toEqual([0]);
    await pass(1);
    expect(startsMs).toEqual([0, 1_000]);
    await pass(5_000);
    rounds.soon();
    await pass(0);
    expect(startsMs).toEqual([0, 1_000, 6_000]);
    // Time goes on from the last one.
    await pass(19_999);
    expect(startsMs).toHaveLength(3);
    await pass(1);
    expect(startsMs).toHaveLength(4);
  });

  test('never two at once: who asks while one is under way waits for the next, together with others', async () => {
    const held = deferred<number>();
    result = () => held.promise;
    const first = rounds.now();
    result = () => Promise.resolve(Infinity);
    const second = rounds.now();
    expect(rounds.now()).toBe(second);
    await pass(2_000);
    expect(startsMs).toEqual([0]);
    held.resolve(Infinity);
    await Promise.all([first, second]);
    expect(startsMs).toEqual([0, 2_000]);
  });

  test('come again as soon as the last one wants it', async () => {
    result = () => Promise.resolve(1_500);
    await rounds.now();
    await pass(4_500);
    expect(startsMs).toEqual([0, 1_500, 3_000, 4_500]);
    rounds.soon();
    await pass(1_000);
    result = () => Promise.resolve(30_000);
    await pass(1_500);
    expect(startsMs.slice(4)).toEqual([5_500, 7_000]);
    await pass(20_000);
    expect(startsMs.slice(6)).toEqual([27_000]);
  });

  test('end with close, which waits for the one under way', async () => {
    const held = deferred<number>();
    result = () => held.promise;
    const round = rounds.now();
    const queued = rounds.now();
    let isClosed = false;
    const closed = rounds.close().then(() => {
      isClosed = true;
    });
    await pass(0);
    expect(isClosed).toBe(false);
    held.resolve(0);
    await Promise.all([closed, round, queued]);
    rounds.soon();
    await rounds.now();
    await pass(roundsDefaults.intervalMs * 2);
    expect(startsMs).toEqual([0]);
    expect(vi.getTimerCount()).toBe(0);
  });
});
