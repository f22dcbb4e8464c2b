import { promisify } from 'node:util';
import zlib, { deflate, inflate } from 'node:zlib';
import { asBuffer } from './command-codec.ts';
import { compressLz4, decompressLz4 } from './compression/lz4-frame.ts';
import { decompressZstd } from './compression/zstd-frame.ts';
import { RemotingError } from './errors.ts';
import type { StoredMessage } from './stored-message.ts';
import { SysFlag } from './sys-flag.ts';

/** How a body can be compressed (Java `CompressionType`). Clients and brokers before 4.9.4 read zlib only. */
export type CompressionType = 'zlib' | 'lz4' | 'zstd';

/** The level of Java's producers. */
const zlibLevel = 5;

const compressionFlags: Readonly<Record<CompressionType, number>> = {
  zlib: SysFlag.COMPRESSED | SysFlag.COMPRESSION_ZLIB,
  lz4: SysFlag.COMPRESSED | SysFlag.COMPRESSION_LZ4,
  zstd: SysFlag.COMPRESSED | SysFlag.COMPRESSION_ZSTD,
};

type Transform = (bytes: Uint8Array, options: object) => Promise<Buffer>;

const inflateBytes = promisify(inflate);
const deflateBytes = promisify(deflate);
/** Undefined before Node 22.15 and 23.8. */
const zstd = zstdOfNode();

/** A body as it is sent, and what its message's `sysFlag` says of it. */
export interface SentBody {
  readonly body: Buffer;
  readonly sysFlag: number;
}

/** Whether bodies can be written so here: `zstd` needs Node 22.15 or newer. */
export function canCompress(type: CompressionType): boolean {
  return type !== 'zstd' || zstd !== undefined;
}

/**
 * Compresses a body; one that would not become smaller stays as it is. Zlib and ZSTD work on another thread, LZ4 here, a
 * few ms at a time.
 * @param type One that `canCompress`.
 */
export async function compressBody(body: Uint8Array, type: CompressionType): Promise<SentBody> {
  const plain = asBuffer(body);
  const compressed = await compress(plain, type);
  if (compressed.length >= plain.length) return { body: plain, sysFlag: 0 };
  return { body: compressed, sysFlag: compressionFlags[type] };
}

async function compress(body: Buffer, type: CompressionType): Promise<Buffer> {
  switch (type) {
    case 'zlib':
      return deflateBytes(body, { level: zlibLevel });
    case 'lz4':
      return compressLz4(body);
    case 'zstd':
      if (zstd === undefined) throw new TypeError('this Node cannot write ZSTD: ask canCompress first');
      return zstd.compress(body, {});
  }
}

/** Whether the body of a stored message is not what its producer gave. */
export function isCompressed({ body, sysFlag }: Pick<StoredMessage, 'body' | 'sysFlag'>): boolean {
  return (sysFlag & SysFlag.COMPRESSED) !== 0 && body.length > 0;
}

/**
 * The body as the producer gave it. Stops at the limit, so that a small message that unfolds to gigabytes costs no memory. Zlib works on
 * another thread, and so does ZSTD from Node 22.15 on; LZ4 works here, about 10 ms for each MiB, as does ZSTD before, about 30 ms. A body
 * that is not compressed is returned as it is.
 * @param bodyBytesMax Most bytes that the body may unfold to.
 * @throws RemotingError `malformed` on a body that is damaged, too large, or compressed in a way that is not known.
 */
export async function decompressBody(
  message: Pick<StoredMessage, 'body' | 'sysFlag'>,
  bodyBytesMax: number,
): Promise<Buffer> {
  const { body, sysFlag } = message;
  if (!isCompressed(message)) return body;
  const type = sysFlag & SysFlag.COMPRESSION_TYPE_MASK;
  try {
    return await decompress(body, type, bodyBytesMax);
  } catch (cause) {
    if (cause instanceof RemotingError) throw cause;
    const reason = isTooLarge(cause)
      ? `unfolds to more than ${bodyBytesMax} bytes`
      : `is not what ${nameOf(type)} makes`;
    throw new RemotingError('malformed', `the compressed body of a message ${reason}`, { cause });
  }
}

async function decompress(body: Buffer, type: number, bodyBytesMax: number): Promise<Buffer> {
  switch (type) {
    // Older clients name no type.
    case 0:
    case SysFlag.COMPRESSION_ZLIB:
      return inflateBytes(body, { maxOutputLength: bodyBytesMax });
    case SysFlag.COMPRESSION_LZ4:
      return decompressLz4(body, bodyBytesMax);
    case SysFlag.COMPRESSION_ZSTD:
      return zstd === undefined
        ? decompressZstd(body, bodyBytesMax)
        : zstd.decompress(body, { maxOutputLength: bodyBytesMax });
    default:
      throw new RemotingError('malformed', `the body of a message is compressed with the unknown type ${type >> 8}`);
  }
}

function isTooLarge(error: unknown): boolean {
  return error instanceof RangeError;
}

function nameOf(type: number): string {
  return type === SysFlag.COMPRESSION_ZSTD ? 'ZSTD' : 'zlib';
}

function zstdOfNode(): { readonly compress: Transform; readonly decompress: Transform } | undefined {
  const node: object = zlib;
  if (!('zstdCompress' in node && 'zstdDecompress' in node)) return undefined;
  const { zstdCompress, zstdDecompress } = node as Record<'zstdCompress' | 'zstdDecompress', typeof deflate>;
  return { compress: promisify(zstdCompress), decompress: promisify(zstdDecompress) };
}
