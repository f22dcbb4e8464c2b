import { describe, expect, it } from 'vitest';
import { PendingData } from '../../src/http2/pending-data.ts';

/** What is taken, part by part, in pieces of these sizes. */
function taken(pending: PendingData, sizes: readonly number[]): string[] {
  return sizes.map((bytesMax) => pending.take(bytesMax).toString());
}

describe('pending data', () => {
  it('leaves in order, in any pieces, and joins what is small', () => {
    const pending = new PendingData();
    for (const part of ['abcdef', 'g', '', 'h', 'ijk']) pending.add(Buffer.from(part), false);
    expect(pending.bytes).toBe(11);
    expect(taken(pending, [2, 0, -5, 3, 4, 100, 100])).toEqual(['ab', '', '', 'cde', 'fghi', 'jk', '']);
    expect(pending.bytes).toBe(0);
  });

  it('is a copy: the bytes may be used again', () => {
    const pending = new PendingData();
    const bytes = Buffer.from('first');
    pending.add(bytes, false);
    bytes.write('other');
    pending.add(bytes, true);
    expect([pending.isLast, ...taken(pending, [5, 100])]).toEqual([true, 'first', 'other']);
  });
});
