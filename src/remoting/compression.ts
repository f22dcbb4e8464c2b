import { promisify } from 'node:util';
import { inflate } from 'node:zlib';
import { RemotingError } from './errors.ts';
import type { StoredMessage } from './stored-message.ts';
import { SysFlag } from './sys-flag.ts';

const inflateBytes = promisify(inflate);

/**
 * The body as the producer gave it. Inflates on another thread and stops at the limit, so that a small message that unfolds to
 * gigabytes costs neither the event loop nor memory. A body that is not compressed is returned as it is.
 * @param bodyBytesMax Most bytes that the body may unfold to.
 * @throws RemotingError `malformed` on a body that is damaged, too large, or compressed in a way that is not zlib.
 */
export async function decompressBody(
  message: Pick<StoredMessage, 'body' | 'sysFlag'>,
  bodyBytesMax: number,
): Promise<Buffer> {
  const { body, sysFlag } = message;
  if ((sysFlag & SysFlag.COMPRESSED) === 0 || body.length === 0) return body;
  const type = sysFlag & SysFlag.COMPRESSION_TYPE_MASK;
  if (type !== SysFlag.COMPRESSION_ZLIB && type !== 0) {
    throw new RemotingError(
      'malformed',
      `the body of a message is compressed with ${nameOf(type)}; only zlib can be read`,
    );
  }
  try {
    return await inflateBytes(body, { maxOutputLength: bodyBytesMax });
  } catch (error) {
    const tooLarge = error instanceof RangeError;
    const reason = tooLarge ? `unfolds to more than ${bodyBytesMax} bytes` : 'is not what zlib makes';
    throw new RemotingError('malformed', `the compressed body of a message ${reason}`, { cause: error });
  }
}

function nameOf(type: number): string {
  if (type === SysFlag.COMPRESSION_LZ4) return 'LZ4';
  return type === SysFlag.COMPRESSION_ZSTD ? 'ZSTD' : `the unknown type ${type >> 8}`;
}
