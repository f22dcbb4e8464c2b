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
  /** Stand before those, encoded. */
  readonly propertyBytes?: Uint8Array | undefined;
}

/** Most bytes that one of JavaScript's characters becomes in UTF-8. */
const charBytesMax = 3;

/**
 * The body of a batch send (Java `MessageDecoder.encodeMessages`). Each record carries its own UNIQ_KEY: one in the batch's
 * header would become the id of all.
 * @throws RemotingError `malformed` when properties are too large or not allowed, or there are too many records.
 */
export function encodeBatch(records: readonly OutgoingRecord[]): Buffer {
  if (records.length > batchRecordsMax) throw tooManyRecords();
  const texts = records.map(({ properties }) => encodeProperties(properties));
  let bytesMax = 0;
  for (const [index, { body, propertyBytes }] of records.entries()) {
    const textBytesMax = charBytesMax * (texts[index]?.length ?? 0);
    bytesMax += recordBytesMin + body.length + (propertyBytes?.length ?? 0) + textBytesMax;
  }
  const batch = Buffer.allocUnsafe(bytesMax);
  let end = 0;
  for (const [index, record] of records.entries()) end = writeRecord(batch, end, record, texts[index] ?? '');
  return batch.subarray(0, end);
}

/** @returns where it ends. */
function writeRecord(target: Buffer, start: number, record: OutgoingRecord, properties: string): number {
  const { flag, body, propertyBytes } = record;
  target.fill(0, start + 4, start + 12);
  target.writeInt32BE(flag, start + 12);
  target.writeInt32BE(body.length, start + 16);
  target.set(body, start + headBytes);
  const propertiesAt = start + headBytes + body.length + 2;
  if (propertyBytes !== undefined) target.set(propertyBytes, propertiesAt);
  const textAt = propertiesAt + (propertyBytes?.length ?? 0);
  const end = textAt + target.write(properties, textAt);
  const propertiesBytes = end - propertiesAt;
  if (propertiesBytes > propertiesBytesMax) {
    throw new RemotingError('malformed', `${propertiesBytes} bytes of properties are over ${propertiesBytesMax}`);
  }
  target.writeInt16BE(propertiesBytes, propertiesAt - 2);
  target.writeInt32BE(end - start, start);
  return end;
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
