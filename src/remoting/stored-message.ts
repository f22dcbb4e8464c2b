import { RemotingError } from './errors.ts';
import { decodeBatch } from './message-batch.ts';
import { encodeProperties, propertiesBytesMax } from './message-properties.ts';
import { storedHostBytes, writeStoredHost } from './stored-host.ts';
import {
  bodyCrcOf,
  fixedBytes,
  magicV1,
  magicV2,
  type StoredMessage,
  StoredRecord,
  storedMessageAt,
  storedMessageBytesMin,
} from './stored-record.ts';
import { SysFlag } from './sys-flag.ts';

export {
  bodyCrcOf,
  magicV1,
  magicV2,
  readStoredProperties,
  type StoredMessage,
  storedMessageAt,
  storedMessageBytesMin,
} from './stored-record.ts';

const at = storedMessageAt;

const topicBytesMaxV1 = 127;
const topicBytesMax = 32_767;

/**
 * Reads messages back to back, as pull, POP and transaction checks deliver them. Bodies are views of `bytes`; batches that brokers
 * keep as one message are taken apart.
 * @param onDamaged Called with the reason instead of failing for a message whose size is plausible and whose content is not:
 *   that message is left out, so that it does not hold up its queue.
 * @throws RemotingError `malformed` when sizes do not fit and, without `onDamaged`, on any damaged message.
 */
export function decodeStoredMessages(bytes: Buffer, onDamaged?: (reason: RemotingError) => void): StoredMessage[] {
  return readStoredMessages(bytes, onDamaged).map((message) =>
    message instanceof StoredRecord ? message.toMessage() : message,
  );
}

/** As `decodeStoredMessages`, but fields are read when somebody asks for them: for who looks at few of them, and not for long. */
export function readStoredMessages(bytes: Buffer, onDamaged?: (reason: RemotingError) => void): StoredMessage[] {
  const messages: StoredMessage[] = [];
  let start = 0;
  while (start < bytes.length) {
    const end = start + recordSize(bytes, start);
    try {
      const record = new StoredRecord(bytes, start, end);
      if (isBatch(record)) for (const message of unwrap(record.toMessage())) messages.push(message);
      else messages.push(record);
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

const batchFlags = SysFlag.NEED_UNWRAP | SysFlag.INNER_BATCH;

function isBatch({ sysFlag }: StoredMessage): boolean {
  return (sysFlag & batchFlags) === batchFlags;
}

/** The messages that a producer sent, where the broker keeps a whole batch as one (Java `MessageDecoder.decodeMessage`). */
function unwrap(message: StoredMessage): StoredMessage[] {
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
