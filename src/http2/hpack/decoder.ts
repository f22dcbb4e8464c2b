import { BlockReader } from './block-reader.ts';
import { DynamicTable, fieldBytes } from './dynamic-table.ts';
import type { HeaderField } from './header-field.ts';
import { HpackError } from './hpack-error.ts';
import { staticFields } from './static-table.ts';

/** Bytes of the dynamic table before anybody has said anything else: the default of SETTINGS_HEADER_TABLE_SIZE (RFC 9113, 6.5.2). */
export const tableBytesDefault = 4_096;

/** Decoded strings up to this length need no buffer of their own. */
const scratchBytes = 512;

export interface HpackDecoderOptions {
  /**
   * Most bytes of the dynamic table that the peer may choose: the SETTINGS_HEADER_TABLE_SIZE that it was told. Until it chooses it has
   * 4,096, as the protocol says.
   */
  readonly tableBytesMax: number;
  /** Most bytes of the fields of one header list, 32 more for each as SETTINGS_MAX_HEADER_LIST_SIZE counts them. */
  readonly listBytesMax: number;
  /** Most fields of one header list. */
  readonly fieldsMax: number;
}

/** The fields of one header block. */
export interface HeaderList {
  /** In their order; of a list that is too large, those before its limit. */
  readonly fields: readonly HeaderField[];
  /** Whether there were more than the limits allow. The next block can be decoded all the same. */
  readonly isTooLarge: boolean;
}

/** Decodes the header blocks of one connection (RFC 7541), all of them and in their order. */
export class HpackDecoder {
  readonly #options: HpackDecoderOptions;
  readonly #table = new DynamicTable(tableBytesDefault);
  readonly #scratch = Buffer.allocUnsafe(scratchBytes);

  constructor(options: HpackDecoderOptions) {
    this.#options = options;
  }

  /**
   * @param block a whole one: the fragments of HEADERS and CONTINUATION joined. It is not kept.
   * @throws HpackError for what is a COMPRESSION_ERROR; the connection must end then.
   */
  decode(block: Buffer): HeaderList {
    const { listBytesMax, fieldsMax } = this.#options;
    const reader = new BlockReader(block, this.#scratch);
    while (isResize(reader.next)) this.#resize(reader.integer(0x1f));
    const fields: HeaderField[] = [];
    let listBytes = 0;
    let isTooLarge = false;
    while (reader.hasMore) {
      const field = this.#field(reader);
      listBytes += fieldBytes(field);
      // Once true it stays true, and what is left still changes the table.
      isTooLarge = listBytes > listBytesMax || fields.length === fieldsMax;
      if (!isTooLarge) fields.push(field);
    }
    return { fields, isTooLarge };
  }

  #field(reader: BlockReader): HeaderField {
    const first = reader.next;
    if (first >= 0x80) return this.#at(reader.integer(0x7f));
    if (isResize(first)) throw new HpackError('a header block changes the size of the table behind its first field');
    const isIndexed = first >= 0x40;
    // Fields that must never be indexed are not passed on, so that bit means nothing here.
    const index = reader.integer(isIndexed ? 0x3f : 0x0f);
    const name = index === 0 ? reader.string() : this.#at(index).name;
    const field = { name, value: reader.string() };
    if (isIndexed) this.#table.add(field);
    return field;
  }

  #at(index: number): HeaderField {
    const field =
      index <= staticFields.length ? staticFields[index - 1] : this.#table.at(index - staticFields.length - 1);
    if (field === undefined) throw new HpackError(`a header block names index ${index}, which neither table has`);
    return field;
  }

  #resize(bytesMax: number): void {
    const { tableBytesMax } = this.#options;
    if (bytesMax > tableBytesMax)
      throw new HpackError(
        `a header block asks for a table of ${bytesMax} bytes, at most ${tableBytesMax} are allowed`,
      );
    this.#table.resize(bytesMax);
  }
}

/** Whether an octet begins a dynamic table size update (RFC 7541, section 6.3). */
function isResize(octet: number): boolean {
  return (octet & 0xe0) === 0x20;
}
