import { describe, expect, test } from 'vitest';
import { decompressZstd } from '../../../src/remoting/compression/zstd-frame.ts';
import { canCompress, compressBody } from '../../../src/remoting/compression.ts';
import { RemotingError } from '../../../src/remoting/errors.ts';
import { compressedLines, lines } from '../../support/compressed-lines.ts';

const magic = [0x28, 0xb5, 0x2f, 0xfd];
/** `ZstdCompressor` of rocketmq-common 5.5.0: `zip ` a hundred times. */
const byJava = Buffer.from('28b52ffd00585c0000207a697020010089ab8e08010000', 'hex');

/** A frame of one segment that says to unfold to so many bytes. */
function frame(contentBytes: number, ...blocks: readonly number[][]): Buffer {
  return Buffer.from([...magic, 0x20, contentBytes, ...blocks.flat()]);
}

/** A block: kind 0 raw, 1 repeated, 2 compressed. */
function block(kind: number, size: number, bytes: readonly number[], isLast = true): number[] {
  const head = (size << 3) | (kind << 1) | (isLast ? 1 : 0);
  return [head & 255, (head >> 8) & 255, head >> 16, ...bytes];
}

const zeros = (count: number): number[] => Array.from({ length: count }, () => 0);

describe('ZSTD frames', () => {
  test('of Java can be read', () => {
    expect(decompressZstd(byJava, 400).toString()).toBe('zip '.repeat(100));
  });

  test.each(['lines-java.zst', 'lines-1.zst', 'lines-19.zst'])('of several blocks can be read: %s', (name) => {
    expect(decompressZstd(compressedLines(name), 140_000).equals(lines())).toBe(true);
  });

  test.skipIf(!canCompress('zstd'))('of Node can be read', async () => {
    for (const body of [
      lines(),
      Buffer.alloc(500_000),
      Buffer.concat([lines(), Buffer.alloc(200_000, 'x'), lines()]),
    ]) {
      const { body: compressed } = await compressBody(body, 'zstd');
      expect(decompressZstd(compressed, body.length).equals(body)).toBe(true);
    }
  });

  test('hold raw and repeated bytes, and may come one after the other', () => {
    const one = frame(5, block(0, 2, [1, 2], false), block(1, 3, [7]));
    expect([...decompressZstd(one, 5)]).toEqual([1, 2, 7, 7, 7]);
    expect([...decompressZstd(Buffer.concat([one, one]), 10)]).toEqual([1, 2, 7, 7, 7, 1, 2, 7, 7, 7]);
  });

  test('that are cut anywhere are refused', () => {
    for (let length = 0; length < byJava.length; length += 1) {
      expect(() => decompressZstd(byJava.subarray(0, length), 400)).toThrow(RemotingError);
    }
  });

  test('stop at the limit', () => {
    expect(() => decompressZstd(byJava, 399)).toThrow('more than 399 bytes');
    const zip = compressedLines('lines-1.zst');
    expect(() => decompressZstd(zip, 139_999)).toThrow('more than 139999 bytes');
    expect(() => decompressZstd(frame(200, block(1, 200, [0])), 199)).toThrow('more than 199 bytes');
  });

  test('cost no memory for what they only say to unfold to', () => {
    const huge = Buffer.from([...magic, 0xe0, ...zeros(6), 1, 0, ...block(1, 1, [0])]);
    expect(() => decompressZstd(huge, 4_194_304)).toThrow('more than');
    // A window of 3.75 TiB, and nothing in it.
    const wide = Buffer.from([...magic, 0x00, 0xff, ...block(0, 0, [])]);
    expect(decompressZstd(wide, 4_194_304)).toHaveLength(0);
  });

  test.each([
    ['no magic number', Buffer.from('this is no frame')],
    ['a reserved bit', Buffer.from([...magic, 0x28, 0, ...block(0, 0, [])])],
    ['a dictionary', Buffer.from([...magic, 0x21, 1, 0, ...block(0, 0, [])])],
    ['another size than they say', frame(4, block(0, 3, [1, 2, 3]))],
    ['a block of an unknown kind', frame(0, block(3, 0, []))],
    ['a block that is too large', frame(0, block(0, 131_073, zeros(131_073)))],
    ['something behind their end', Buffer.concat([frame(1, block(0, 1, [1])), Buffer.from([1])])],
    ['a compressed block of nothing', frame(0, block(2, 0, []))],
    ['literals of a table that there is not', frame(4, block(2, 5, [0x43, 0x40, 0x00, 1, 0]))],
    ['more blocks than are worth it', frame(0, ...Array.from({ length: 66 }, () => block(0, 0, [], false)))],
  ])('with %s are refused', (_, bytes) => {
    expect(() => decompressZstd(bytes, 256)).toThrow(RemotingError);
  });

  test('with a Huffman table whose stream never ends are refused: fzstd reads it for ever', () => {
    // One symbol with all of the probability: no state takes bits.
    const table = [0x0a, 0xf0, 0x03, 1, 2, 3, 4, 5, 6, 7, 0xff];
    const literals = [0x42, 0x81, 0x07, ...table, ...Array.from({ length: 18 }, () => 0x55), 0];
    expect(() => decompressZstd(frame(100, block(2, literals.length, literals)), 256)).toThrow('without an end');
  });
});
