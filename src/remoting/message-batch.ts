import { RemotingError } from './errors.ts';
import { decodeProperties, encodeProperties, propertiesBytesMax } from './message-properties.ts';

/** One message of a batch: what a producer sets, everything else is the whole batch's. */
export interface BatchRecord {
  /** User flag. */
  readonly flag: number;
  readonly body: Buffer;
  readonly properties: ReadonlyMap<string, string>;
}

/** Most records that one batch may hold: brokers count them in an int16 (Java `BatchConsumeQueue`). */
export const batchRecordsMax = 32_767;

/** Size, magic code, body CRC, flag and body length; magic code and CRC are 0 in a batch. */
const headBytes = 20;
const recordBytesMin = headBytes + 2;

/**
 * The body of a batch send (Java `MessageDecoder.encodeMessages`). Each record carries its own UNIQ_KEY: one in the batch's
 * header would become the id of all.
 * @throws RemotingError `malformed` when properties are too large or not allowed, or there are too many records.
 */
export function encodeBatch(records: readonly BatchRecord[]): Buffer {
  if (records.length > batchRecordsMax) throw tooManyRecords();
  return Buffer.concat(records.flatMap((record) => encodeRecord(record)));
}

function encodeRecord(record: BatchRecord): Buffer[] {
  const properties = Buffer.from(encodeProperties(record.properties));
  if (properties.length > propertiesBytesMax) {
    throw new RemotingError('malformed', `${properties.length} bytes of properties are over ${propertiesBytesMax}`);
  }
  const head = Buffer.alloc(headBytes);
  head.writeInt32BE(recordBytesMin + record.body.length + properties.length, 0);
  head.writeInt32BE(record.flag, 12);
  head.writeInt32BE(record.body.length, 16);
  const propertiesLength = Buffer.alloc(2);
  propertiesLength.writeInt16BE(properties.length, 0);
  return [head, record.body, propertiesLength, properties];
}

/**
 * Reads records back to back. Bodies are views of `bytes`.
 * @throws RemotingError `malformed` when the lengths do not fit, or there are too many records.
 */
export function decodeBatch(bytes: Buffer): BatchRecord[] {
  const records: BatchRecord[] = [];
  let start = 0;
  while (start < bytes.length) {
    if (records.length === batchRecordsMax) throw tooManyRecords();
    const end = start + recordSize(bytes, start);
    records.push(decodeRecord(bytes.subarray(start, end)));
    start = end;
  }
  return records;
}

function recordSize(bytes: Buffer, start: number): number {
  const left = bytes.length - start;
  const size = left < recordBytesMin ? -1 : bytes.readInt32BE(start);
  if (size < recordBytesMin || size > left) {
    throw new RemotingError(
      'malformed',
      `a batch record at byte ${start} does not fit the ${left} bytes that are left`,
    );
  }
  return size;
}

function decodeRecord(record: Buffer): BatchRecord {
  const bodyBytes = record.readInt32BE(16);
  const propertiesAt = headBytes + bodyBytes + 2;
  if (bodyBytes < 0 || propertiesAt > record.length) throw lengthsDiffer(record.length);
  const propertiesBytes = record.readInt16BE(propertiesAt - 2);
  if (propertiesAt + propertiesBytes !== record.length) throw lengthsDiffer(record.length);
  return {
    flag: record.readInt32BE(12),
    body: record.subarray(headBytes, headBytes + bodyBytes),
    properties: decodeProperties(record.toString('utf8', propertiesAt)),
  };
}

function lengthsDiffer(size: number): RemotingError {
  return new RemotingError('malformed', `the fields of a batch record do not add up to its ${size} bytes`);
}

function tooManyRecords(): RemotingError {
  return new RemotingError('malformed', `a batch has more than ${batchRecordsMax} records`);
}
