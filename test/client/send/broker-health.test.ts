import { expect, it, test } from 'vitest';
import { BrokerHealth, failingDurationMs } from '../../../src/client/send/broker-health.ts';

function healthAt(start = 0) {
  const clock = { nowMs: start };
  return { clock, health: new BrokerHealth(() => clock.nowMs) };
}

it('takes every broker for well to begin with', () => {
  const { health } = healthAt();
  expect(health.stateOf('a')).toBe('well');
  expect(health.allWell).toBe(true);
});

// Latency and duration as MQFaultStrategy of rocketmq-client 5.5.0 has them.
test.each([
  [549, 0],
  [550, 2_000],
  [1_799, 2_000],
  [1_800, 5_000],
  [3_000, 6_000],
  [5_000, 10_000],
  [14_999, 10_000],
  [15_000, 30_000],
])('avoids a broker that took %i ms for %i ms', (latencyMs, avoidMs) => {
  const { clock, health } = healthAt(1_000);
  health.answered('a', latencyMs);
  clock.nowMs += avoidMs - 1;
  expect(health.stateOf('a')).toBe(avoidMs === 0 ? 'well' : 'slow');
  clock.nowMs += 1;
  expect(health.stateOf('a')).toBe('well');
  expect(health.allWell).toBe(true);
});

it('avoids a broker that failed, and no other', () => {
  const { clock, health } = healthAt();
  health.failed('a');
  clock.nowMs = failingDurationMs - 1;
  expect([health.stateOf('a'), health.stateOf('b'), health.allWell]).toEqual(['failing', 'well', false]);
  clock.nowMs = failingDurationMs;
  expect(health.stateOf('a')).toBe('well');
});

it('takes a broker for well again once it answers in time', () => {
  const { health } = healthAt();
  health.failed('a');
  health.answered('a', 20);
  expect(health.stateOf('a')).toBe('well');
});
