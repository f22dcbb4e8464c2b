import { describe, expect, test } from 'vitest';
import { BlockReader } from '../../../src/http2/hpack/block-reader.ts';
import { HpackError } from '../../../src/http2/hpack/hpack-error.ts';

function reader(...octets: number[]): BlockReader {
  return new BlockReader(Buffer.from(octets), Buffer.alloc(16));
}

describe('BlockReader', () => {
  // The first three are RFC 7541, appendix C.1.
  test.each([
    [[0x0a], 0x1f, 10],
    [[0x1f, 0x9a, 0x0a], 0x1f, 1337],
    [[0x2a], 0xff, 42],
    [[0xea], 0x1f, 10],
    [[0x1e], 0x1f, 30],
    [[0x1f, 0x00], 0x1f, 31],
    [[0x7f, 0x80, 0x01], 0x7f, 255],
    [[0x0f, 0x80, 0x80, 0x00], 0x0f, 15],
    [[0x0f, 0xff, 0xff, 0xff, 0x7f], 0x0f, 15 + 2 ** 28 - 1],
  ])('reads the integer %j', (octets, mask, value) => {
    const one = reader(...octets, 0xab);
    expect(one.integer(mask)).toBe(value);
    expect(one.next).toBe(0xab);
  });

  test.each([
    [[]],
    [[0x1f]],
    [[0x1f, 0x80]],
    [[0x1f, 0xff, 0xff, 0xff]],
    [[0x1f, 0xff, 0xff, 0xff, 0xff, 0x0f]],
    [[0x1f, 0x80, 0x80, 0x80, 0x80, 0x00]],
    [[0x1f, ...Array<number>(100).fill(0xff)]],
  ])('refuses the integer %j', (octets) => {
    expect(() => reader(...octets).integer(0x1f)).toThrow(HpackError);
  });

  test('reads strings, with octets as they are', () => {
    const one = reader(0, 3, 0x61, 0x00, 0xff, 0x82, 0x64, 0x02, 0x80);
    expect([one.string(), one.string(), one.string(), one.string()]).toEqual(['', 'a\u0000ÿ', '302', '']);
    expect(one.hasMore).toBe(false);
  });

  test('reads strings that are longer than its scratch space', () => {
    const text = 'a'.repeat(40);
    const code = Buffer.from(Array.from({ length: 5 }, () => [0x18, 0xc6, 0x31, 0x8c, 0x63]).flat());
    const one = reader(0x80 | code.length, ...code, 40, ...Buffer.from(text));
    expect([one.string(), one.string()]).toEqual([text, text]);
  });

  test.each([[[]], [[1]], [[3, 0x61, 0x61]], [[0x7f]], [[0x7f, 0xff, 0xff, 0xff, 0x7f, 0x61]], [[0x82, 0x64]]])(
    'refuses the string %j, which is cut off',
    (octets) => {
      expect(() => reader(...octets).string()).toThrow(HpackError);
    },
  );
});
