import { describe, expect, it } from 'vitest';
import { RecentAcks, recentAckCountMax } from '../../../src/broker/pop/recent-acks.ts';

describe('RecentAcks', () => {
  it('knows an ack by its offset and its delivery', () => {
    const acks = new RecentAcks();
    acks.add(5, 1_000);
    expect(acks.has(5, 1_000)).toBe(true);
    expect(acks.has(5, 1_001)).toBe(false);
    expect(acks.has(6, 1_000)).toBe(false);
  });

  it(`forgets the oldest of more than ${recentAckCountMax}`, () => {
    const acks = new RecentAcks();
    for (let offset = 0; offset < recentAckCountMax; offset += 1) acks.add(offset, 1);
    expect(acks.has(0, 1)).toBe(true);
    acks.add(recentAckCountMax, 1);
    expect(acks.has(0, 1)).toBe(false);
    expect(acks.has(1, 1)).toBe(true);
    expect(acks.has(recentAckCountMax, 1)).toBe(true);
  });
});
