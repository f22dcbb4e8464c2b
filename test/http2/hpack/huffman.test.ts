import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HpackError } from '../../../src/http2/hpack/hpack-error.ts';
import { decodedBytesMax, decodeHuffman } from '../../../src/http2/hpack/huffman.ts';

function decode(source: Buffer): Buffer {
  const target = Buffer.alloc(decodedBytesMax(source.length));
  return target.subarray(0, decodeHuffman(source, 0, source.length, target));
}

/** Bits as a string, filled up with ones. */
function padded(bits: string): Buffer {
  const filled = bits.padEnd(Math.ceil(bits.length / 8) * 8, '1');
  return Buffer.from((filled.match(/.{8}/g) ?? []).map((octet) => Number.parseInt(octet, 2)));
}

function bitsOf(code: number, length: number): string {
  return code.toString(2).padStart(length, '0');
}

describe('decodeHuffman', () => {
  test.each([
    ['f1e3c2e5f23a6ba0ab90f4ff', 'www.example.com'],
    ['a8eb10649cbf', 'no-cache'],
    ['25a849e95ba97d7f', 'custom-key'],
    ['25a849e95bb8e8b4bf', 'custom-value'],
    ['6402', '302'],
    ['d07abe941054d444a8200595040b8166e082a62d1bff', 'Mon, 21 Oct 2013 20:13:21 GMT'],
    ['9d29ad171863c78f0b97c8e9ae82ae43d3', 'https://www.example.com'],
    [
      '94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
      'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
    ],
    ['', ''],
  ])('reads %s of RFC 7541 as %s', (hex, text) => {
    expect(decode(Buffer.from(hex, 'hex')).toString('latin1')).toBe(text);
  });

  // Of each length of codes the first and the last, and the longest of all, by RFC 7541, appendix B.
  test.each([
    [48, 0x0, 5],
    [116, 0x9, 5],
    [32, 0x14, 6],
    [117, 0x2d, 6],
    [58, 0x5c, 7],
    [122, 0x7b, 7],
    [38, 0xf8, 8],
    [90, 0xfd, 8],
    [33, 0x3f8, 10],
    [63, 0x3fc, 10],
    [39, 0x7fa, 11],
    [124, 0x7fc, 11],
    [35, 0xffa, 12],
    [62, 0xffb, 12],
    [0, 0x1ff8, 13],
    [126, 0x1ffd, 13],
    [94, 0x3ffc, 14],
    [125, 0x3ffd, 14],
    [60, 0x7ffc, 15],
    [123, 0x7ffe, 15],
    [92, 0x7fff0, 19],
    [208, 0x7fff2, 19],
    [128, 0xfffe6, 20],
    [153, 0x1fffdc, 21],
    [129, 0x3fffd2, 22],
    [1, 0x7fffd8, 23],
    [9, 0xffffea, 24],
    [199, 0x1ffffec, 25],
    [192, 0x3ffffe0, 26],
    [203, 0x7ffffde, 27],
    [2, 0xfffffe2, 28],
    [249, 0xffffffe, 28],
    [10, 0x3ffffffc, 30],
    [13, 0x3ffffffd, 30],
    [22, 0x3ffffffe, 30],
  ])('reads octet %i', (octet, code, length) => {
    expect([...decode(padded(bitsOf(code, length)))]).toEqual([octet]);
    expect([...decode(padded(bitsOf(0x3, 5) + bitsOf(code, length) + bitsOf(0x3, 5)))]).toEqual([97, octet, 97]);
  });

  test('takes up to 7 set bits behind the last code, and no more', () => {
    // Eight codes of five bits end with their octet: what follows is padding alone.
    const even = '00011'.repeat(8);
    expect(decode(padded(even)).toString()).toBe('aaaaaaaa');
    expect(() => decode(padded(`${even}11111111`))).toThrow(HpackError);
    expect(() => decode(padded(`00011${'1'.repeat(11)}`))).toThrow(HpackError);
    expect(decode(padded(`${'00011'.repeat(5)}1111111`)).toString()).toBe('aaaaa');
  });

  // Behind codes of five bits, so that what follows fills the last octet.
  test.each([
    [1, '000'],
    [1, '110'],
    [1, '011'],
    [3, '0'],
    [5, '1111110'],
    [5, '0000000'],
  ])('refuses behind %i codes the padding %s', (count, padding) => {
    const bits = '00011'.repeat(count);
    expect(decode(padded(bits)).toString()).toBe('a'.repeat(count));
    expect(() => decode(padded(bits + padding))).toThrow(HpackError);
  });

  test.each([30, 31, 37])('refuses %i set bits, which hold EOS', (count) => {
    expect(() => decode(padded('1'.repeat(count)))).toThrow(HpackError);
    expect(() => decode(padded(`00011${'1'.repeat(count)}00011`))).toThrow(HpackError);
  });

  test('writes no more than it says, whatever it reads', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(8), (bytes, start) => {
        const target = Buffer.alloc(decodedBytesMax(bytes.length) + 1, 0xaa);
        try {
          const length = decodeHuffman(bytes, Math.min(start, bytes.length), bytes.length, target);
          expect(length).toBeLessThanOrEqual(decodedBytesMax(bytes.length));
        } catch (error) {
          expect(error).toBeInstanceOf(HpackError);
        }
        expect(target.at(-1)).toBe(0xaa);
      }),
      { seed: 7541, numRuns: 2_000 },
    );
  });
});
