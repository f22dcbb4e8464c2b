import { describe, expect, it } from 'vitest';
import { PollCounts } from '../../../src/broker/pop/poll-counts.ts';

const place = { group: 'g', topic: 't', queueId: -1 };

describe('PollCounts', () => {
  it('counts what has no answer yet, by group, topic and queue', async () => {
    const counts = new PollCounts();
    let succeed = (_: number): void => {};
    let fail = (_: Error): void => {};
    const first = counts.count(place, new Promise<number>((resolve) => (succeed = resolve)));
    const second = counts.count(place, new Promise<number>((_, reject) => (fail = reject)));
    expect(counts.get(place)).toBe(2);
    expect(counts.get({ ...place, queueId: -7 })).toBe(2);
    for (const other of [{ group: 'h' }, { topic: 'u' }, { queueId: 0 }]) {
      expect(counts.get({ ...place, ...other })).toBe(0);
    }
    succeed(1);
    expect(await first).toBe(1);
    expect(counts.get(place)).toBe(1);
    fail(new Error('gone'));
    await expect(second).rejects.toThrow('gone');
    expect(counts.get(place)).toBe(0);
  });
});
