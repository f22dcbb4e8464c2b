import { describe, expect, test } from 'vitest';
import { BackwardBits, ForwardBits, highestBit } from '../../../src/remoting/compression/zstd-bits.ts';

test('highestBit', () => {
  expect([1, 2, 3, 4, 255, 256, 2 ** 30].map(highestBit)).toEqual([0, 1, 1, 2, 7, 8, 30]);
});

describe('ForwardBits', () => {
  test('reads the lowest bits first, and zeros behind the end', () => {
    const bits = new ForwardBits(Buffer.from([0b1010_0110, 0b1]));
    expect([bits.read(1), bits.read(3), bits.read(5), bits.read(9)]).toEqual([0, 0b011, 0b11010, 0]);
    expect(bits.bytesRead).toBe(3);
  });

  test('can take bits back', () => {
    const bits = new ForwardBits(Buffer.from([0b1010_0110]));
    bits.read(4);
    bits.back(2);
    expect(bits.read(2)).toBe(0b01);
    expect(bits.bytesRead).toBe(1);
  });
});

describe('BackwardBits', () => {
  test('reads from below the mark on, and zeros before the first byte', () => {
    const bits = new BackwardBits(Buffer.from([0b1100_0011, 0b0001_0110]));
    expect(bits.left).toBe(12);
    expect([bits.read(3), bits.read(4), bits.read(7)]).toEqual([0b011, 0b0110, 0b0001100]);
    expect(bits.left).toBe(-2);
    expect(bits.read(5)).toBe(0);
  });

  test.each([[[]], [[1, 0]]])('refuses %j, which has no mark', (bytes) => {
    expect(() => new BackwardBits(Buffer.from(bytes))).toThrow('without an end');
  });

  test('reads up to 25 bits at once, wherever they begin', () => {
    const bits = new BackwardBits(Buffer.from([0xff, 0xff, 0xff, 0xff, 0b1000_0000]));
    bits.read(7);
    expect([bits.read(25), bits.read(7)]).toEqual([2 ** 25 - 1, 127]);
  });
});
