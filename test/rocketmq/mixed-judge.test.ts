import { describe, expect, it } from 'vitest';
import type { Handled } from './official/members.ts';
import { judge, type Place, type Play } from './official/mixed-judge.ts';

const queue = 'broker:0';

function handled(member: string, offset: number, beginMs: number, endMs = beginMs + 5): Handled {
  return { member, body: `m${offset}`, beginMs, endMs };
}

/** Ten messages of one queue; a's until offset 3 is committed, then b's, to whom it belongs when 5 are there. */
function played(all: readonly Handled[]): Play {
  const sent = new Map<string, Place>(
    Array.from({ length: 10 }, (_, queueOffset) => [`m${queueOffset}`, { queue, queueOffset }]),
  );
  const change = (from: number, to: number, owner: string) => ({
    committed: new Map([[queue, from]]),
    settled: new Map([[queue, to]]),
    owners: new Map([[queue, owner]]),
  });
  return { sent, handled: all, changes: [change(0, 0, 'a'), change(3, 5, 'b')] };
}

const wellHandled = Array.from({ length: 10 }, (_, offset) => handled(offset < 5 ? 'a' : 'b', offset, offset * 10));

const clean = { lost: [], unknown: [], strayed: [], overtaken: [], overlaps: [], steadyCount: 8, movedCount: 2 };

describe('the judge of mixed groups', () => {
  it('finds nothing where there is nothing', () => {
    expect(judge(played(wellHandled))).toEqual({ ...clean, repeatedCount: 0 });
  });

  it('explains by a change of members what both had, but nothing before or behind it', () => {
    const repeated = [handled('b', 3, 42), handled('b', 4, 47)];
    expect(judge(played([...wellHandled, ...repeated]))).toMatchObject({ strayed: [], repeatedCount: 2 });
    expect(judge(played([...wellHandled, handled('b', 2, 40)]))).toMatchObject({ strayed: ['m2'] });
    expect(judge(played([...wellHandled, handled('a', 5, 60)]))).toMatchObject({ strayed: ['m5'] });
    expect(judge(played([...wellHandled, handled('b', 9, 200)]))).toMatchObject({ strayed: ['m9'] });
  });

  it('finds what is lost, what was never sent, and what the owner of its queue did not get', () => {
    expect(judge(played(wellHandled.slice(1)))).toMatchObject({ lost: ['m0'] });
    expect(judge(played([...wellHandled, handled('a', 77, 200)]))).toMatchObject({ unknown: ['m77'] });
    expect(judge(played([...wellHandled.slice(0, 9), handled('a', 9, 90)]))).toMatchObject({ strayed: ['m9'] });
  });

  it('finds what came for the first time behind a later one, and not what came again', () => {
    expect(judge(played([...wellHandled.slice(0, 9), handled('b', 9, 75)]))).toMatchObject({ overtaken: ['m8'] });
    expect(judge(played([...wellHandled, handled('b', 3, 55)]))).toMatchObject({ overtaken: [] });
  });

  it('finds two members at work in one queue, and who was there first', () => {
    const overlaps = [{ queue, first: 'a', second: 'b' }];
    const slow = [...wellHandled.slice(0, 4), handled('a', 4, 40, 51), ...wellHandled.slice(5)];
    expect(judge(played(slow))).toMatchObject({ overlaps });
    const prompt = [...wellHandled.slice(0, 4), handled('a', 4, 40, 50), ...wellHandled.slice(5)];
    expect(judge(played(prompt))).toMatchObject({ overlaps: [] });
  });
});
