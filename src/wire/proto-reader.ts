import { isUtf8 } from 'node:buffer';
import { ProtoError } from './proto-error.ts';
import { TextMap } from './text-map.ts';

/**
 * Most fields of one message, those of embedded messages and map entries included: a thousand messages of forty properties each. They
 * keep the process busy for up to 20 ms (Node 20.20); the two and a half million that fit into a request of 5 MiB would for half a second.
 */
export const protoFieldsMax = 131_072;
/** Most groups inside each other, in fields that are not known: as protobuf-es, Go and Java have it. */
export const protoGroupDepthMax = 100;
/** Longest text that is read byte by byte: from here on Node's own decoder is faster (Node 20.20: 70 ns against 99 at 12 bytes, 83 against 87 at 16). */
const shortTextBytesMax = 12;
/** Longest text that is checked byte by byte before Node's own check, which is faster from here on. */
const shortCheckBytesMax = 64;
const varintBytesMax = 10;
const tagBytesMax = 5;
/** What JavaScript's numbers can be of, above 32 bits, without a loss: 53 - 32 bits. */
const exactHighMax = 0x1f_ffff;

/**
 * Reads the fields of a protobuf message where they lie: the runtime of the decoders that `npm run generate` writes.
 *
 * What protobuf-es accepts is accepted, and gives the same; but a field with another wire type than its own is an unknown one, as in Go
 * and Java, and refused are fields that go on behind the end of the message that they are in, varints of more than ten bytes in
 * unknown fields, and more than {@link protoFieldsMax} fields. Every method throws `ProtoError`.
 */
export class ProtoReader {
  readonly #bytes: Buffer;
  #at: number;
  #end: number;
  #fieldCount = 0;
  #low = 0;
  #high = 0;

