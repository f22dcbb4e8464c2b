import { crc32 } from 'node:zlib';
import { javaStringHash } from '../../remoting/java-hash.ts';
import { storedHostBytes } from '../../remoting/stored-host.ts';
import { storedMessageAt as at, magicV1, magicV2, storedMessageBytesMin } from '../../remoting/stored-message.ts';
import { SysFlag } from '../../remoting/sys-flag.ts';

/**
 * Bytes behind each record in the log: how many records of the same append follow (4), then the CRC-32 of everything from the start of
 * the record to there (4). The count tells after a crash whether an append was written whole.
 */
export const trailerBytes = 8;

/** Largest record: a body of 4 MiB, RocketMQ's own default limit, and 64 KiB for everything else, of which properties take 32. */
export const recordBytesMax = 4 * 1024 * 1024 + 64 * 1024;

/** Most KEYS of one message that can be searched: they cost more memory in the index than bytes in the log. */
export const keyCountMax = 100;

/** Writes what is no less than 0 as an int64. */
function writeOffset(bytes: Buffer, start: number, offset: number): void {
  bytes.writeUInt32BE(Math.floor(offset / 2 ** 32), start);
  bytes.writeUInt32BE(offset >>> 0, start + 4);
}

/** An int64 as a number; those that no offset or time can have come out rounded. */
function readInt64(bytes: Buffer, start: number): number {
  return bytes.readInt32BE(start) * 2 ** 32 + bytes.readUInt32BE(start + 4);
}

/** Writes what stands behind a record that ends at `end`. */
export function writeTrailer(bytes: Buffer, start: number, end: number, followCount: number): void {
  bytes.writeUInt32BE(followCount, end);
  bytes.writeUInt32BE(crc32(bytes.subarray(start, end + 4)), end + 4);
}

/** FNV-1a, of 32 bits: spreads topics and keys, which differ in their last characters, well enough for hash chains. */
function hashBytes(hash: number, bytes: Uint8Array, start: number, end: number): number {
  let value = hash;
  for (let index = start; index < end; index += 1) value = Math.imul(value ^ (bytes[index] ?? 0), 0x0100_0193);
  return value;
}

const hashStart = 0x811c_9dc5 | 0;
const numberSign = 0x23;

/** What the key index finds a message by: hash of topic, `#` and key. */
export function keyHash(topic: string, key: string): number {
  const bytes = Buffer.from(`${topic}#${key}`);
  return hashBytes(hashStart, bytes, 0, bytes.length);
}

const nameEnd = 1;
const valueEnd = 2;
const space = 0x20;

/**
 * Reads the fields of one record after the other without making an object of each: start and sends look at every record that there is.
 * What it says holds until it is moved.
 */
export class RecordCursor {
  #bytes: Buffer = Buffer.alloc(0);
  #storeTimestampAt = 0;
  /** Where the record starts in its bytes, and its length without the trailer. */
  start = 0;
  size = 0;
  commitLogOffset = 0;
  queueId = 0;
  queueOffset = 0;
  storeTimestampMs = 0;
  replaces = 0;
  bodyStart = 0;
  bodyEnd = 0;
  topicStart = 0;
  topicEnd = 0;
  /** Java hash of the TAGS, 0 without; after `readProperties`. */
  tagsCode = 0;
  /** Hashes for the key index, the first `keyCount` count; after `readProperties`. */
  readonly keyHashes = new Int32Array(keyCountMax + 1);
  keyCount = 0;

  /**
   * Length of the record that is said to start at `start`, from its first bytes, which must be there; -1 where none can start: magic code
   * and place must fit.
   */
  static sizeAt(bytes: Buffer, start: number, commitLogOffset: number): number {
    const magic = bytes.readInt32BE(start + at.magic);
    if (magic !== magicV1 && magic !== magicV2) return -1;
    if (readInt64(bytes, start + at.commitLogOffset) !== commitLogOffset) return -1;
    const size = bytes.readInt32BE(start);
    return size >= storedMessageBytesMin && size <= recordBytesMax ? size : -1;
  }

  /** True where a record may have been: of its magic code and its place one is right. */
  static seemsToStart(bytes: Buffer, start: number, commitLogOffset: number): boolean {
    const magic = bytes.readInt32BE(start + at.magic);
    const place = readInt64(bytes, start + at.commitLogOffset);
    return magic === magicV1 || magic === magicV2 || place === commitLogOffset;
  }

