import { type LogEntry, StoreError } from './message-store.ts';
import { QueueTable } from './queue-table.ts';
import type { RecordCursor } from './record-cursor.ts';
import type { Segment } from './segments.ts';
import { engineTopics } from './store-options.ts';

/** Format of the log; a higher one is of a later version of this program. */
const formatVersion = 1;

/** The body of the record that starts each segment. */
export function logHeader(createdMs: number): Buffer {
  return Buffer.from(JSON.stringify({ format: formatVersion, createdMs }));
}

/** @throws StoreError `io` for a log that a later version wrote. */
function checkHeader(body: Buffer): void {
  const header: unknown = JSON.parse(body.toString());
  const format = typeof header === 'object' && header !== null && 'format' in header ? header.format : undefined;
  if (format === formatVersion) return;
  const advice = 'use the version that wrote it, or another directory';
  throw new StoreError('io', `the log has format ${format}, this version knows ${formatVersion}: ${advice}`);
}

/** Queues and keys, as the records of the log tell of them one after the other. */
export class LogIndex {
  readonly queues = new QueueTable();

  /**
   * Takes in a record of a segment.
   * @returns What to tell of it; undefined for what concerns only the log itself.
   */
  add(segment: Segment, cursor: RecordCursor, topic: string): LogEntry | undefined {
    segment.lastTimestampMs = cursor.storeTimestampMs;
    if (topic === engineTopics.log) {
      checkHeader(cursor.body);
      return undefined;
    }
    if (topic === engineTopics.drop) this.queues.drop(cursor.body.toString());
    else this.#addMessage(segment, cursor, topic);
    return {
      topic,
      queueId: cursor.queueId,
      queueOffset: cursor.queueOffset,
      commitLogOffset: cursor.commitLogOffset,
      size: cursor.size,
      storeTimestampMs: cursor.storeTimestampMs,
      replaces: cursor.replaces,
      record: cursor.record,
    };
  }

  #addMessage(segment: Segment, cursor: RecordCursor, topic: string): void {
    cursor.readProperties();
    const { commitLogOffset, queueId, queueOffset, size, tagsCode } = cursor;
    this.queues.getOrMake(topic, queueId).put(queueOffset, commitLogOffset, size, tagsCode);
    for (let index = 0; index < cursor.keyCount; index += 1) {
      segment.keys.add(cursor.keyHashes[index] ?? 0, commitLogOffset - segment.start);
    }
  }
}
