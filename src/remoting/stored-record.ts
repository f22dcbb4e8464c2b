import { crc32 } from 'node:zlib';
import { RemotingError } from './errors.ts';
import { decodeProperties } from './message-properties.ts';
import { checkStoredHost, readStoredHost, storedHostBytes } from './stored-host.ts';
import { SysFlag } from './sys-flag.ts';

/** A message as a broker keeps it and hands it out. */
export interface StoredMessage {
  readonly topic: string;
  readonly queueId: number;
  readonly queueOffset: bigint;
  readonly commitLogOffset: bigint;
  /** User flag. */
  readonly flag: number;
  /** `SysFlag` bits. */
  readonly sysFlag: number;
  /** As the producer said it, within the safe integers. */
  readonly bornTimestampMs: number;
  /** Address of the producer as the broker saw it: `ip:port` or `[ip]:port`. */
  readonly bornHost: string;
  readonly storeTimestampMs: number;
  /** Address of the broker: `ip:port` or `[ip]:port`. */
  readonly storeHost: string;
  readonly reconsumeTimes: number;
  readonly preparedTransactionOffset: bigint;
  /** CRC-32 of the body as stored, without its top bit; 0 where the sender made none. */
  readonly bodyCrc: number;
  /** As stored, maybe compressed: see `decompressBody`. */
  readonly body: Buffer;
  readonly properties: ReadonlyMap<string, string>;
  /** The properties as they are stored, where the message still has them so: a view, good as long as `body` is. */
  readonly propertyBytes?: Buffer | undefined;
}

/** Format with an int8 for the topic's length (Java `MessageDecoder.MESSAGE_MAGIC_CODE`). */
export const magicV1 = -626_843_481;
/** Format with an int16 for it, used for topics over 127 bytes, by brokers 5.x. */
export const magicV2 = -626_843_477;

/** Where the fields of a stored message stand that have their place before the first address. */
export const storedMessageAt = {
  magic: 4,
  bodyCrc: 8,
  queueId: 12,
  flag: 16,
  queueOffset: 20,
  commitLogOffset: 28,
  sysFlag: 36,
  bornTimestamp: 40,
  bornHost: 48,
} as const;

const at = storedMessageAt;

/** Everything but addresses, body, topic, properties, and the length of the topic. */
export const fixedBytes = 74;
/** Least bytes of a stored message: IPv4 addresses, no body, no topic, no properties. */
export const storedMessageBytesMin = fixedBytes + 8 + 8 + 1;
const crcMask = 0x7fff_ffff;

/** CRC of a body in the form that stored messages carry (Java `UtilAll.crc32`). */
export function bodyCrcOf(body: Uint8Array): number {
  return crc32(body) & crcMask;
}

/**
 * A stored message over the bytes that it came in: what makes it unreadable is looked for at once, and each field is read when somebody
 * asks for it. Receivers look at few of them.
 */
export class StoredRecord implements StoredMessage {
  readonly body: Buffer;
  readonly bodyCrc: number;
  readonly sysFlag: number;
  readonly queueOffset: bigint;
  readonly #bytes: Buffer;
  readonly #start: number;
  readonly #layout: Layout;
  #properties: ReadonlyMap<string, string> | undefined;

