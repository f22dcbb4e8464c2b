import { setImmediate as nextTurn } from 'node:timers/promises';
import { RemotingError } from '../errors.ts';
import { compressLz4Block, decompressLz4Block, lz4BlockBytesMax, measureLz4Block } from './lz4-block.ts';
import { xxHash32 } from './xxhash32.ts';

const magic = 0x184d2204;
/** Bits of the first byte of a frame's descriptor (LZ4 frame format 1.6). */
const Flag = {
  VERSION_1: 0x40,
  VERSION_MASK: 0xc0,
  /** No block refers to one before it. Java's reader takes no others. */
  INDEPENDENT: 0x20,
  BLOCK_HASH: 0x10,
  CONTENT_SIZE: 0x08,
  CONTENT_HASH: 0x04,
  /** A reserved bit, and dictionaries. */
  UNKNOWN: 0x03,
} as const;
/** Size of blocks that are not compressed has this bit. */
const plainBit = 0x8000_0000;
/** Bytes that are compressed in one turn of the event loop, about 3 ms: each block may be smaller than the frame's head says. */
const ownBlockBytes = 262_144;
/** Version 1, independent blocks of 4 MiB at most, no checks: what Java's writer says too. */
const ownDescriptor = Buffer.from([Flag.VERSION_1 | Flag.INDEPENDENT, 0x70]);
const frameHeadBytes = 7;
const wordBytes = 4;

/**
 * Compresses into one LZ4 frame, as Java's `LZ4FrameOutputStream` does. About 13 ms for each MiB, on this thread, but others get their turn
 * after each block.
 */
export async function compressLz4(body: Buffer): Promise<Buffer> {
  const blockCount = Math.ceil(body.length / ownBlockBytes);
  const target = Buffer.allocUnsafe(frameHeadBytes + lz4BlockBytesMax(body.length) + (blockCount * 2 + 1) * 16);
  let at = target.writeUInt32LE(magic);
  at += ownDescriptor.copy(target, at);
  at = target.writeUInt8(descriptorHash(ownDescriptor), at);
  for (let from = 0; from < body.length; from += ownBlockBytes) {
    if (from > 0) await nextTurn();
    const block = body.subarray(from, from + ownBlockBytes);
    const size = compressLz4Block(block, target.subarray(at + wordBytes));
    const isPlain = size >= block.length;
    target.writeUInt32LE(isPlain ? plainBit + block.length : size, at);
    if (isPlain) block.copy(target, at + wordBytes);
    at += wordBytes + (isPlain ? block.length : size);
  }
  return target.subarray(0, target.writeUInt32LE(0, at));
}

/**
 * Unfolds LZ4 frames. Measures them before it takes memory for what they unfold to.
 * @throws RemotingError `malformed` when they are damaged, cut, or unfold to more than `bodyBytesMax`.
 */
export function decompressLz4(bytes: Buffer, bodyBytesMax: number): Buffer {
  const target = Buffer.allocUnsafe(measure(bytes, bodyBytesMax));
  let at = 0;
  let frameStart = 0;
  for (const part of partsOf(bytes)) {
    if (part.kind === 'end') {
      if (part.contentHash !== undefined && part.contentHash !== xxHash32(target.subarray(frameStart, at))) {
        throw damaged('does not have the content that it was made of');
      }
      frameStart = at;
    } else {
      at = part.isPlain ? at + part.block.copy(target, at) : decompressLz4Block(part.block, target, at);
    }
  }
  return target;
}

function measure(bytes: Buffer, bodyBytesMax: number): number {
  let size = 0;
  let frameStart = 0;
  for (const part of partsOf(bytes)) {
    if (part.kind === 'end') {
      if (part.contentBytes !== undefined && part.contentBytes !== BigInt(size - frameStart)) {
        throw damaged('does not have the size that it says');
      }
      frameStart = size;
      continue;
    }
    const { block, isPlain, isIndependent, blockBytesMax } = part;
    if (part.hash !== undefined && part.hash !== xxHash32(block)) throw damaged('has a block that was changed');
    const leftBytes = Math.min(blockBytesMax, bodyBytesMax - size);
    size += isPlain ? block.length : measureLz4Block(block, isIndependent ? 0 : size - frameStart, leftBytes);
    if (size > bodyBytesMax) {
      throw new RemotingError('malformed', `an LZ4 frame unfolds to more than ${bodyBytesMax} bytes`);
    }
  }
  return size;
}

interface BlockPart {
  readonly kind: 'block';
  readonly block: Buffer;
  readonly isPlain: boolean;
  readonly isIndependent: boolean;
  readonly blockBytesMax: number;
  readonly hash: number | undefined;
}

interface EndPart {
  readonly kind: 'end';
  readonly contentBytes: bigint | undefined;
  readonly contentHash: number | undefined;
}

/** The blocks of all frames, and the end of each frame. Never kept as a list: a block may be as small as a byte. */
function* partsOf(bytes: Buffer): Generator<BlockPart | EndPart> {
  const reader = new FrameReader(bytes);
  do {
    const { flags, blockBytesMax, contentBytes } = reader.head();
    for (let word = reader.word(); word !== 0; word = reader.word()) {
      const isPlain = word >= plainBit;
      const size = isPlain ? word - plainBit : word;
      if (size > blockBytesMax) throw damaged('has a block larger than it says');
      const block = reader.take(size);
      const hash = (flags & Flag.BLOCK_HASH) === 0 ? undefined : reader.word();
      const isIndependent = (flags & Flag.INDEPENDENT) !== 0;
      yield { kind: 'block', block, isPlain, isIndependent, blockBytesMax, hash };
    }
    yield { kind: 'end', contentBytes, contentHash: (flags & Flag.CONTENT_HASH) === 0 ? undefined : reader.word() };
  } while (!reader.isAtEnd);
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

  head(): { readonly flags: number; readonly blockBytesMax: number; readonly contentBytes: bigint | undefined } {
    if (this.word() !== magic) throw damaged('does not begin as one');
    const start = this.#at;
    const [flags = 0, sizes = 0] = this.take(2);
    if ((flags & Flag.VERSION_MASK) !== Flag.VERSION_1 || (flags & Flag.UNKNOWN) !== 0) {
      throw damaged('is of a kind that is not known here');
    }
    const sizeCode = sizes >> 4;
    if (sizeCode < 4 || sizeCode > 7 || (sizes & 0x0f) !== 0) throw damaged('has no block size');
    const contentBytes = (flags & Flag.CONTENT_SIZE) === 0 ? undefined : this.take(8).readBigUInt64LE();
    const descriptor = this.#bytes.subarray(start, this.#at);
    if (this.take(1)[0] !== descriptorHash(descriptor)) throw damaged('has a head that was changed');
    // 64 KiB, 256 KiB, 1 MiB, 4 MiB.
    return { flags, blockBytesMax: 2 ** (8 + 2 * sizeCode), contentBytes };
  }

  word(): number {
    return this.take(wordBytes).readUInt32LE();
  }

  take(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw damaged('is cut');
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}

function descriptorHash(descriptor: Buffer): number {
  return (xxHash32(descriptor) >>> 8) & 0xff;
}

function damaged(what: string): RemotingError {
  return new RemotingError('malformed', `an LZ4 frame ${what}`);
}
