import { ConnectionError, ErrorCode } from './errors.ts';
import { Flag } from './frame.ts';
import type { Frame } from './frame-reader.ts';
import { type HeaderList, HpackDecoder, tableBytesDefault } from './hpack/decoder.ts';
import { HpackError } from './hpack/hpack-error.ts';
import type { Http2Options } from './options.ts';

/** One whole header block. */
export interface HeaderBlock extends HeaderList {
  readonly streamId: number;
  /** Whether HEADERS had END_STREAM. */
  readonly isLast: boolean;
  /** Whether it says that the stream depends on itself, which RFC 7540, section 5.3.1, forbids. */
  readonly dependsOnItself: boolean;
}

interface OpenBlock {
  readonly streamId: number;
  readonly isLast: boolean;
  readonly dependsOnItself: boolean;
  readonly fragments: Buffer[];
  bytes: number;
}

const priorityBytes = 5;

/** Joins HEADERS and its CONTINUATION frames, and decodes them. */
export class HeaderBlocks {
  readonly #decoder: HpackDecoder;
  readonly #framesMax: number;
  readonly #bytesMax: number;
  #open: OpenBlock | undefined;

  constructor(options: Http2Options) {
    this.#decoder = new HpackDecoder({
      tableBytesMax: tableBytesDefault,
      listBytesMax: options.headerBytesMax,
      fieldsMax: options.headerFieldsMax,
    });
    this.#framesMax = options.headerFramesMax;
    // What is far above the limit is not even kept to be decoded.
    this.#bytesMax = 4 * options.headerBytesMax;
  }

  /** The stream whose block has begun and not ended: no other frame may come before its end. */
  get openStreamId(): number | undefined {
    return this.#open?.streamId;
  }

  /** Takes HEADERS. @returns The block, if that is all of it. */
  begin(frame: Frame): HeaderBlock | undefined {
    const { flags, streamId, bytes } = frame;
    const { start, end } = withoutPadding(frame);
    let blockStart = start;
    let dependsOnItself = false;
    if ((flags & Flag.PRIORITY) !== 0) {
      blockStart += priorityBytes;
      if (blockStart > end) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'HEADERS too short for its priority');
      dependsOnItself = (bytes.readUInt32BE(start) & 0x7fff_ffff) === streamId;
    }
    const isLast = (flags & Flag.END_STREAM) !== 0;
    const fragment = bytes.subarray(blockStart, end);
    if ((flags & Flag.END_HEADERS) !== 0) {
      // Each call of a client comes this way: spreading the list would cost more than decoding it.
      const { fields, isTooLarge } = this.#decode(fragment);
      return { streamId, isLast, dependsOnItself, fields, isTooLarge };
    }
    this.#open = { streamId, isLast, dependsOnItself, fragments: [Buffer.from(fragment)], bytes: fragment.length };
    return undefined;
  }

  /** Takes CONTINUATION of the open block. @returns The block, if that is all of it. */
  continue(frame: Frame): HeaderBlock | undefined {
    const open = this.#open;
    if (open === undefined) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'CONTINUATION of nothing');
    const fragment = frame.bytes.subarray(frame.start, frame.end);
    open.bytes += fragment.length;
    open.fragments.push(Buffer.from(fragment));
    if (open.fragments.length > this.#framesMax || open.bytes > this.#bytesMax)
      throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, 'a header block without end');
    if ((frame.flags & Flag.END_HEADERS) === 0) return undefined;
    this.#open = undefined;
    const { streamId, isLast, dependsOnItself } = open;
    return { ...this.#decode(Buffer.concat(open.fragments, open.bytes)), streamId, isLast, dependsOnItself };
  }

  #decode(block: Buffer): HeaderList {
    try {
      return this.#decoder.decode(block);
    } catch (cause) {
      if (!(cause instanceof HpackError)) throw cause;
      throw new ConnectionError(ErrorCode.COMPRESSION_ERROR, cause.message, { cause });
    }
  }
}

/** Where the content of a DATA or HEADERS frame is (RFC 9113, section 6.1). */
export function withoutPadding({ flags, bytes, start, end }: Frame): { readonly start: number; readonly end: number } {
  if ((flags & Flag.PADDED) === 0) return { start, end };
  if (start === end) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'a padded frame that does not say how long');
  const contentEnd = end - (bytes[start] ?? 0);
  if (contentEnd <= start)
    throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'a frame with more padding than payload');
  return { start: start + 1, end: contentEnd };
}
