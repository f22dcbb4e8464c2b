import { crc32 } from 'node:zlib';
import { RemotingError } from './errors.ts';
import { decodeBatch } from './message-batch.ts';
import { decodeProperties, encodeProperties, propertiesBytesMax } from './message-properties.ts';
import { readStoredHost, storedHostBytes, writeStoredHost } from './stored-host.ts';
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
}

/** Format with an int8 for the topic's length (Java `MessageDecoder.MESSAGE_MAGIC_CODE`). */
export const magicV1 = -626_843_481;
/** Format with an int16 for it, used for topics over 127 bytes, by brokers 5.x. */
export const magicV2 = -626_843_477;
const topicBytesMaxV1 = 127;
const topicBytesMax = 32_767;

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
const fixedBytes = 74;
/** Least bytes of a stored message: IPv4 addresses, no body, no topic, no properties. */
export const storedMessageBytesMin = fixedBytes + 8 + 8 + 1;
const crcMask = 0x7fff_ffff;

/** CRC of a body in the form that stored messages carry (Java `UtilAll.crc32`). */
export function bodyCrcOf(body: Uint8Array): number {
  return crc32(body) & crcMask;
}

/**
 * Reads messages back to back, as pull, POP and transaction checks deliver them. Bodies are views of `bytes`; batches that brokers
 * keep as one message are taken apart.
 * @param onDamaged Called with the reason instead of failing for a message whose size is plausible and whose content is not:
 *   that message is left out, so that it does not hold up its queue.
 * @throws RemotingError `malformed` when sizes do not fit and, without `onDamaged`, on any damaged message.
 */
export function decodeStoredMessages(bytes: Buffer, onDamaged?: (reason: RemotingError) => void): StoredMessage[] {
  const messages: StoredMessage[] = [];
  let start = 0;
  while (start < bytes.length) {
    const end = start + recordSize(bytes, start);
    try {
      for (const message of unwrap(decodeRecord(bytes.subarray(start, end)))) messages.push(message);
    } catch (error) {
      if (onDamaged === undefined || !(error instanceof RemotingError)) throw error;
      onDamaged(error);
    }
    start = end;
  }
  return messages;
}

function recordSize(bytes: Buffer, start: number): number {
  const left = bytes.length - start;
  const size = left < storedMessageBytesMin ? -1 : bytes.readInt32BE(start);
  if (size < storedMessageBytesMin || size > left) {
    throw new RemotingError('malformed', `a message at byte ${start} does not fit the ${left} bytes that are left`);
  }
  return size;
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
}

/** @throws RemotingError `malformed` unless all lengths add up to exactly the record's. */
function layoutOf(record: Buffer, sysFlag: number): Layout {
  const storeTimestamp = at.bornHost + storedHostBytes((sysFlag & SysFlag.BORN_HOST_V6) !== 0);
  const reconsumeTimes = storeTimestamp + 8 + storedHostBytes((sysFlag & SysFlag.STORE_HOST_V6) !== 0);
  const body = reconsumeTimes + 16;
  const topicLengthBytes = topicLengthBytesOf(record.readInt32BE(at.magic));
  if (body > record.length) throw lengthsDiffer(record);
  const bodyEnd = after(record, body, record.readInt32BE(body - 4), topicLengthBytes);
  const topic = bodyEnd + topicLengthBytes;
  const topicEnd = after(record, topic, record.readIntBE(bodyEnd, topicLengthBytes), 2);
  const properties = topicEnd + 2;
  const end = after(record, properties, record.readInt16BE(topicEnd), 0);
  if (end !== record.length) throw lengthsDiffer(record);
  return { storeTimestamp, reconsumeTimes, body, bodyEnd, topic, topicEnd, properties };
}

/** The end of a field of `length` bytes that has `next` more bytes behind it. */
function after(record: Buffer, start: number, length: number, next: number): number {
  if (length < 0 || start + length + next > record.length) throw lengthsDiffer(record);
  return start + length;
}

function lengthsDiffer(record: Buffer): RemotingError {
  return new RemotingError('malformed', `the fields of a message do not add up to its ${record.length} bytes`);
}

function topicLengthBytesOf(magic: number): number {
  if (magic === magicV1) return 1;
  if (magic === magicV2) return 2;
  throw new RemotingError('malformed', `0x${(magic >>> 0).toString(16)} is not the magic code of a message`);
}

function decodeRecord(record: Buffer): StoredMessage {
  const sysFlag = record.readInt32BE(at.sysFlag);
  const layout = layoutOf(record, sysFlag);
  const body = record.subarray(layout.body, layout.bodyEnd);
  return {
    topic: record.toString('utf8', layout.topic, layout.topicEnd),
    queueId: record.readInt32BE(at.queueId),
    queueOffset: record.readBigInt64BE(at.queueOffset),
    commitLogOffset: record.readBigInt64BE(at.commitLogOffset),
    flag: record.readInt32BE(at.flag),
    sysFlag,
    bornTimestampMs: readMillis(record, at.bornTimestamp),
    bornHost: readStoredHost(record, at.bornHost, (sysFlag & SysFlag.BORN_HOST_V6) !== 0),
    storeTimestampMs: readMillis(record, layout.storeTimestamp),
    storeHost: readStoredHost(record, layout.storeTimestamp + 8, (sysFlag & SysFlag.STORE_HOST_V6) !== 0),
    reconsumeTimes: record.readInt32BE(layout.reconsumeTimes),
    preparedTransactionOffset: record.readBigInt64BE(layout.reconsumeTimes + 4),
    bodyCrc: checkedCrc(record.readInt32BE(at.bodyCrc) & crcMask, body),
    body,
    properties: decodeProperties(record.toString('utf8', layout.properties)),
  };
}

