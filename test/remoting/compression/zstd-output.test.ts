import { describe, expect, test } from 'vitest';
import { ZstdOutput } from '../../../src/remoting/compression/zstd-output.ts';

const abc = Buffer.from('abc');

describe('ZstdOutput', () => {
  test.each([2, 31, 32, 33, 100_000])('repeats what was there, %i bytes of it', (length) => {
    const output = new ZstdOutput(1_000_000);
    output.append(abc, 0, 3);
    output.repeat(2, length);
    expect(output.bytes.toString()).toBe(`abc${'bc'.repeat(length).slice(0, length)}`);
  });

  test.each([1, 32, 33, 200_000])('appends a part of %i bytes', (length) => {
    const output = new ZstdOutput(1_000_000);
    const bytes = Buffer.alloc(length + 2, 'x');
    output.append(bytes, 1, length + 1);
    expect(output.bytes.equals(bytes.subarray(1, length + 1))).toBe(true);
  });

  test('grows up to its limit and no further, whatever comes', () => {
    const output = new ZstdOutput(100_000);
    output.fill(7, 100_000);
    expect(output.length).toBe(100_000);
    expect(() => output.fill(7, 1)).toThrow('more than 100000 bytes');
    expect(() => output.append(abc, 0, 1)).toThrow('more than 100000 bytes');
    expect(() => output.repeat(1, 1)).toThrow('more than 100000 bytes');
    expect(output.bytes.every((byte) => byte === 7)).toBe(true);
  });

  test('reaches back to the first byte of its frame and no further', () => {
    const output = new ZstdOutput(100);
    output.append(abc, 0, 3);
    output.beginFrame();
    expect(() => output.repeat(1, 1)).toThrow('too far');
    output.append(abc, 0, 3);
    output.repeat(3, 1);
    expect(() => output.repeat(5, 1)).toThrow('too far');
    expect(() => output.repeat(0, 1)).toThrow('too far');
    expect(output.bytes.toString()).toBe('abcabca');
  });
});
