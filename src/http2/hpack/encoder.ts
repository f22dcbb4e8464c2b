import { tableBytesDefault } from './decoder.ts';
import { DynamicTable, fieldBytes } from './dynamic-table.ts';
import type { HeaderField } from './header-field.ts';
import { staticFields } from './static-table.ts';

/** First octets of what a block is made of (RFC 7541, section 6); an index or a size goes into their lowest bits. */
const indexed = 0x80;
const literalToIndex = 0x40;
const resize = 0x20;
const literalNeverIndexed = 0x10;
const literal = 0x00;

/** Fields of which an observer must not learn whether they are the same as before (RFC 7541, section 7.1.3). */
const secretNames: ReadonlySet<string> = new Set(['authorization', 'cookie', 'proxy-authorization', 'set-cookie']);

/** Longest value that goes into the table, in octets: longer ones would soon push everything else out. */
const indexedValueBytesMax = 128;
/** Most names of which the last value is remembered; beyond that, all are forgotten. */
const lastValuesMax = 64;
/** Octets of the longest integer that is written: a length below 4 GiB. */
const integerBytesMax = 6;

/** Of each name of the static table, its first index and the index of each value. */
interface StaticName {
  readonly index: number;
  readonly values: ReadonlyMap<string, number>;
}

const staticNames: ReadonlyMap<string, StaticName> = indexStaticFields();

function indexStaticFields(): Map<string, StaticName> {
  const names = new Map<string, { index: number; values: Map<string, number> }>();
  for (const [place, { name, value }] of staticFields.entries()) {
    const known = names.get(name) ?? { index: place + 1, values: new Map<string, number>() };
    names.set(name, known);
    known.values.set(value, place + 1);
  }
  return names;
}

/**
 * Encodes the header blocks of one connection (RFC 7541), to be sent all and in the order in which they were encoded. A field goes into
 * the dynamic table when it comes a second time with the value of its last time: what varies stays out by itself, what repeats is one
 * octet from then on. Strings are not Huffman coded: those that repeat are sent twice at most, for the others it costs more than it saves.
 */
export class HpackEncoder {
  readonly #table = new DynamicTable(tableBytesDefault, (field) => this.#forget(field));
  /** By name and value of what the table holds: how many entries had been added with it. */
  readonly #added = new Map<string, Map<string, number>>();
  #addedCount = 0;
  /** By name: the value that was last sent in full. */
  readonly #lastValues = new Map<string, string>();
  /** The smallest size since the last block, where the peer must be told; undefined where nothing has changed. */
  #smallestBytes: number | undefined;

  /** Obeys the SETTINGS_HEADER_TABLE_SIZE of the peer. The table never has more than 4,096 bytes. */
  setTableBytesMax(bytesMax: number): void {
    const bytes = Math.min(bytesMax, tableBytesDefault);
    if (bytes === this.#table.bytesMax) return;
    this.#smallestBytes = Math.min(this.#smallestBytes ?? bytes, bytes);
    this.#table.resize(bytes);
  }

  /** Most octets that `encode` writes for these fields. */
  encodedBytesMax(fields: readonly HeaderField[]): number {
    let bytes = 2 * integerBytesMax;
    for (const { name, value } of fields) bytes += 1 + name.length + value.length + 2 * integerBytesMax;
    return bytes;
  }

  /**
   * Writes the block of these fields, whose names are in lower case and which hold one octet per character.
   * @param target has room for `encodedBytesMax(fields)` octets behind `offset`.
   * @returns the offset behind the block.
   */
  encode(fields: readonly HeaderField[], target: Buffer, offset: number): number {
    let end = this.#writeResize(target, offset);
    for (const field of fields) end = this.#writeField(field, target, end);
    return end;
  }

  /** Both sizes are told where it was smaller in between: entries have gone then (RFC 7541, section 4.2). */
  #writeResize(target: Buffer, offset: number): number {
    const smallest = this.#smallestBytes;
    if (smallest === undefined) return offset;
    this.#smallestBytes = undefined;
    const { bytesMax } = this.#table;
    const end = smallest < bytesMax ? writeInteger(target, offset, resize, 0x1f, smallest) : offset;
    return writeInteger(target, end, resize, 0x1f, bytesMax);
  }

  #writeField(field: HeaderField, target: Buffer, offset: number): number {
    const { name, value } = field;
    const staticName = staticNames.get(name);
    const values = this.#added.get(name);
    const index = staticName?.values.get(value) ?? this.#dynamicIndex(values?.get(value));
    if (index !== undefined) return writeInteger(target, offset, indexed, 0x7f, index);
    const nameIndex = staticName?.index ?? this.#dynamicIndex(values?.values().next().value) ?? 0;
    const kind = this.#literalKind(field);
    let end = writeInteger(target, offset, kind, kind === literalToIndex ? 0x3f : 0x0f, nameIndex);
    if (nameIndex === 0) end = writeString(target, end, name);
    if (kind === literalToIndex) this.#add(field);
    return writeString(target, end, value);
  }

  #literalKind(field: HeaderField): number {
    const { name, value } = field;
    if (secretNames.has(name)) return literalNeverIndexed;
    if (value.length > indexedValueBytesMax || fieldBytes(field) > this.#table.bytesMax) return literal;
    if (this.#lastValues.get(name) === value) return literalToIndex;
    if (this.#lastValues.size === lastValuesMax) this.#lastValues.clear();
    this.#lastValues.set(name, value);
    return literal;
  }

  #dynamicIndex(added: number | undefined): number | undefined {
    return added === undefined ? undefined : staticFields.length + 1 + this.#addedCount - added;
  }

  #add(field: HeaderField): void {
    const { name, value } = field;
    this.#table.add(field);
    this.#addedCount += 1;
    const values = this.#added.get(name) ?? new Map<string, number>();
    this.#added.set(name, values.set(value, this.#addedCount));
  }

  #forget({ name, value }: HeaderField): void {
    const values = this.#added.get(name);
    values?.delete(value);
    if (values?.size === 0) this.#added.delete(name);
  }
}

/** @param mask the bits of the first octet that the integer may take (RFC 7541, section 5.1). */
function writeInteger(target: Buffer, offset: number, flags: number, mask: number, value: number): number {
  if (value < mask) {
    target[offset] = flags | value;
    return offset + 1;
  }
  target[offset] = flags | mask;
  let end = offset + 1;
  let rest = value - mask;
  for (; rest >= 0x80; rest >>>= 7) target[end++] = (rest & 0x7f) | 0x80;
  target[end] = rest;
  return end + 1;
}

function writeString(target: Buffer, offset: number, text: string): number {
  const start = writeInteger(target, offset, 0, 0x7f, text.length);
  return start + target.write(text, start, 'latin1');
}
