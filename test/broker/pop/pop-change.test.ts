import { describe, expect, it } from 'vitest';
import { endedChange, leasedChange, readPopChange } from '../../../src/broker/pop/pop-change.ts';
import type { Json } from '../../../src/remoting/json.ts';

const queue = { group: 'g', topic: 't', queueId: 3 };
const lease = { popTimeMs: 1_000, visibleAtMs: 31_000, reconsumeTimes: 2, runs: [7, 32] };

function throughTheLog(change: Json): Json {
  return JSON.parse(JSON.stringify(change)) as Json;
}

describe('changes of what is popped', () => {
  it('come back from the log', () => {
    expect(readPopChange(throughTheLog(leasedChange(queue, lease)))).toEqual({
      kind: 'leased',
      queue,
      lease,
      attemptId: undefined,
    });
    expect(readPopChange(throughTheLog(leasedChange(queue, lease, '')))).toMatchObject({ attemptId: '' });
    expect(readPopChange(throughTheLog(leasedChange(queue, lease, 'a')))).toMatchObject({ attemptId: 'a' });
    expect(readPopChange(throughTheLog(endedChange(queue, [7, 1])))).toEqual({ kind: 'ended', queue, runs: [7, 1] });
    expect(readPopChange(['clear', 'g', 't', 3])).toEqual({ kind: 'clear', queue });
  });

  it.each<Json>([
    null,
    {},
    [],
    ['gone', 'g', 't', 3],
    ['clear', 1, 't', 3],
    ['clear', 'g', null, 3],
    ['clear', 'g', 't', -1],
    ['clear', 'g', 't', 0.5],
    ['ended', 'g', 't', 3],
    ['ended', 'g', 't', 3, [1]],
    ['ended', 'g', 't', 3, [1, '2']],
    ['leased', 'g', 't', 3, 1, 2, 0],
    ['leased', 'g', 't', 3, 1, 2, -1, [1, 1]],
    ['leased', 'g', 't', 3, null, 2, 0, [1, 1]],
    ['leased', 'g', 't', 3, 1, '2', 0, [1, 1]],
    ['leased', 'g', 't', 3, 1, 2, 0, [1, 1], 5],
  ])('that make no sense are refused: %j', (change) => {
    expect(() => readPopChange(change)).toThrow('makes no sense');
  });
});
