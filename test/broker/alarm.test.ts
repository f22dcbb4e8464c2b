import { expect, test } from 'vitest';
import { Alarm } from '../../src/broker/alarm.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';

test('rings once, at the earliest time that it was set to', async () => {
  const clock = new VirtualClock(1_000);
  const rings: number[] = [];
  const alarm = new Alarm(clock, () => rings.push(clock.now()));
  for (const timeMs of [Number.POSITIVE_INFINITY, 3_000, 2_000, 2_500]) alarm.set(timeMs);
  await clock.advance(5_000);
  expect(rings).toEqual([2_000]);
  alarm.set(7_000);
  await clock.advance(5_000);
  expect(rings).toEqual([2_000, 7_000]);
});

test('can be set again where it rings, also to a time that is over', async () => {
  const clock = new VirtualClock(1_000);
  const rings: number[] = [];
  const alarm = new Alarm(clock, () => {
    rings.push(clock.now());
    if (rings.length < 3) alarm.set(1_500);
  });
  alarm.set(2_000);
  await clock.advance(1_000);
  await clock.advance(0);
  expect(rings).toEqual([2_000, 2_000, 2_000]);
});

test('rings no more once it is cancelled, until it is set again', async () => {
  const clock = new VirtualClock(1_000);
  const rings: number[] = [];
  const alarm = new Alarm(clock, () => rings.push(clock.now()));
  alarm.set(2_000);
  alarm.cancel();
  await clock.advance(2_000);
  expect(rings).toEqual([]);
  alarm.set(4_000);
  await clock.advance(2_000);
  expect(rings).toEqual([4_000]);
});
