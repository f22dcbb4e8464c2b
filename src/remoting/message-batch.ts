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

/** One message of a batch to be made. */
export interface OutgoingRecord {
  readonly flag: number;
  readonly body: Uint8Array;
  readonly properties: Iterable<readonly [string, string]>;
}

/**
 * The body of a batch send (Java `MessageDecoder.encodeMessages`). Each record carries its own UNIQ_KEY: one in the batch's
 * header would become the id of all.
 * @throws RemotingError `malformed` when properties are too large or not allowed, or there are too many records.
 */
export function encodeBatch(records: readonly OutgoingRecord[]): Buffer {
  if (records.length > batchRecordsMax) throw tooManyRecords();
  const properties = records.map((record) => encodeProperties(record.properties));
  const sizes = records.map(({ body }, index) => {
    const propertiesBytes = Buffer.byteLength(properties[index] ?? '');
    if (propertiesBytes <= propertiesBytesMax) return recordBytesMin + body.length + propertiesBytes;
    throw new RemotingError('malformed', `${propertiesBytes} bytes of properties are over ${propertiesBytesMax}`);
  });
  const batch = Buffer.allocUnsafe(sizes.reduce((sum, size) => sum + size, 0));
  let start = 0;
  for (const [index, record] of records.entries()) {
    const size = sizes[index] ?? 0;
    writeRecord(batch.subarray(start, start + size), record, properties[index] ?? '');
    start += size;
  }
  return batch;
}

/** @param target exactly as long as the record. */
function writeRecord(target: Buffer, { flag, body }: OutgoingRecord, properties: string): void {
  target.writeInt32BE(target.length, 0);
  target.fill(0, 4, 12);
  target.writeInt32BE(flag, 12);
  target.writeInt32BE(body.length, 16);
  target.set(body, headBytes);
  const propertiesAt = headBytes + body.length + 2;
  target.writeInt16BE(target.length - propertiesAt, propertiesAt - 2);
  target.write(properties, propertiesAt);
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