  /** @throws RemotingError `malformed` unless the bytes from `start` to `end` are one message. */
  constructor(bytes: Buffer, start: number, end: number) {
    const sysFlag = bytes.readInt32BE(start + at.sysFlag);
    const layout = layoutOf(bytes, start, end, sysFlag);
    this.#bytes = bytes;
    this.#start = start;
    this.#layout = layout;
    this.sysFlag = sysFlag;
    this.body = bytes.subarray(layout.body, layout.bodyEnd);
    this.bodyCrc = checkedCrc(bytes.readInt32BE(start + at.bodyCrc) & crcMask, this.body);
    this.queueOffset = readOffset(bytes, start + at.queueOffset);
    checkStoredHost(bytes, start + at.bornHost, this.#has(SysFlag.BORN_HOST_V6));
    checkStoredHost(bytes, layout.storeTimestamp + 8, this.#has(SysFlag.STORE_HOST_V6));
  }

  get topic(): string {
    return this.#bytes.toString('utf8', this.#layout.topic, this.#layout.topicEnd);
  }

  get queueId(): number {
    return this.#bytes.readInt32BE(this.#start + at.queueId);
  }

  get commitLogOffset(): bigint {
    return readOffset(this.#bytes, this.#start + at.commitLogOffset);
  }

  get flag(): number {
    return this.#bytes.readInt32BE(this.#start + at.flag);
  }

  get bornTimestampMs(): number {
    return readMillis(this.#bytes, this.#start + at.bornTimestamp);
  }

  get bornHost(): string {
    return readStoredHost(this.#bytes, this.#start + at.bornHost, this.#has(SysFlag.BORN_HOST_V6));
  }

  get storeTimestampMs(): number {
    return readMillis(this.#bytes, this.#layout.storeTimestamp);
  }

  get storeHost(): string {
    return readStoredHost(this.#bytes, this.#layout.storeTimestamp + 8, this.#has(SysFlag.STORE_HOST_V6));
  }

  get reconsumeTimes(): number {
    return this.#bytes.readInt32BE(this.#layout.reconsumeTimes);
  }

  get preparedTransactionOffset(): bigint {
    return readOffset(this.#bytes, this.#layout.reconsumeTimes + 4);
  }

  get properties(): ReadonlyMap<string, string> {
    this.#properties ??= propertiesOf(this.#bytes, this.#layout);
    return this.#properties;
  }

  get propertyBytes(): Buffer {
    return this.#bytes.subarray(this.#layout.properties, this.#layout.end);
  }

  /** All of it at once, as an object like any other. */
  toMessage(): StoredMessage {
    return {
      topic: this.topic,
      queueId: this.queueId,
      queueOffset: this.queueOffset,
      commitLogOffset: this.commitLogOffset,
      flag: this.flag,
      sysFlag: this.sysFlag,
      bornTimestampMs: this.bornTimestampMs,
      bornHost: this.bornHost,
      storeTimestampMs: this.storeTimestampMs,
      storeHost: this.storeHost,
      reconsumeTimes: this.reconsumeTimes,
      preparedTransactionOffset: this.preparedTransactionOffset,
      bodyCrc: this.bodyCrc,
      body: this.body,
      properties: this.properties,
    };
  }

  #has(flag: number): boolean {
    return (this.sysFlag & flag) !== 0;
  }
}

/** Where the fields stand whose place depends on the lengths before them. */
interface Layout {
  readonly storeTimestamp: number;
  readonly reconsumeTimes: number;
  readonly body: number;
  readonly bodyEnd: number;
  readonly topic: number;
  readonly topicEnd: number;
  readonly properties: number;
  readonly end: number;
}

/** @throws RemotingError `malformed` unless all lengths add up to exactly the record's. */
function layoutOf(bytes: Buffer, start: number, end: number, sysFlag: number): Layout {
  const storeTimestamp = start + at.bornHost + storedHostBytes((sysFlag & SysFlag.BORN_HOST_V6) !== 0);
  const reconsumeTimes = storeTimestamp + 8 + storedHostBytes((sysFlag & SysFlag.STORE_HOST_V6) !== 0);
  const body = reconsumeTimes + 16;
  const topicLengthBytes = topicLengthBytesOf(bytes.readInt32BE(start + at.magic));
  const bodyEnd = body > end ? -1 : fieldEnd(body, bytes.readInt32BE(body - 4), end - topicLengthBytes);
  const topic = bodyEnd + topicLengthBytes;
  const topicEnd = bodyEnd < 0 ? -1 : fieldEnd(topic, bytes.readIntBE(bodyEnd, topicLengthBytes), end - 2);
  const properties = topicEnd + 2;
  if (topicEnd < 0 || fieldEnd(properties, bytes.readInt16BE(topicEnd), end) !== end) {
    throw new RemotingError('malformed', `the fields of a message do not add up to its ${end - start} bytes`);
  }
  return { storeTimestamp, reconsumeTimes, body, bodyEnd, topic, topicEnd, properties, end };
}

/** Where a field of `length` bytes ends; -1 where that cannot be. */
function fieldEnd(start: number, length: number, endMax: number): number {
  return length < 0 || start + length > endMax ? -1 : start + length;
}

function topicLengthBytesOf(magic: number): number {
  if (magic === magicV1) return 1;
  if (magic === magicV2) return 2;
  throw new RemotingError('malformed', `0x${(magic >>> 0).toString(16)} is not the magic code of a message`);
}

/** Only the properties of a record, for filters. @throws RemotingError `malformed` on a damaged one. */
export function readStoredProperties(record: Buffer): Map<string, string> {
  return propertiesOf(record, layoutOf(record, 0, record.length, record.readInt32BE(at.sysFlag)));
}

function propertiesOf(bytes: Buffer, { properties, end }: Layout): Map<string, string> {
  return decodeProperties(bytes.toString('utf8', properties, end));
}

/** An int64. Offsets are small, and a number is made a bigint much faster than two halves are joined. */
function readOffset(bytes: Buffer, start: number): bigint {
  const high = bytes.readInt32BE(start);
  const isSmall = high >= 0 && high < 2 ** 21;
  return isSmall ? BigInt(high * 2 ** 32 + bytes.readUInt32BE(start + 4)) : bytes.readBigInt64BE(start);
}

/** Brokers store whatever int64 a producer sends as its time, so an absurd one must not make a message unreadable. */
function readMillis(record: Buffer, start: number): number {
  const millis = record.readInt32BE(start) * 2 ** 32 + record.readUInt32BE(start + 4);
  return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, millis));
}

function checkedCrc(crc: number, body: Buffer): number {
  if (crc !== 0 && crc !== bodyCrcOf(body)) {
    throw new RemotingError('malformed', 'the body of a message is damaged: its CRC does not fit');
  }
  return crc;
}
