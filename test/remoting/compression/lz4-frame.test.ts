import { describe, expect, test } from 'vitest';
import { compressLz4, decompressLz4 } from '../../../src/remoting/compression/lz4-frame.ts';
import { xxHash32 } from '../../../src/remoting/compression/xxhash32.ts';
import { RemotingError } from '../../../src/remoting/errors.ts';
import { compressedLines, lines } from '../../support/compressed-lines.ts';

const mebibyte = 1_048_576;
/** `Lz4Compressor` of rocketmq-common 5.5.0: `zip ` a hundred times. */
const byJava = Buffer.from('04224d186070730f0000004f7a6970200400ff7550207a69702000000000', 'hex');

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** A frame of these flags around blocks that are written down already. */
function frame(flags: number, parts: readonly Buffer[], { sizes = 0x40, content = Buffer.alloc(0) } = {}): Buffer {
  const descriptor = Buffer.concat([Buffer.from([flags, sizes]), content]);
  const hash = Buffer.from([(xxHash32(descriptor) >>> 8) & 0xff]);
  return Buffer.concat([word(0x184d2204), descriptor, hash, ...parts]);
}

function block(bytes: readonly number[], plain = false): Buffer {
  return Buffer.concat([word((plain ? 0x8000_0000 : 0) + bytes.length), Buffer.from(bytes)]);
}

const end = word(0);
const abc = [0x30, 97, 98, 99];

describe('LZ4 frames', () => {
  test('of Java can be read', () => {
    expect(decompressLz4(byJava, 400).toString()).toBe('zip '.repeat(100));
    expect(decompressLz4(compressedLines('lines-java.lz4'), 140_000).equals(lines())).toBe(true);
  });

  test('begin as those of Java, whose reader takes no others', async () => {
    expect((await compressLz4(Buffer.from('zip '.repeat(100)))).subarray(0, 7)).toEqual(byJava.subarray(0, 7));
  });

  test.each([0, 1, 400, 4 * mebibyte, 4 * mebibyte + 1, 9 * mebibyte])('of %i bytes come back', async (length) => {
    const body = Buffer.alloc(length, 'some text, and some more of it; ');
    expect(decompressLz4(await compressLz4(body), length).equals(body)).toBe(true);
  });

  test('that cannot be made smaller hold plain blocks', async () => {
    const body = Buffer.from(Array.from({ length: 5_000 }, (_, index) => Math.imul(index, 0x9e3779b1) >>> 24));
    const noise = Buffer.concat([body, Buffer.from('x')]);
    const written = await compressLz4(Buffer.from('abc'));
    expect(written).toHaveLength(7 + 4 + 3 + 4);
    expect(decompressLz4(await compressLz4(noise), noise.length).equals(noise)).toBe(true);
  });

  test('one after the other are one body', async () => {
    expect(decompressLz4(Buffer.concat([await compressLz4(Buffer.from('one ')), byJava]), 500)).toHaveLength(404);
  });

  test('whose blocks refer to those before can be read, others must not', () => {
    const parts = [block(abc), block([0x00, 3, 0, 0x10, 33]), end];
    expect(decompressLz4(frame(0x40, parts), 100).toString()).toBe('abcabca!');
    expect(() => decompressLz4(frame(0x60, parts), 100)).toThrow('damaged');
  });

  test('with all checks are checked', () => {
    const hashed = (bytes: readonly number[]): Buffer =>
      Buffer.concat([block(bytes), word(xxHash32(Buffer.from(bytes)))]);
    const content = Buffer.alloc(8);
    content.writeBigUInt64LE(3n);
    const contentHash = word(xxHash32(Buffer.from('abc')));
    const good = frame(0x7c, [hashed(abc), end, contentHash], { content });
    expect(decompressLz4(good, 3).toString()).toBe('abc');
    expect(() => decompressLz4(frame(0x7c, [block(abc), word(1), end, contentHash], { content }), 3)).toThrow(
      'changed',
    );
    expect(() => decompressLz4(frame(0x7c, [hashed(abc), end, word(1)], { content }), 3)).toThrow('content');
    content.writeBigUInt64LE(4n);
    expect(() => decompressLz4(frame(0x7c, [hashed(abc), end, contentHash], { content }), 3)).toThrow('size');
  });

  test.each([
    ['no magic number', Buffer.from('this is no frame')],
    ['another version', frame(0x80, [end])],
    ['a reserved flag', frame(0x62, [end])],
    ['a dictionary', frame(0x61, [end])],
    ['no block size', frame(0x60, [end], { sizes: 0x30 })],
    ['a reserved bit of sizes', frame(0x60, [end], { sizes: 0x41 })],
    ['a head that was changed', Buffer.concat([frame(0x60, []).subarray(0, 6), Buffer.from([0]), end])],
    [
      'a block over its size',
      frame(0x60, [
        block(
          Array.from({ length: 65_537 }, () => 0),
          true,
        ),
        end,
      ]),
    ],
    [
      'a block that unfolds to more than its size',
      frame(0x60, [block([0x1f, 0, 1, 0, ...Array(258).fill(255), 0, 0x00]), end]),
    ],
    ['something behind its end', frame(0x60, [end, Buffer.from([1])])],
  ])('with %s are refused', (_, bytes) => {
    expect(() => decompressLz4(bytes, mebibyte)).toThrow(RemotingError);
  });

  test('that are cut anywhere are refused', () => {
    for (let length = 0; length < byJava.length; length += 1) {
      expect(() => decompressLz4(byJava.subarray(0, length), 400)).toThrow(RemotingError);
    }
  });

  test('are written block by block, and others get their turn after each', async () => {
    let turnCount = 0;
    let isWritten = false;
    const countTurns = (): void => {
      if (isWritten) return;
      turnCount += 1;
      setImmediate(countTurns);
    };
    setImmediate(countTurns);
    await compressLz4(Buffer.alloc(4 * mebibyte, 'some text, and some more of it; '));
    isWritten = true;
    expect(turnCount).toBeGreaterThanOrEqual(15);
  });

  test('stop at the limit, also with plain blocks', async () => {
    const folded = await compressLz4(Buffer.alloc(mebibyte));
    expect(decompressLz4(folded, mebibyte)).toHaveLength(mebibyte);
    expect(() => decompressLz4(folded, mebibyte - 1)).toThrow('more than');
    const plain = frame(0x60, [block([1, 2, 3], true), block([1, 2, 3], true), end]);
    expect(decompressLz4(plain, 6)).toHaveLength(6);
    expect(() => decompressLz4(plain, 5)).toThrow('more than 5 bytes');
  });
});
