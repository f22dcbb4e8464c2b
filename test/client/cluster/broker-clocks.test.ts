import { describe, expect, test } from 'vitest';
import { BrokerClocks } from '../../../src/client/cluster/broker-clocks.ts';

describe('BrokerClocks', () => {
  test('go by our own clock while nothing is known', () => {
    const clocks = new BrokerClocks(() => 1_000);
    expect(clocks.now('broker-a')).toBe(1_000);
    expect(clocks.birth('broker-a')).toBe(0);
  });

  test.each([700, -700])('a broker whose clock is %i ms ahead', (aheadMs) => {
    let nowMs = 1_000_000;
    const clocks = new BrokerClocks(() => nowMs);
    clocks.learn('broker-a', nowMs + aheadMs, nowMs);
    nowMs += 5_000;
    expect(clocks.now('broker-a')).toBe(nowMs + aheadMs);
    expect(clocks.birth('broker-a')).toBe(nowMs + aheadMs);
    expect(clocks.now('broker-b')).toBe(nowMs);
  });

  test('an answer that was long on its way does not set the clock back', () => {
    let nowMs = 1_000_000;
    const clocks = new BrokerClocks(() => nowMs);
    const sentAtMs = nowMs;
    // The broker told its time at once; its answer, or we, took 10 s.
    const brokerTimeMs = nowMs + 1;
    nowMs += 10_000;
    clocks.learn('broker-a', brokerTimeMs, sentAtMs);
    expect(clocks.now('broker-a')).toBe(nowMs + 1);
  });

  test('the last word counts', () => {
    const clocks = new BrokerClocks(() => 1_000);
    clocks.learn('broker-a', 2_000, 1_000);
    clocks.learn('broker-a', 900, 1_000);
    expect(clocks.now('broker-a')).toBe(900);
  });

  test('any number of broker names takes little memory', () => {
    const clocks = new BrokerClocks(() => 1_000);
    for (let count = 0; count <= 4_096; count += 1) clocks.learn(`broker-${count}`, 2_000, 1_000);
    expect(clocks.now('broker-4096')).toBe(2_000);
    expect(clocks.now('broker-1')).toBe(2_000);
    expect(clocks.now('broker-0')).toBe(1_000);
  });
});
