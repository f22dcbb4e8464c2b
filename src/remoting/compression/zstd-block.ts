import { damagedZstd } from './zstd-bits.ts';
import { type HuffmanTable, readHuffmanStream, readHuffmanTable } from './zstd-entropy.ts';
import type { ZstdOutput } from './zstd-output.ts';
import { readSequenceHead, type Sequence, type SequenceTables, sequencesOf } from './zstd-sequences.ts';

/** Most bytes that a block may unfold to. */
export const zstdBlockBytesMax = 131_072;

/** Kinds of literals (RFC 8878, 3.1.1.3.1.1). */
const LiteralKind = { RAW: 0, REPEATED: 1, COMPRESSED: 2, SAME_TABLE: 3 } as const;

interface Literals {
  readonly literals: Buffer;
  /** What the section took of the block. */
  readonly bytesRead: number;
}

/** Unfolds the compressed blocks of one frame, which know the tables and offsets of those before. */
export class ZstdBlocks {
  readonly #output: ZstdOutput;
  #huffman: HuffmanTable | undefined;
  #tables: SequenceTables | undefined;
  #recent: readonly [number, number, number] = [1, 4, 8];

  constructor(output: ZstdOutput) {
    this.#output = output;
  }

  /** @throws RemotingError `malformed`. */
  unfold(block: Buffer): void {
    const { literals, bytesRead } = this.#readLiterals(block);
    const section = block.subarray(bytesRead);
    const head = readSequenceHead(section, this.#tables);
    this.#tables = head.tables;
    const start = this.#output.length;
    let at = 0;
    if (head.tables !== undefined && head.count > 0) {
      for (const sequence of sequencesOf(section.subarray(head.bytesRead), head.count, head.tables)) {
        const end = at + sequence.literalLength;
        if (end > literals.length) throw damagedZstd('has too few literals');
        this.#output.append(literals, at, end);
        at = end;
        if (this.#output.length - start + sequence.matchLength > zstdBlockBytesMax) throw tooLarge();
        this.#output.repeat(this.#offsetOf(sequence), sequence.matchLength);
      }
    }
    this.#output.append(literals, at, literals.length);
    if (this.#output.length - start > zstdBlockBytesMax) throw tooLarge();
  }

  /** Values up to 3 name one of the last offsets; without literals before them they are one further, and the last one less 1. */
  #offsetOf({ offsetValue, literalLength }: Sequence): number {
    const [first, second, third] = this.#recent;
    if (offsetValue > 3) {
      this.#recent = [offsetValue - 3, first, second];
      return offsetValue - 3;
    }
    switch (offsetValue - (literalLength === 0 ? 0 : 1)) {
      case 0:
        return first;
      case 1:
        this.#recent = [second, first, third];
        return second;
      case 2:
        this.#recent = [third, first, second];
        return third;
      default:
        this.#recent = [first - 1, first, second];
        return first - 1;
    }
  }

  #readLiterals(block: Buffer): Literals {
    const first = block[0] ?? 0;
    const kind = first & 3;
    const format = (first >> 2) & 3;
    if (kind === LiteralKind.RAW || kind === LiteralKind.REPEATED) return plainLiterals(block, kind, format);
    // Both sizes stand behind four bits, with as many bits each as the format says.
    const headBytes = [3, 3, 4, 5][format] ?? 3;
    const sizeBits = [10, 10, 14, 18][format] ?? 10;
    const head = readLittle(block, headBytes);
    const size = Math.floor(head / 16) % 2 ** sizeBits;
    const compressedSize = Math.floor(head / 2 ** (4 + sizeBits));
    if (size > zstdBlockBytesMax) throw tooLarge();
    const bytesRead = headBytes + compressedSize;
    if (bytesRead > block.length) throw damagedZstd('is cut');
    const compressed = block.subarray(headBytes, bytesRead);
    const literals = Buffer.allocUnsafe(size);
    const { table, streams } = this.#tableOf(kind, compressed);
    if (format === 0) readHuffmanStream(streams, table, literals);
    else readFourStreams(streams, table, literals);
    return { literals, bytesRead };
  }

  #tableOf(kind: number, compressed: Buffer): { readonly table: HuffmanTable; readonly streams: Buffer } {
    if (kind === LiteralKind.COMPRESSED) {
      const { table, bytesRead } = readHuffmanTable(compressed);
      this.#huffman = table;
      return { table, streams: compressed.subarray(bytesRead) };
    }
    if (this.#huffman === undefined) throw damagedZstd('uses a table that it has not');
    return { table: this.#huffman, streams: compressed };
  }
}

function plainLiterals(block: Buffer, kind: number, format: number): Literals {
  const headBytes = format === 1 ? 2 : format === 3 ? 3 : 1;
  const size = Math.floor(readLittle(block, headBytes) / (headBytes === 1 ? 8 : 16));
  if (size > zstdBlockBytesMax) throw tooLarge();
  const bytesRead = headBytes + (kind === LiteralKind.RAW ? size : 1);
  if (bytesRead > block.length) throw damagedZstd('is cut');
  const written = block.subarray(headBytes, bytesRead);
  return { literals: kind === LiteralKind.RAW ? written : Buffer.alloc(size, written), bytesRead };
}

/** Three sizes, then four streams of about the same number of literals. */
function readFourStreams(streams: Buffer, table: HuffmanTable, literals: Buffer): void {
  if (streams.length < 6) throw damagedZstd('is cut');
  const each = (literals.length + 3) >> 2;
  let from = 6;
  for (let index = 0; index < 4; index += 1) {
    const end = index < 3 ? from + streams.readUInt16LE(2 * index) : streams.length;
    if (end > streams.length) throw damagedZstd('is cut');
    readHuffmanStream(streams.subarray(from, end), table, literals.subarray(each * index, each * (index + 1)));
    from = end;
  }
}

function readLittle(bytes: Buffer, length: number): number {
  if (bytes.length < length) throw damagedZstd('is cut');
  return bytes.readUIntLE(0, length);
}

function tooLarge(): Error {
  return damagedZstd(`has a block of more than ${zstdBlockBytesMax} bytes`);
}
