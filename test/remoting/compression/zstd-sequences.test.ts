import { describe, expect, test } from 'vitest';
import { readSequenceHead, sequencesOf } from '../../../src/remoting/compression/zstd-sequences.ts';

describe('the head of sequences', () => {
  test.each([
    [0, [0]],
    [127, [127, 0]],
    [0x1234, [0x80 + 0x12, 0x34, 0]],
    [0x7f00 + 0x0201, [255, 1, 2, 0]],
  ])('counts %i', (count, bytes) => {
    expect(readSequenceHead(Buffer.from(bytes), undefined)).toMatchObject({ count, bytesRead: bytes.length });
  });

  test.each([[[]], [[128]], [[255, 0]]])('is refused where it is cut: %j', (bytes) => {
    expect(() => readSequenceHead(Buffer.from(bytes), undefined)).toThrow('a ZSTD frame');
  });

  test('uses tables again', () => {
    const first = readSequenceHead(Buffer.from([1, 0b0101_0100, 3, 2, 1]), undefined);
    const again = readSequenceHead(Buffer.from([1, 0b1111_1100]), first.tables);
    expect(again.tables).toEqual(first.tables);
  });
});

describe('sequences', () => {
  test('are made of codes and further bits', () => {
    // Codes 25 (64 and 6 bits), 3 (8 and 3 bits), 43 (131 and 7 bits); the offset comes first, then the match.
    const { tables } = readSequenceHead(Buffer.from([1, 0b0101_0100, 25, 3, 43]), undefined);
    if (tables === undefined) throw new Error('there are tables');
    const bits = (1n << 16n) | (0b101n << 13n) | (100n << 6n) | 33n;
    const bytes = Buffer.from([Number(bits & 255n), Number((bits >> 8n) & 255n), Number(bits >> 16n)]);
    expect([...sequencesOf(bytes, 1, tables)]).toEqual([
      { offsetValue: 8 + 5, matchLength: 131 + 100, literalLength: 64 + 33 },
    ]);
  });
});
