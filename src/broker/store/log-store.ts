import { findByKey } from './key-search.ts';
import { LogFlusher } from './log-flusher.ts';
import { LogIndex } from './log-index.ts';
import { LogWriter } from './log-writer.ts';
import {
  type KeySearch,
  type MessageDraft,
  type MessageStore,
  type OffsetBoundary,
  type QueueEntry,
  type QueueName,
  type StoredPlace,
  StoreError,
} from './message-store.ts';
import type { RecordCursor } from './record-cursor.ts';
import { RecordReader } from './record-reader.ts';
import { Retention } from './retention.ts';
import type { Segment, Segments } from './segments.ts';
import { type CompleteStoreOptions, engineTopics } from './store-options.ts';
import { offsetAtTime } from './time-search.ts';
import { ownDraft } from './write-buffer.ts';

const ownTopics: ReadonlySet<string> = new Set(Object.values(engineTopics));

/** A log in segments with its indexes. See `openMessageStore`. */
export class LogStore implements MessageStore {
  readonly #segments: Segments;
  readonly #options: CompleteStoreOptions;
  readonly #index = new LogIndex();
  readonly #writer: LogWriter;
  readonly #reader: RecordReader;
  readonly #flusher: LogFlusher;
  readonly #retention: Retention;
  /** Gives back the directory. */
  readonly #unlock: () => void;
  #writtenSegment: Segment | undefined;
  #closed: Promise<void> | undefined;

  constructor(segments: Segments, options: CompleteStoreOptions, unlock: () => void) {
    this.#segments = segments;
    this.#options = options;
    this.#unlock = unlock;
    const onWritten = (segment: Segment, cursor: RecordCursor, topic: string): void =>
      this.#written(segment, cursor, topic);
    this.#writer = new LogWriter(segments, this.#index.queues, options, onWritten);
    this.#reader = new RecordReader(segments, this.#index.queues, options.log);
    this.#flusher = new LogFlusher(segments, options.flushIntervalMs, options.log);
    this.#retention = new Retention(segments, options, () => this.#index.queues.trim(segments.start));
  }

  /** To be called once, when the log has been read. */
  start(): void {
    this.#retention.check();
    this.#retention.start();
  }

  /** Takes in a record that the log holds. @throws StoreError `io` for a log of a later version. */
  recovered(segment: Segment, cursor: RecordCursor): void {
    const entry = this.#index.add(segment, cursor, cursor.topic);
    if (entry !== undefined) this.#options.onEntry(entry, this);
  }

  #written(segment: Segment, cursor: RecordCursor, topic: string): void {
    const entry = this.#index.add(segment, cursor, topic);
    if (segment.flushedLength < segment.length) this.#flusher.wrote();
    if (segment !== this.#writtenSegment) {
      this.#writtenSegment = segment;
      this.#retention.check();
    }
    try {
      if (entry !== undefined) this.#options.onEntry(entry, this);
    } catch (error) {
      // The message is stored, and its sender has to learn that.
      this.#options.log.error({ topic, error }, 'a stored message was not taken in');
    }
  }

  append(drafts: readonly MessageDraft[]): Promise<readonly StoredPlace[]> {
    const own = drafts.find(({ topic }) => ownTopics.has(topic));
    if (own === undefined) return this.#writer.append(drafts);
    return Promise.reject(new StoreError('refused', `${own.topic} is a topic of the store itself; use another`));
  }

  async dropTopic(topic: string): Promise<void> {
    const { clock, storeHost } = this.#options;
    await this.#writer.append([ownDraft(engineTopics.drop, Buffer.from(topic), clock.now(), storeHost)]);
  }

  minOffset(topic: string, queueId: number): number {
    return this.#index.queues.get(topic, queueId)?.minOffset ?? 0;
  }

  maxOffset(topic: string, queueId: number): number {
    return this.#index.queues.get(topic, queueId)?.maxOffset ?? 0;
  }

  entry(topic: string, queueId: number, queueOffset: number): QueueEntry | undefined {
    return this.#index.queues.get(topic, queueId)?.entry(queueOffset);
  }

  read(commitLogOffset: number): Buffer | undefined {
    const cursor = this.#reader.at(commitLogOffset);
    return cursor === undefined ? undefined : Buffer.from(cursor.record);
  }

  offsetAt(topic: string, queueId: number, timestampMs: number, boundary: OffsetBoundary): number {
    const queue = this.#index.queues.get(topic, queueId);
    return queue === undefined ? 0 : offsetAtTime(queue, this.#reader, timestampMs, boundary);
  }

  find(search: KeySearch): number[] {
    return findByKey(this.#segments, this.#reader, search);
  }

  raiseMaxOffset(topic: string, queueId: number, offset: number): void {
    this.#index.queues.getOrMake(topic, queueId).raise(offset);
  }

  storeTimestamp(topic: string, queueId: number, queueOffset: number): number {
    const entry = this.entry(topic, queueId, queueOffset);
    return entry === undefined ? -1 : (this.#reader.at(entry.commitLogOffset)?.storeTimestampMs ?? -1);
  }

  queues(): Iterable<QueueName> {
    return this.#index.queues.names();
  }

  get minCommitLogOffset(): number {
    return this.#segments.start;
  }

  get maxCommitLogOffset(): number {
    return this.#segments.end;
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#retention.stop();
    await this.#writer.close();
    await this.#flusher.close();
    this.#segments.close();
    this.#unlock();
  }
}