/** Only the properties of a record, for filters. @throws RemotingError `malformed` on a damaged one. */
export function readStoredProperties(record: Buffer): Map<string, string> {
  const { properties } = layoutOf(record, record.readInt32BE(at.sysFlag));
  return decodeProperties(record.toString('utf8', properties));
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

/** The messages that a producer sent, where the broker keeps a whole batch as one (Java `MessageDecoder.decodeMessage`). */
function unwrap(message: StoredMessage): readonly StoredMessage[] {
  const batchFlags = SysFlag.NEED_UNWRAP | SysFlag.INNER_BATCH;
  if ((message.sysFlag & batchFlags) !== batchFlags) return [message];
  if ((message.sysFlag & SysFlag.COMPRESSED) !== 0) {
    throw new RemotingError('malformed', 'a batch kept as one message is compressed: producers never do that');
  }
  return decodeBatch(message.body).map((record, index) => ({
    ...message,
    ...record,
    queueOffset: message.queueOffset + BigInt(index),
    sysFlag: message.sysFlag & ~batchFlags,
    bodyCrc: bodyCrcOf(record.body),
  }));
}

/**
 * One message as brokers store and deliver it. The address bits of `sysFlag` follow from the addresses; `bodyCrc` is written as it is.
 * @throws RemotingError `malformed` when topic, properties or addresses cannot be stored.
 */
export function encodeStoredMessage(message: StoredMessage): Buffer {
  const record = Buffer.allocUnsafe(storedMessageBytesMax(message));
  return record.subarray(0, writeStoredMessage(message, record, 0));
}

/** Bytes that are enough for `writeStoredMessage`, mostly more than it takes: texts are counted with their longest encoding. */
export function storedMessageBytesMax(message: Pick<StoredMessage, 'body' | 'topic' | 'properties'>): number {
  let charCount = message.topic.length;
  for (const [name, value] of message.properties) charCount += name.length + value.length + 2;
  return fixedBytes + 2 * storedHostBytes(true) + 2 + message.body.length + 3 * charCount;
}

/**
 * Does what `encodeStoredMessage` does, into bytes with room for `storedMessageBytesMax`.
 * @returns Where the message ends.
 */
export function writeStoredMessage(message: StoredMessage, bytes: Buffer, start: number): number {
  bytes.writeInt32BE(message.bodyCrc, start + at.bodyCrc);
  bytes.writeInt32BE(message.queueId, start + at.queueId);
  bytes.writeInt32BE(message.flag, start + at.flag);
  bytes.writeBigInt64BE(message.queueOffset, start + at.queueOffset);
  bytes.writeBigInt64BE(message.commitLogOffset, start + at.commitLogOffset);
  writeMillis(bytes, start + at.bornTimestamp, message.bornTimestampMs);
  const bornEnd = writeStoredHost(message.bornHost, bytes, start + at.bornHost);
  const storeEnd = writeStoredHost(message.storeHost, bytes, writeMillis(bytes, bornEnd, message.storeTimestampMs));
  bytes.writeInt32BE(
    withAddressBits(message.sysFlag, bornEnd - start - at.bornHost, storeEnd - bornEnd - 8),
    start + at.sysFlag,
  );
  let end = bytes.writeInt32BE(message.reconsumeTimes, storeEnd);
  end = bytes.writeBigInt64BE(message.preparedTransactionOffset, end);
  end = bytes.writeInt32BE(message.body.length, end);
  end += message.body.copy(bytes, end);
  const topicEnd = writeTopic(message.topic, bytes, end);
  bytes.writeInt32BE(topicEnd - end > topicBytesMaxV1 + 1 ? magicV2 : magicV1, start + at.magic);
  end = topicEnd + 2 + bytes.write(encodeProperties(message.properties), topicEnd + 2);
  bytes.writeInt16BE(checkedLength(end - topicEnd - 2, propertiesBytesMax, 'properties'), topicEnd);
  bytes.writeInt32BE(end - start, start);
  return end;
}

/** The topic behind its length, which is an int8 as long as that is enough. */
function writeTopic(topic: string, bytes: Buffer, start: number): number {
  const length = checkedLength(Buffer.byteLength(topic), topicBytesMax, 'topic');
  const at = length > topicBytesMaxV1 ? bytes.writeInt16BE(length, start) : bytes.writeInt8(length, start);
  return at + bytes.write(topic, at);
}

/** The reverse of `readMillis`: an int64 of a safe integer. */
function writeMillis(bytes: Buffer, start: number, millis: number): number {
  bytes.writeInt32BE(Math.floor(millis / 2 ** 32), start);
  return bytes.writeUInt32BE(millis >>> 0, start + 4);
}

function checkedLength(length: number, lengthMax: number, what: string): number {
  if (length <= lengthMax) return length;
  throw new RemotingError('malformed', `the ${what} of a message take ${length} bytes, over ${lengthMax}`);
}

function withAddressBits(sysFlag: number, bornHostBytes: number, storeHostBytes: number): number {
  const born = bornHostBytes === storedHostBytes(true) ? SysFlag.BORN_HOST_V6 : 0;
  const store = storeHostBytes === storedHostBytes(true) ? SysFlag.STORE_HOST_V6 : 0;
  return (sysFlag & ~(SysFlag.BORN_HOST_V6 | SysFlag.STORE_HOST_V6)) | born | store;
}
