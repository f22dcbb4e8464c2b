import { describe, expect, test } from 'vitest';
import { BackwardBits } from '../../../src/remoting/compression/zstd-bits.ts';
import {
  buildStateTable,
  readHuffmanStream,
  readHuffmanTable,
  readStateTable,
  StateWalk,
  singleStateTable,
} from '../../../src/remoting/compression/zstd-entropy.ts';

describe('state tables', () => {
  test('have as many states of a symbol as its probability says, and each reaches all states', () => {
    const { symbols, bitCounts, bases } = buildStateTable(5, [20, 8, 3, -1]);
    expect([0, 1, 2, 3].map((symbol) => symbols.filter((one) => one === symbol).length)).toEqual([20, 8, 3, 1]);
    for (const symbol of [0, 1, 2, 3]) {
      const reached = [...symbols.keys()]
        .filter((state) => symbols[state] === symbol)
        .flatMap((state) =>
          Array.from({ length: 2 ** (bitCounts[state] ?? 0) }, (_, bits) => (bases[state] ?? 0) + bits),
        );
      expect(reached.toSorted((one, other) => one - other)).toEqual(Array.from({ length: 32 }, (_, state) => state));
    }
  });

  test('of one symbol take no bits', () => {
    const bits = new BackwardBits(Buffer.from([1]));
    const walk = new StateWalk(singleStateTable(9), bits);
    walk.advance(bits);
    expect([walk.symbol, bits.left]).toEqual([9, 0]);
  });

  test.each([
    ['of a size over the limit', [0x05, 0, 0], 9],
    ['that are cut', [0x00], 35],
    ['with too many symbols', [0x10, 0x15, 0x55, 0x55, 0x55], 2],
  ])('%s are refused', (_, bytes, symbolMax) => {
    expect(() => readStateTable(Buffer.from(bytes), 9, symbolMax)).toThrow('a ZSTD frame has a table');
  });
});

describe('Huffman tables', () => {
  test('with plain weights: the last weight is what is left', () => {
    // Weights 2 and 1 are written; the third is 1.
    const { table, bytesRead } = readHuffmanTable(Buffer.from([129, 0x21]));
    expect(bytesRead).toBe(2);
    expect([...table.symbols]).toEqual([1, 2, 0, 0]);
    expect([...table.bitCounts]).toEqual([2, 2, 1, 1]);
    const literals = Buffer.alloc(4);
    // 0, 1, 2, 0: 1 00 01 1, behind the mark.
    readHuffmanStream(Buffer.from([0b0110_0011]), table, literals);
    expect([...literals]).toEqual([0, 1, 2, 0]);
    expect(() => readHuffmanStream(Buffer.from([0b0110_0011]), table, Buffer.alloc(3))).toThrow('do not add up');
    expect(() => readHuffmanStream(Buffer.from([0b0110_0011]), table, Buffer.alloc(5))).toThrow('do not add up');
  });

  test.each([
    ['nothing', []],
    ['too few weights', [130, 0x11]],
    ['no weight at all', [128, 0x00]],
    ['weights that leave no power of two', [130, 0x33, 0x10]],
    ['weights beyond 11 bits', [128, 0xc0]],
    ['a table of states that is cut', [3, 0x00]],
  ])('with %s are refused', (_, bytes) => {
    expect(() => readHuffmanTable(Buffer.from(bytes))).toThrow('a ZSTD frame');
  });
});
