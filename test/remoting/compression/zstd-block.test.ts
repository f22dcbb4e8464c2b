import { describe, expect, test } from 'vitest';
import { ZstdBlocks, zstdBlockBytesMax } from '../../../src/remoting/compression/zstd-block.ts';
import { ZstdOutput } from '../../../src/remoting/compression/zstd-output.ts';

/** What blocks of one frame unfold to. */
function unfold(...blocks: readonly (readonly number[])[]): string {
  const output = new ZstdOutput(10_000_000);
  const frame = new ZstdBlocks(output);
  for (const block of blocks) frame.unfold(Buffer.from(block));
  return output.bytes.toString();
}

const abc = [97, 98, 99];
/** Raw literals `abc`, in one byte of head. */
const rawAbc = [3 << 3, ...abc];
/** One sequence of single codes: literal length, offset code, match length, then the bits of the offset. */
const sequence = (literalLength: number, offsetCode: number, matchLength: number, bits: number): number[] => [
  ...[1, 0b0101_0100],
  ...[literalLength, offsetCode, matchLength, bits],
];

describe('ZSTD blocks', () => {
  test.each([
    ['raw literals', [...rawAbc, 0]],
    ['raw literals with two bytes of head', [(3 << 4) | 4, 0, ...abc, 0]],
    ['raw literals with three bytes of head', [(3 << 4) | 12, 0, 0, ...abc, 0]],
  ])('of %s', (_, block) => {
    expect(unfold(block)).toBe('abc');
  });

  test('of repeated literals', () => {
    expect(unfold([(5 << 3) | 1, 97, 0])).toBe('aaaaa');
    expect(unfold([(5 << 4) | 5, 1, 97, 0])).toBe('a'.repeat(21));
  });

  test('copy what came before', () => {
    // Offset code 2 and bits 10 are value 6, which is offset 3; match code 2 is 5 bytes.
    expect(unfold([...rawAbc, ...sequence(3, 2, 2, 0b110)])).toBe('abcabcab');
    // Also from the block before; and with the offset that was used last: code 0 is value 1.
    expect(unfold([...rawAbc, ...sequence(3, 2, 2, 0b110)], [...rawAbc, ...sequence(3, 0, 0, 0b1)])).toBe(
      'abcabcababcabc',
    );
  });

  test('without literals before a copy name the offset one further', () => {
    // Of 1, 4 and 8 the second.
    expect(unfold([(4 << 3) | 0, ...abc, 100, 0], [0, ...sequence(0, 0, 0, 0b1)])).toBe('abcdabc');
  });

  test.each([
    ['is empty', []],
    ['has fewer literals than it says', [3 << 3, 97]],
    ['has no sequences section', rawAbc],
    ['has sequences of a reserved kind', [...rawAbc, 1, 0b0101_0101, 3, 2, 2, 0b110]],
    ['uses tables that it has not', [...rawAbc, 1, 0b1111_1100, 0b110]],
    ['has more bits than sequences', [...rawAbc, ...sequence(3, 2, 2, 0b1110)]],
    ['has fewer bits than sequences', [...rawAbc, ...sequence(3, 2, 2, 0b11)]],
    ['needs more literals than it has', [...rawAbc, ...sequence(4, 2, 2, 0b110)]],
    ['reaches back too far', [...rawAbc, ...sequence(3, 2, 2, 0b111)]],
    ['reaches back by an offset beyond all', [...rawAbc, ...sequence(3, 31, 2, 0b1)]],
    ['has a code that does not exist', [...rawAbc, ...sequence(36, 2, 2, 0b110)]],
  ])('that %s is refused', (_, block) => {
    expect(() => unfold(block)).toThrow('a ZSTD frame');
  });

  test('unfold to 128 KiB and no more', () => {
    const repeated = (count: number): number[] => {
      const head = count * 16 + 13;
      return [head & 255, (head >> 8) & 255, head >> 16, 97, 0];
    };
    expect(unfold(repeated(zstdBlockBytesMax))).toHaveLength(zstdBlockBytesMax);
    expect(() => unfold(repeated(zstdBlockBytesMax + 1))).toThrow('131072');
  });
});