  /** Reads from `start` to `end`; the bytes must stay as they are until the message is read. */
  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = start;
    this.#end = Math.min(end, bytes.length);
  }

  /** The next field's number times 8 plus its wire type; -1 at the end of the message. */
  tag(): number {
    if (this.#at === this.#end) return -1;
    this.#fieldCount += 1;
    if (this.#fieldCount > protoFieldsMax) {
      throw new ProtoError('limit', `the message has more than ${protoFieldsMax} fields: send fewer at once`);
    }
    const first = this.#bytes[this.#at] ?? 0;
    if (first < 0x80) {
      this.#at += 1;
      return first;
    }
    const start = this.#at;
    const tag = this.#varint32();
    const length = this.#at - start;
    if (length > tagBytesMax || (length === tagBytesMax && (this.#bytes[this.#at - 1] ?? 0) > 0x0f)) {
      throw new ProtoError('malformed', `the field at byte ${start} has a number of more than 32 bits`);
    }
    return tag;
  }

  /** Goes into an embedded message. @returns what {@link leave} wants back. */
  enter(): number {
    const outerEnd = this.#end;
    const length = this.#length();
    this.#end = this.#at + length;
    return outerEnd;
  }

  /** Goes on behind an embedded message, which has been read to its end. */
  leave(outerEnd: number): void {
    this.#end = outerEnd;
  }

  /** Text of valid UTF-8. */
  string(): string {
    const length = this.#length();
    const start = this.#at;
    this.#at += length;
    return length <= shortTextBytesMax ? this.#shortText(start, length) : this.#longText(start);
  }

  /** The bytes of a text, valid UTF-8, as {@link bytes} gives them. */
  textBytes(): Uint8Array {
    const length = this.#length();
    const start = this.#at;
    this.#at += length;
    this.#checkText(start);
    return this.#bytes.subarray(start, this.#at);
  }

  /** A view on the bytes that are read, not a copy: good for as long as they stay what they are. */
  bytes(): Uint8Array {
    const length = this.#length();
    const start = this.#at;
    this.#at += length;
    return this.#bytes.subarray(start, this.#at);
  }

  bool(): boolean {
    this.#varint64();
    return (this.#low | this.#high) !== 0;
  }

  int32(): number {
    return this.#varint32() | 0;
  }

  int64(): bigint {
    this.#varint64();
    const low = this.#low >>> 0;
    const high = this.#high >>> 0;
    if (high <= exactHighMax) return BigInt(high * 0x1_0000_0000 + low);
    return BigInt.asIntN(64, (BigInt(high) << 32n) | BigInt(low));
  }

  /** Reads an entry of a `map<string, string>` into a record. A later one of the same key wins. */
  mapEntry(record: { [key: string]: string }): void {
    const outerEnd = this.enter();
    let key = '';
    let value = '';
    for (let tag = this.tag(); tag >= 0; tag = this.tag()) {
      if (tag === 0x0a) key = this.string();
      else if (tag === 0x12) value = this.string();
      else this.skip(tag);
    }
    this.leave(outerEnd);
    if (key !== '__proto__') record[key] = value;
    // To assign it would mean the object's prototype.
    else Object.defineProperty(record, key, { value, writable: true, enumerable: true, configurable: true });
  }

  /** Notes where the texts of an entry of a `map<string, string>` lie: valid UTF-8, both. @param map which is given back. */
  mapPlaces(map: TextMap = new TextMap(this.#bytes)): TextMap {
    const outerEnd = this.enter();
    const at = map.places.length;
    map.places.push(0, 0, 0, 0);
    for (let tag = this.tag(); tag >= 0; tag = this.tag()) {
      if (tag === 0x0a) this.#textPlace(map, at);
      else if (tag === 0x12) this.#textPlace(map, at + 2);
      else this.skip(tag);
    }
    this.leave(outerEnd);
    return map;
  }

  #textPlace({ places }: TextMap, at: number): void {
    const length = this.#length();
    const start = this.#at;
    this.#at += length;
    this.#checkText(start);
    places[at] = start;
    places[at + 1] = this.#at;
  }

  /** Passes over a field that is not known. */
  skip(tag: number): void {
    this.#skip(tag, 0);
  }

  #skip(tag: number, groupDepth: number): void {
    if (tag >>> 3 === 0) throw new ProtoError('malformed', `the field before byte ${this.#at} has the number 0`);
    switch (tag & 7) {
      case 0:
        this.#varint64();
        return;
      case 1:
        this.#advance(8);
        return;
      case 2:
        this.#advance(this.#length());
        return;
      case 3:
        this.#skipGroup(tag, groupDepth + 1);
        return;
      case 5:
        this.#advance(4);
        return;
      default:
        throw new ProtoError(
          'malformed',
          `the field before byte ${this.#at} has the wire type ${tag & 7}, which cannot begin a field`,
        );
    }
  }

  #skipGroup(start: number, groupDepth: number): void {
    if (groupDepth > protoGroupDepthMax) {
      throw new ProtoError('limit', `the message has more than ${protoGroupDepthMax} groups inside each other`);
    }
    // A group ends with its own number and the next wire type.
    const end = start + 1;
    for (let tag = this.tag(); tag !== end; tag = this.tag()) {
      if (tag < 0) throw this.#truncated();
      this.#skip(tag, groupDepth);
    }
  }

  #advance(length: number): void {
    this.#at += length;
    if (this.#at > this.#end) throw this.#truncated();
  }

  /** The length of a field, which does not go beyond the message. */
  #length(): number {
    const first = this.#bytes[this.#at] ?? 0;
    let length = first;
    if (first < 0x80) this.#at += 1;
    else length = this.#varint32();
    if (this.#at + length > this.#end) throw this.#truncated();
    return length;
  }

  #shortText(start: number, length: number): string {
    const codes = new Array<number>(length);
    for (let index = 0; index < length; index += 1) {
      const byte = this.#bytes[start + index] ?? 0;
      if (byte > 0x7f) return this.#longText(start);
      codes[index] = byte;
    }
    return String.fromCharCode.apply(String, codes);
  }

  /** The text from a place on to where the reader is. */
  #longText(start: number): string {
    const text = this.#bytes.toString('utf8', start, this.#at);
    // Stands for what is not UTF-8, and may have been sent: only then the bytes are looked at once more.
    if (text.includes('\ufffd')) this.#checkText(start);
    return text;
  }

  /** That the bytes from a place on to where the reader is are UTF-8. */
  #checkText(start: number): void {
    if (this.#at - start <= shortCheckBytesMax && this.#isAscii(start)) return;
    if (isUtf8(this.#bytes.subarray(start, this.#at))) return;
    throw new ProtoError(
      'text',
      `the text at bytes ${start} to ${this.#at} is not UTF-8: send such bytes in a bytes field`,
    );
  }

  #isAscii(start: number): boolean {
    for (let at = start; at < this.#at; at += 1) if ((this.#bytes[at] ?? 0) > 0x7f) return false;
    return true;
  }

  /** The lowest 32 bits of a varint, unsigned: what is above is passed over, as in all implementations. */
  #varint32(): number {
    let value = 0;
    const start = this.#at;
    for (let index = 0; index < varintBytesMax; index += 1) {
      const byte = this.#bytes[start + index] ?? 0;
      if (index < 5) value |= (byte & 0x7f) << (7 * index);
      if (byte < 0x80) {
        this.#at = start + index + 1;
        if (this.#at > this.#end) throw this.#truncated();
        return value >>> 0;
      }
    }
    throw this.#overlong();
  }

  /** Reads a varint into its two halves. */
  #varint64(): void {
    const start = this.#at;
    this.#low = 0;
    this.#high = 0;
    for (let index = 0; index < varintBytesMax; index += 1) {
      const byte = this.#bytes[start + index] ?? 0;
      const bits = byte & 0x7f;
      const shift = 7 * index;
      if (shift < 32) this.#low |= bits << shift;
      // The fifth byte has bits of both.
      if (shift > 28) this.#high |= bits << (shift - 32);
      else if (shift === 28) this.#high = bits >>> 4;
      if (byte < 0x80) {
        this.#at = start + index + 1;
        if (this.#at > this.#end) throw this.#truncated();
        return;
      }
    }
    throw this.#overlong();
  }

  #truncated(): ProtoError {
    return new ProtoError('truncated', `the message ends at byte ${this.#end}, in the middle of a field`);
  }

  #overlong(): ProtoError {
    return new ProtoError('malformed', `the number at byte ${this.#at} has more than ${varintBytesMax} bytes`);
  }
}
