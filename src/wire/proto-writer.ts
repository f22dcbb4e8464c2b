import { ProtoError } from './proto-error.ts';

/** Bytes that a writer begins with. */
const initialBytes = 4_096;
/** Most bytes that a writer keeps for its next message. */
export const protoKeptBytesMax = 1_048_576;
/** Longest text that is written character by character: from here on Node's own encoder is faster (Node 20.20: 90 ns against 110 at 24, 123 against 85 at 32). */
const shortTextCharsMax = 24;
/** Longest part that is copied byte by byte: for more, a view of it costs less. */
const shortPartBytesMax = 64;
/** From so many characters on, the bytes of a text are counted before room is made: the most it could need is three times what most do. */
const countedTextCharsMin = 65_536;
/** Most bytes that UTF-8 takes for a UTF-16 unit. */
const utf8BytesMax = 3;
/** Most bytes of a tag and a length, or of a tag and a number. */
const headBytesMax = 5 + 10;
const int64Max = 2n ** 63n - 1n;
const int64Min = -(2n ** 63n);

/**
 * Writes protobuf messages, one after the other, into bytes of its own that grow with them: the runtime of the encoders that
 * `npm run generate` writes. Fields come by their numbers, so that the bytes are those of protobuf-es.
 */
export class ProtoWriter {
  #bytes: Buffer = Buffer.allocUnsafeSlow(initialBytes);
  #at = 0;

  /** What has been written since the last {@link reset}: a view that is good until the next write. Who keeps it must copy it. */
  written(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  /** Forgets what was written. */
  reset(): void {
    this.#at = 0;
    if (this.#bytes.length > protoKeptBytesMax) this.#bytes = Buffer.allocUnsafeSlow(initialBytes);
  }

  /** Halves of surrogate pairs that stand alone become U+FFFD, as protobuf-es has it. */
  string(tag: number, value: string): void {
    // Programs without types give numbers, say as values of properties: protobuf-es takes them too.
    const text = typeof value === 'string' ? value : String(value);
    const { length } = text;
    this.#reserve(headBytesMax + (length < countedTextCharsMin ? length * utf8BytesMax : Buffer.byteLength(text)));
    this.#varint32(tag);
    if (length > shortTextCharsMax || !this.#shortText(text)) this.#longText(text);
  }

  bytes(tag: number, value: Uint8Array): void {
    this.#reserve(headBytesMax + value.length);
    this.#varint32(tag);
    this.#varint32(value.length);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
  }

  /** As {@link bytes}, of a part of them, or as {@link string} of what is known to be UTF-8. */
  part(tag: number, source: Uint8Array, start: number, end: number): void {
    const length = end - start;
    this.#reserve(headBytesMax + length);
    this.#varint32(tag);
    this.#varint32(length);
    const bytes = this.#bytes;
    const at = this.#at;
    if (length > shortPartBytesMax) bytes.set(source.subarray(start, end), at);
    else for (let index = 0; index < length; index += 1) bytes[at + index] = source[start + index] ?? 0;
    this.#at = at + length;
  }

  bool(tag: number, value: boolean): void {
    this.#reserve(headBytesMax);
    this.#varint32(tag);
    this.#bytes[this.#at] = value ? 1 : 0;
    this.#at += 1;
  }

  /** @throws ProtoError of kind `range` for what is no signed integer of 32 bits. */
  int32(tag: number, value: number): void {
    if ((value | 0) !== value) throw new ProtoError('range', `${value} is no signed integer of 32 bits`);
    this.#reserve(headBytesMax);
    this.#varint32(tag);
    if (value >= 0) this.#varint32(value);
    // Negative ones are written as 64 bits, for readers that take them as such.
    else this.#varint64(value >>> 0, 0xffff_ffff);
  }

  /** @throws ProtoError of kind `range` for what is no signed integer of 64 bits. */
  int64(tag: number, value: bigint): void {
    if (value > int64Max || value < int64Min) {
      throw new ProtoError('range', `${value} is no signed integer of 64 bits`);
    }
    this.#reserve(headBytesMax);
    this.#varint32(tag);
    const number = Number(value);
    if (number >= 0 && number <= Number.MAX_SAFE_INTEGER) {
      this.#varint64(number >>> 0, (number / 0x1_0000_0000) >>> 0);
    } else {
      const bits = BigInt.asUintN(64, value);
      this.#varint64(Number(bits & 0xffff_ffffn), Number(bits >> 32n));
    }
  }

  /** Begins an embedded message. @returns what {@link end} wants back. */
  begin(tag: number): number {
    this.#reserve(headBytesMax);
    this.#varint32(tag);
    // Most are shorter than 128 bytes: their length needs one.
    this.#at += 1;
    return this.#at;
  }

  /** Ends the embedded message that began last. */
  end(start: number): void {
    const length = this.#at - start;
    if (length < 0x80) this.#bytes[start - 1] = length;
    else this.#widen(start, length);
  }

  /** A `map<string, string>`, in the order of its keys in the object. */
  map(tag: number, record: { readonly [key: string]: string }): void {
    for (const key of Object.keys(record)) {
      const start = this.begin(tag);
      this.string(0x0a, key);
      this.string(0x12, record[key] ?? '');
      this.end(start);
    }
  }

  /** Puts a length of several bytes in front of what was written behind one byte. */
  #widen(start: number, length: number): void {
    const prefixBytes = varint32Bytes(length);
    this.#reserve(prefixBytes);
    this.#bytes.copyWithin(start + prefixBytes - 1, start, this.#at);
    this.#at = start - 1;
    this.#varint32(length);
    this.#at += length;
  }

  /** Writes length and text. @returns false, and nothing is written, where there is more than ASCII. */
  #shortText(text: string): boolean {
    const { length } = text;
    const bytes = this.#bytes;
    const start = this.#at + 1;
    for (let index = 0; index < length; index += 1) {
      const code = text.charCodeAt(index);
      if (code > 0x7f) return false;
      bytes[start + index] = code;
    }
    bytes[start - 1] = length;
    this.#at = start + length;
    return true;
  }

  /** Writes length and text, guessing that it is ASCII. */
  #longText(text: string): void {
    const guessedBytes = varint32Bytes(text.length);
    const start = this.#at + guessedBytes;
    const length = this.#bytes.write(text, start);
    const prefixBytes = varint32Bytes(length);
    if (prefixBytes !== guessedBytes) this.#bytes.copyWithin(this.#at + prefixBytes, start, start + length);
    this.#varint32(length);
    this.#at += length;
  }

  #reserve(length: number): void {
    if (this.#at + length > this.#bytes.length) this.#grow(length);
  }

  #grow(length: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#at + length, 2 * this.#bytes.length));
    this.#bytes.copy(grown, 0, 0, this.#at);
    this.#bytes = grown;
  }

  #varint32(value: number): void {
    let rest = value;
    while (rest > 0x7f) {
      this.#bytes[this.#at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#bytes[this.#at++] = rest;
  }

  #varint64(low: number, high: number): void {
    let [lowRest, highRest] = [low, high];
    while (highRest > 0 || lowRest > 0x7f) {
      this.#bytes[this.#at++] = (lowRest & 0x7f) | 0x80;
      lowRest = ((lowRest >>> 7) | (highRest << 25)) >>> 0;
      highRest >>>= 7;
    }
    this.#bytes[this.#at++] = lowRest;
  }
}

/** Bytes that a length takes. */
function varint32Bytes(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  return value < 0x1000_0000 ? 4 : 5;
}
