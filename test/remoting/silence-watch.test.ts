import { expect, it, onTestFinished } from 'vitest';
import { SilenceWatch } from '../../src/remoting/silence-watch.ts';

const limits = { probeAfterMs: 2_000, probeTimeoutMs: 3_000 };

function startWatch() {
  const world = { nowMs: 0, waiting: true, unsentBytes: 0, probeCount: 0, deadAtMs: -1 };
  const watch = new SilenceWatch(
    limits,
    {
      isWaiting: () => world.waiting,
      unsentBytes: () => world.unsentBytes,
      probe: () => {
        world.probeCount += 1;
      },
      onDead: () => {
        world.deadAtMs = world.nowMs;
        watch.stop();
      },
    },
    () => world.nowMs,
  );
  onTestFinished(() => watch.stop());
  watch.asked();
  /** Looks as its timer would. */
  const until = (timeMs: number): void => {
    while (world.nowMs < timeMs && world.deadAtMs < 0) {
      world.nowMs += 250;
      watch.look();
    }
  };
  return { world, watch, until };
}

it('asks for a sign of life after a silence, once, then gives the other side up', () => {
  const { world, until } = startWatch();
  until(1_750);
  expect(world.probeCount).toBe(0);
  until(4_750);
  expect([world.probeCount, world.deadAtMs]).toEqual([1, -1]);
  until(10_000);
  expect([world.probeCount, world.deadAtMs]).toEqual([1, 5_000]);
});

it('goes on as soon as anything comes', () => {
  const { world, watch, until } = startWatch();
  until(4_000);
  watch.heard();
  until(8_750);
  expect([world.probeCount, world.deadAtMs]).toEqual([2, -1]);
  until(20_000);
  expect(world.deadAtMs).toBe(9_000);
});

it('does nothing while no answer is owed, and starts anew with the next request', () => {
  const { world, watch, until } = startWatch();
  world.waiting = false;
  until(60_000);
  expect(world.probeCount).toBe(0);
  world.waiting = true;
  watch.asked();
  until(61_750);
  expect(world.probeCount).toBe(0);
  until(62_000);
  expect(world.probeCount).toBe(1);
});

it('waits for the answer to a probe also where the request has been given up meanwhile', () => {
  const { world, until } = startWatch();
  until(2_000);
  world.waiting = false;
  until(10_000);
  expect(world.deadAtMs).toBe(5_000);
});

it('is patient while something large is on its way', () => {
  const { world, until } = startWatch();
  for (let step = 0; step < 40; step += 1) {
    world.unsentBytes = 1_000_000 - step * 1_000;
    until(world.nowMs + 250);
  }
  expect(world.probeCount).toBe(0);
  until(30_000);
  expect(world.deadAtMs).toBeGreaterThan(0);
});

it('takes no few bytes that come and go for progress', () => {
  const { world, until } = startWatch();
  while (world.deadAtMs < 0 && world.nowMs < 30_000) {
    world.unsentBytes = world.nowMs % 500 === 0 ? 65_535 : 100;
    until(world.nowMs + 250);
  }
  expect(world.deadAtMs).toBe(5_000);
});

it('takes a time in which this process was held up for no silence', () => {
  const { world, watch, until } = startWatch();
  until(2_500);
  world.nowMs += 30_000;
  watch.look();
  expect(world.deadAtMs).toBe(-1);
  const afterMs = world.nowMs;
  until(afterMs + 60_000);
  expect(world.deadAtMs).toBe(afterMs + 5_000);
});
