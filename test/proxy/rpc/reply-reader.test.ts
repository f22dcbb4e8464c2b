import { describe, expect, it } from 'vitest';
import { pieceBytesMax, ReplyReader } from '../../../src/proxy/rpc/reply-reader.ts';

/** The replies, one after the other. */
async function* repliesOf(...sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (const size of sizes) yield new Uint8Array(size).fill(size % 251);
}

describe('ReplyReader', () => {
  it.each([0, 1, pieceBytesMax, pieceBytesMax + 1, 2 * pieceBytesMax, 1_000_000])(
    'gives a reply of %i bytes in pieces that are whole together',
    async (size) => {
      const pieces = new ReplyReader(() => {}).inPieces(repliesOf(size, 3));
      const read: Uint8Array[] = [];
      for (let result = await pieces.next(); result.done !== true; result = await pieces.next())
        read.push(result.value);
      expect(Math.max(...read.map(({ length }) => length))).toBeLessThanOrEqual(pieceBytesMax);
      const expected = [new Uint8Array(size).fill(size % 251), new Uint8Array(3).fill(3)];
      expect(Buffer.concat(read).equals(Buffer.concat(expected))).toBe(true);
      expect(read.at(-1)?.length).toBe(3);
    },
  );

  it('tells when a reply has become bytes, and each time that some of them were taken', async () => {
    const seen: string[] = [];
    const reader = new ReplyReader(() => {});
    reader.watch(
      () => seen.push('encoded'),
      () => seen.push('progress'),
    );
    const pieces = reader.inPieces(repliesOf(2 * pieceBytesMax, 1));
    await pieces.next();
    expect(seen).toEqual(['progress', 'encoded']);
    await pieces.next();
    expect(seen.splice(0)).toEqual(['progress', 'encoded', 'progress']);
    await pieces.next();
    expect(seen).toEqual(['progress', 'encoded']);
  });

  it('ends what makes the replies, and hands it errors', async () => {
    const replies = repliesOf(1, 2);
    const pieces = new ReplyReader(() => {}).inPieces(replies);
    await pieces.next();
    await expect(pieces.throw?.(new Error('cannot be written'))).rejects.toThrow('cannot be written');
    expect(await replies.next()).toEqual({ done: true, value: undefined });
    const others = repliesOf(1, 2);
    const ended = new ReplyReader(() => {}).inPieces(others);
    await ended.next();
    await ended.return?.();
    expect(await others.next()).toEqual({ done: true, value: undefined });
  });
});
