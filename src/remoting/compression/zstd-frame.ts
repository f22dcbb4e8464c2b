import { RemotingError } from '../errors.ts';
import { damagedZstd } from './zstd-bits.ts';
import { ZstdBlocks, zstdBlockBytesMax } from './zstd-block.ts';
import { ZstdOutput } from './zstd-output.ts';

const magic = 0xfd2f_b528;
const checksumBytes = 4;
/** Fewest bytes that blocks unfold to on average: the smallest could cost more time than a body is worth. */
const blockBytesMin = 256;
/** Blocks that a frame may have however small they are. */
const blocksFree = 64;

const BlockKind = { RAW: 0, REPEATED: 1, COMPRESSED: 2 } as const;

/**
 * Unfolds ZSTD frames (RFC 8878) where Node cannot do it itself, which is before 22.15. Memory is taken as the body grows, never as the
 * frame says. Checksums are not compared: brokers check the bytes of a message by their own.
 * @throws RemotingError `malformed` when they are damaged, cut, need a dictionary, or unfold to more than `bodyBytesMax`.
 */
export function decompressZstd(bytes: Buffer, bodyBytesMax: number): Buffer {
  const output = new ZstdOutput(bodyBytesMax);
  const reader = new FrameReader(bytes);
  const blocksMax = blocksFree + Math.ceil(bodyBytesMax / blockBytesMin);
  let blockCount = 0;
  do {
    const head = reader.head();
    if (head.contentBytes !== undefined && head.contentBytes > bodyBytesMax - output.length) {
      throw new RemotingError('malformed', `a ZSTD frame unfolds to more than ${bodyBytesMax} bytes`);
    }
    const start = output.length;
    output.beginFrame();
    const blocks = new ZstdBlocks(output);
    for (let isLast = false; !isLast; ) {
      blockCount += 1;
      if (blockCount > blocksMax) throw damagedZstd('has too many blocks');
      isLast = readBlock(reader, output, blocks);
    }
    if (head.hasChecksum) reader.take(checksumBytes);
    if (head.contentBytes !== undefined && output.length - start !== head.contentBytes) {
      throw damagedZstd('does not have the size that it says');
    }
  } while (!reader.isAtEnd);
  return output.bytes;
}

/** @returns whether it is the last one of its frame. */
function readBlock(reader: FrameReader, output: ZstdOutput, blocks: ZstdBlocks): boolean {
  const head = reader.take(3).readUIntLE(0, 3);
  const size = head >> 3;
  if (size > zstdBlockBytesMax) throw damagedZstd(`has a block of more than ${zstdBlockBytesMax} bytes`);
  switch ((head >> 1) & 3) {
    case BlockKind.RAW:
      output.append(reader.take(size), 0, size);
      break;
    case BlockKind.REPEATED:
      output.fill(reader.take(1).readUInt8(), size);
      break;
    case BlockKind.COMPRESSED:
      blocks.unfold(reader.take(size));
      break;
    default:
      throw damagedZstd('has a block of an unknown kind');
  }
  return (head & 1) === 1;
}

interface FrameHead {
  readonly contentBytes: number | undefined;
  readonly hasChecksum: boolean;
}

class FrameReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  head(): FrameHead {
    if (this.take(4).readUInt32LE() !== magic) throw damagedZstd('does not begin as one');
    const flags = this.take(1).readUInt8();
    if ((flags & 0x08) !== 0) throw damagedZstd('is of a kind that is not known here');
    const isOneSegment = (flags & 0x20) !== 0;
    // How far it reaches back: what it unfolds to is kept whole anyway.
    if (!isOneSegment) this.take(1);
    const dictionary = this.take([0, 1, 2, 4][flags & 3] ?? 0);
    if (dictionary.some((byte) => byte !== 0)) throw damagedZstd('needs a dictionary');
    return { hasChecksum: (flags & 0x04) !== 0, contentBytes: this.#contentBytes(flags >> 6, isOneSegment) };
  }

  #contentBytes(kind: number, isOneSegment: boolean): number | undefined {
    switch (kind) {
      case 0:
        return isOneSegment ? this.take(1).readUInt8() : undefined;
      case 1:
        return this.take(2).readUInt16LE() + 256;
      case 2:
        return this.take(4).readUInt32LE();
      default:
        // Whatever a double does not hold exactly is over every limit.
        return Number(this.take(8).readBigUInt64LE());
    }
  }

  take(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw damagedZstd('is cut');
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}
