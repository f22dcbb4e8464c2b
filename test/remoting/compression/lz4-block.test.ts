import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  compressLz4Block,
  decompressLz4Block,
  lz4BlockBytesMax,
  measureLz4Block,
} from '../../../src/remoting/compression/lz4-block.ts';

function compress(body: Buffer): Buffer {
  const target = Buffer.alloc(lz4BlockBytesMax(body.length));
  return target.subarray(0, compressLz4Block(body, target));
}

function unfold(block: Buffer, bytesMax = 1_000_000): Buffer {
  const target = Buffer.alloc(measureLz4Block(block, 0, bytesMax));
  expect(decompressLz4Block(block, target, 0)).toBe(target.length);
  return target;
}

/** Offsets of the matches of a block, each with where it begins and ends in what it unfolds to. */
function matchesOf(block: Buffer): { start: number; end: number }[] {
  const matches: { start: number; end: number }[] = [];
  let at = 0;
  let size = 0;
  const length = (inToken: number): number => {
    let sum = inToken;
    for (let byte = 255; inToken === 15 && byte === 255; sum += byte) byte = block[at++] ?? 0;
    return sum;
  };
  for (;;) {
    const token = block[at++] ?? 0;
    const literals = length(token >> 4);
    at += literals;
    size += literals;
    if (at >= block.length) return matches;
    at += 2;
    const start = size;
    size += length(token & 15) + 4;
    matches.push({ start, end: size });
  }
}

/** Bodies with repeats near and far, as long runs and short ones. */
const bodies = fc
  .array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 60 })), { maxLength: 12 })
  .map((parts) => Buffer.concat(parts.flatMap(([bytes, times]) => Array.from({ length: times }, () => bytes))));

describe('LZ4 blocks', () => {
  test('come back as they were', () => {
    fc.assert(fc.property(bodies, (body) => unfold(compress(body)).equals(body)));
  });

  test.each([0, 1, 12, 13, 15, 16, 270, 271, 65_535, 65_551, 70_000])('of %i equal bytes come back', (length) => {
    const body = Buffer.alloc(length, 'x');
    expect(unfold(compress(body)).equals(body)).toBe(true);
  });

  test.each([65_534, 65_535, 65_536, 70_000])('that repeat after %i bytes come back', (distance) => {
    const word = Buffer.from('a word that stands there many times, and then again, far away; ');
    const between = Buffer.alloc(distance, word);
    const body = Buffer.concat([Buffer.from('begins so'), between, Buffer.from('begins so'), between]);
    expect(unfold(compress(body)).equals(body)).toBe(true);
  });

  test('end as the format demands: 5 literals, and no match begins in the last 12 bytes', () => {
    fc.assert(
      fc.property(bodies, (body) => {
        for (const { start, end } of matchesOf(compress(body))) {
          expect(start).toBeLessThanOrEqual(body.length - 12);
          expect(end).toBeLessThanOrEqual(body.length - 5);
        }
      }),
    );
  });

  test('stop at the limit', () => {
    const block = compress(Buffer.alloc(100_000));
    expect(measureLz4Block(block, 0, 100_000)).toBe(100_000);
    expect(() => measureLz4Block(block, 0, 99_999)).toThrow('more than 99999 bytes');
    expect(() => measureLz4Block(Buffer.from([0x30, 1, 2, 3]), 0, 2)).toThrow('more than 2 bytes');
  });

  test.each([
    ['nothing', []],
    ['a length without an end', [0xf0, 255, 255]],
    ['too few literals', [0x40, 1, 2]],
    ['half an offset', [0x10, 1, 1]],
    ['an offset of 0', [0x10, 1, 0, 0, 0x00]],
    ['an offset before the first byte', [0x10, 1, 2, 0, 0x00]],
    ['a match at the end', [0x10, 1, 1, 0]],
  ])('with %s are refused', (_, bytes) => {
    expect(() => measureLz4Block(Buffer.from(bytes), 0, 100)).toThrow('damaged');
  });

  test('may reach back to what came before', () => {
    const block = Buffer.from([0x00, 2, 0, 0x10, 7]);
    expect(measureLz4Block(block, 2, 10)).toBe(5);
    expect(() => measureLz4Block(block, 1, 10)).toThrow('damaged');
    const target = Buffer.from([1, 2, 0, 0, 0, 0, 0]);
    decompressLz4Block(block, target, 2);
    expect([...target]).toEqual([1, 2, 1, 2, 1, 2, 7]);
  });
});
