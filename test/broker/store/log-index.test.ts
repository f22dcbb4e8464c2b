import { describe, expect, test } from 'vitest';
import { LogIndex, logHeader } from '../../../src/broker/store/log-index.ts';
import { MemoryFiles } from '../../../src/broker/store/memory-files.ts';
import type { LogEntry, MessageDraft } from '../../../src/broker/store/message-store.ts';
import { keyHash, RecordCursor, trailerBytes } from '../../../src/broker/store/record-cursor.ts';
import { type Segment, Segments } from '../../../src/broker/store/segments.ts';
import { engineTopics } from '../../../src/broker/store/store-options.ts';
import { ownDraft } from '../../../src/broker/store/write-buffer.ts';
import { javaStringHash } from '../../../src/remoting/java-hash.ts';
import { draft, keptLog, logBytes, storeHost } from './support.ts';

function newSegment(start: number): Segment {
  return new Segments(new MemoryFiles(), keptLog().log).open(start, 10_000);
}

/** Lets an index take in one record. */
function add(index: LogIndex, segment: Segment, message: MessageDraft, queueOffset = 0): LogEntry | undefined {
  const bytes = logBytes(segment.start, [[message]], queueOffset);
  const cursor = new RecordCursor();
  cursor.moveToNew(bytes, 0, bytes.length - trailerBytes);
  return index.add(segment, cursor, message.topic);
}

describe('an index of the log', () => {
  test('finds messages by queue and by key', () => {
    const index = new LogIndex();
    const segment = newSegment(4_000);
    const properties = new Map([
      ['TAGS', 'a'],
      ['KEYS', 'k1 k2'],
    ]);
    const entry = add(index, segment, draft({ queueId: 2, replaces: 77, properties }), 5);
    expect(entry).toMatchObject({ topic: 'orders', queueId: 2, queueOffset: 5, commitLogOffset: 4_000, replaces: 77 });
    expect(entry?.storeTimestampMs).toBe(segment.lastTimestampMs);
    expect(entry?.record.length).toBe(entry?.size);
    expect(index.queues.get('orders', 2)?.entry(5)).toEqual({
      commitLogOffset: 4_000,
      size: entry?.size,
      tagsCode: javaStringHash('a'),
    });
    expect(['k1', 'k2', 'k3'].map((key) => [...segment.keys.find(keyHash('orders', key))])).toEqual([[0], [0], []]);
  });

  test('forgets the queues of a topic where the log says so', () => {
    const index = new LogIndex();
    const segment = newSegment(0);
    add(index, segment, draft({ topic: 'a' }));
    add(index, segment, draft({ topic: 'b' }));
    const entry = add(index, segment, ownDraft(engineTopics.drop, Buffer.from('a'), 0, storeHost));
    expect(entry?.topic).toBe(engineTopics.drop);
    expect([...index.queues.names()]).toEqual([{ topic: 'b', queueId: 0 }]);
  });

  test('checks the format of the log', () => {
    const index = new LogIndex();
    const segment = newSegment(0);
    const header = (body: Buffer) => ownDraft(engineTopics.log, body, 0, storeHost);
    expect(add(index, segment, header(logHeader(5)))).toBeUndefined();
    expect(() => add(index, segment, header(Buffer.from('{"format":2}')))).toThrow(
      'the log has format 2, this version knows 1',
    );
    expect(() => add(index, segment, header(Buffer.from('7')))).toThrow('format undefined');
    expect([...index.queues.names()]).toEqual([]);
  });
});