  /**
   * Moves to a record that is to be there with its trailer.
   * @returns False, and points nowhere, when it is not intact: its lengths must add up and its CRC fit.
   */
  moveTo(bytes: Buffer, start: number, size: number): boolean {
    if (!this.#readLayout(bytes, start, size)) return false;
    const end = start + size;
    return crc32(bytes.subarray(start, end + 4)) === bytes.readUInt32BE(end + 4);
  }

  /** As `moveTo`, for bytes that were just made: no CRC is needed. */
  moveToNew(bytes: Buffer, start: number, size: number): void {
    this.#readLayout(bytes, start, size);
  }

  /** Gives the record its place and time. */
  setPlace(queueOffset: number, commitLogOffset: number, storeTimestampMs: number): void {
    this.queueOffset = queueOffset;
    this.commitLogOffset = commitLogOffset;
    this.storeTimestampMs = storeTimestampMs;
    writeOffset(this.#bytes, this.start + at.queueOffset, queueOffset);
    writeOffset(this.#bytes, this.start + at.commitLogOffset, commitLogOffset);
    writeOffset(this.#bytes, this.#storeTimestampAt, storeTimestampMs);
  }

  #readLayout(bytes: Buffer, start: number, size: number): boolean {
    const end = start + size;
    const sysFlag = bytes.readInt32BE(start + at.sysFlag);
    const storeTimestamp = start + at.bornHost + storedHostBytes((sysFlag & SysFlag.BORN_HOST_V6) !== 0);
    const reconsumeTimes = storeTimestamp + 8 + storedHostBytes((sysFlag & SysFlag.STORE_HOST_V6) !== 0);
    const topicLengthBytes = bytes.readInt32BE(start + at.magic) === magicV2 ? 2 : 1;
    const bodyStart = reconsumeTimes + 16;
    if (bodyStart + topicLengthBytes + 2 > end) return false;
    const bodyLength = bytes.readInt32BE(bodyStart - 4);
    const topicAt = bodyStart + bodyLength;
    if (bodyLength < 0 || topicAt + topicLengthBytes + 2 > end) return false;
    const topicStart = topicAt + topicLengthBytes;
    const topicEnd = topicStart + (topicLengthBytes === 2 ? bytes.readInt16BE(topicAt) : bytes.readInt8(topicAt));
    if (topicEnd < topicStart || topicEnd + 2 > end) return false;
    if (topicEnd + 2 + bytes.readInt16BE(topicEnd) !== end) return false;
    this.#bytes = bytes;
    this.#storeTimestampAt = storeTimestamp;
    this.start = start;
    this.size = size;
    this.queueId = bytes.readInt32BE(start + at.queueId);
    this.queueOffset = readInt64(bytes, start + at.queueOffset);
    this.commitLogOffset = readInt64(bytes, start + at.commitLogOffset);
    this.storeTimestampMs = readInt64(bytes, storeTimestamp);
    this.replaces = readInt64(bytes, reconsumeTimes + 4);
    this.bodyStart = bodyStart;
    this.bodyEnd = topicAt;
    this.topicStart = topicStart;
    this.topicEnd = topicEnd;
    return true;
  }

  /** Records of the same append that come behind this one. */
  get followCount(): number {
    return this.#bytes.readUInt32BE(this.start + this.size);
  }

  get topic(): string {
    return this.#bytes.toString('utf8', this.topicStart, this.topicEnd);
  }

  /** As they are stored, for `decodeProperties`. */
  get properties(): string {
    return this.#bytes.toString('utf8', this.topicEnd + 2, this.start + this.size);
  }

  get body(): Buffer {
    return this.#bytes.subarray(this.bodyStart, this.bodyEnd);
  }

  /** A view of the record, without its trailer. */
  get record(): Buffer {
    return this.#bytes.subarray(this.start, this.start + this.size);
  }

  /** Fills `tagsCode` and `keyHashes`. */
  readProperties(): void {
    const bytes = this.#bytes;
    const end = this.start + this.size;
    this.tagsCode = 0;
    this.keyCount = 0;
    let nameStart = this.topicEnd + 2;
    while (nameStart < end) {
      let valueStart = nameStart;
      while (valueStart < end && bytes[valueStart] !== nameEnd) valueStart += 1;
      let stop = valueStart;
      while (stop < end && bytes[stop] !== valueEnd) stop += 1;
      if (stop > valueStart + 1) this.#property(nameStart, valueStart, stop);
      nameStart = stop + 1;
    }
  }

  #property(nameStart: number, nameStop: number, valueStop: number): void {
    const length = nameStop - nameStart;
    if (length === 4 && this.#isName(nameStart, 'TAGS')) this.tagsCode = this.#javaHash(nameStop + 1, valueStop);
    else if (length === 4 && this.#isName(nameStart, 'KEYS')) this.#addKeys(nameStop + 1, valueStop);
    else if (length === 8 && this.#isName(nameStart, 'UNIQ_KEY')) this.#addKey(nameStop + 1, valueStop);
  }

  #isName(start: number, name: string): boolean {
    for (let index = 0; index < name.length; index += 1) {
      if (this.#bytes[start + index] !== name.charCodeAt(index)) return false;
    }
    return true;
  }

  #javaHash(start: number, end: number): number {
    let value = 0;
    for (let index = start; index < end; index += 1) {
      const byte = this.#bytes[index] ?? 0;
      if (byte > 0x7f) return javaStringHash(this.#bytes.toString('utf8', start, end));
      value = (Math.imul(31, value) + byte) | 0;
    }
    return value;
  }

  #addKeys(start: number, end: number): void {
    let keyStart = start;
    for (let index = start; index <= end; index += 1) {
      if (index < end && this.#bytes[index] !== space) continue;
      if (index > keyStart) this.#addKey(keyStart, index);
      keyStart = index + 1;
    }
  }

  #addKey(start: number, end: number): void {
    if (this.keyCount === this.keyHashes.length) return;
    const topicHash = hashBytes(hashStart, this.#bytes, this.topicStart, this.topicEnd);
    const value = hashBytes(Math.imul(topicHash ^ numberSign, 0x0100_0193), this.#bytes, start, end);
    this.keyHashes[this.keyCount] = value;
    this.keyCount += 1;
  }
}
