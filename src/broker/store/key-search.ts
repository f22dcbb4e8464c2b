import { MessageProperty } from '../../remoting/message.ts';
import { decodeProperties } from '../../remoting/message-properties.ts';
import type { KeySearch } from './message-store.ts';
import { keyHash, type RecordCursor } from './record-cursor.ts';
import type { RecordReader } from './record-reader.ts';
import type { Segments } from './segments.ts';

/** Most records that one search reads: a key that very many messages share must not hold up the others. */
const readCountMax = 10_000;

/** See `MessageStore.find`. */
export function findByKey(segments: Segments, reader: RecordReader, search: KeySearch): number[] {
  const hash = keyHash(search.topic, search.key);
  const found: number[] = [];
  let readCount = 0;
  let lastOffset = -1;
  for (const segment of segments.all.toReversed()) {
    for (const position of segment.keys.find(hash)) {
      if (found.length >= search.countMax || readCount >= readCountMax) return found;
      const offset = segment.start + position;
      // A message that names a key twice stands there twice.
      if (offset === lastOffset) continue;
      lastOffset = offset;
      readCount += 1;
      const record = reader.at(offset);
      if (record !== undefined && matches(search, record)) found.push(offset);
    }
  }
  return found;
}

function matches({ topic, key, unique, beginTimestampMs, endTimestampMs }: KeySearch, record: RecordCursor): boolean {
  if (record.topic !== topic) return false;
  if (record.storeTimestampMs < beginTimestampMs || record.storeTimestampMs > endTimestampMs) return false;
  const properties = decodeProperties(record.properties);
  if (unique) return properties.get(MessageProperty.UNIQ_KEY) === key;
  return properties.get(MessageProperty.KEYS)?.split(' ').includes(key) === true;
}
