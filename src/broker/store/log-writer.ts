import { setImmediate as nextTurn } from 'node:timers/promises';
import { logHeader } from './log-index.ts';
import { type MessageDraft, type StoredPlace, StoreError } from './message-store.ts';
import type { QueueTable } from './queue-table.ts';
import { RecordCursor, recordBytesMax, trailerBytes, writeTrailer } from './record-cursor.ts';
import type { Segment, Segments } from './segments.ts';
import { type CompleteStoreOptions, engineTopics } from './store-options.ts';
import { ownDraft, type WaitingAppend, type WaitingRecord, WriteBuffer } from './write-buffer.ts';

/** Called with a record that was written; the cursor is on it. */
export type OnWritten = (segment: Segment, cursor: RecordCursor, topic: string) => void;

/** Appends that are written together. */
interface Run {
  readonly segment: Segment;
  readonly buffer: WriteBuffer;
  readonly appends: readonly WaitingAppend[];
  readonly bytes: Buffer;
}

/**
 * Writes to the end of the log. Appends wait in memory while a write is on its way, and the next one takes all of them; offsets are given
 * then, so what could not be written leaves no trace.
 */
export class LogWriter {
  readonly #segments: Segments;
  readonly #queues: QueueTable;
  readonly #options: CompleteStoreOptions;
  readonly #onWritten: OnWritten;
  readonly #cursor = new RecordCursor();
  #filling: WriteBuffer;
  #spare: WriteBuffer;
  #waitingBytes = 0;
  #running: Promise<void> | undefined;
  #isFailing = false;
  #isClosed = false;

  constructor(segments: Segments, queues: QueueTable, options: CompleteStoreOptions, onWritten: OnWritten) {
    this.#segments = segments;
    this.#queues = queues;
    this.#options = options;
    this.#onWritten = onWritten;
    this.#filling = new WriteBuffer(options.storeHost);
    this.#spare = new WriteBuffer(options.storeHost);
  }

  /** @throws StoreError */
  append(drafts: readonly MessageDraft[]): Promise<readonly StoredPlace[]> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) throw new StoreError('closed', 'the store is closed');
      if (drafts.length === 0) return resolve([]);
      const buffer = this.#filling;
      const start = buffer.length;
      const records = this.#encode(drafts, buffer);
      const end = buffer.length;
      this.#waitingBytes += end - start;
      buffer.appends.push({ records, start, end, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** Waits for what was appended; what comes then is refused. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#running;
  }

  #encode(drafts: readonly MessageDraft[], buffer: WriteBuffer): WaitingRecord[] {
    const { waitingBytesMax } = this.#options;
    const start = buffer.length;
    try {
      return drafts.map((draft) => {
        checkBody(draft);
        const record = buffer.add(draft);
        if (record.size > recordBytesMax) throw tooLarge(draft, record.size);
        if (this.#waitingBytes + buffer.length - start > waitingBytesMax) {
          throw new StoreError('overloaded', `more than ${waitingBytesMax} bytes wait to be written; send slower`);
        }
        return record;
      });
    } catch (error) {
      buffer.cut(start);
      if (error instanceof StoreError) throw error;
      throw new StoreError('refused', `a message cannot be stored: ${textOf(error)}`, error);
    }
  }

  async #run(): Promise<void> {
    while (this.#filling.appends.length > 0) {
      // By then everything that connections brought in this turn is in the buffer.
      await nextTurn();
      const buffer = this.#filling;
      this.#filling = this.#spare;
      for (let index = 0; index < buffer.appends.length; ) index += await this.#writeSome(buffer, index);
      this.#waitingBytes -= buffer.length;
      buffer.clear();
      this.#spare = buffer;
    }
    this.#running = undefined;
  }

  /** Writes appends of the buffer as far as they go together. @returns Their count. */
  async #writeSome(buffer: WriteBuffer, index: number): Promise<number> {
    let run: Run;
    try {
      run = this.#nextRun(buffer, index);
    } catch (error) {
      const rest = buffer.appends.slice(index);
      this.#fail(rest, error);
      return rest.length;
    }
    this.#givePlaces(run);
    try {
      this.#write(run);
      // Without a flush nothing else may happen in between: what was written counts at once.
      if (this.#options.flush === 'sync') await this.#flush(run);
    } catch (error) {
      for (const { records } of run.appends) for (const { queue } of records) queue?.takeBack();
      this.#fail(run.appends, error);
      return run.appends.length;
    }
    this.#publish(run);
    return run.appends.length;
  }

  /** The appends from an index on that fit a segment. What comes behind a dropped topic has to see it dropped. */
  #nextRun(buffer: WriteBuffer, index: number): Run {
    const { segmentBytes } = this.#options;
    const { appends } = buffer;
    const start = appends[index]?.start ?? 0;
    const firstBytes = (appends[index]?.end ?? 0) - start;
    let segment = this.#segments.last;
    if (segment === undefined || segment.isSealed || segment.length === 0) segment = this.#begin();
    else if (segment.length + firstBytes > segmentBytes) segment = this.#begin();
    let end = index + 1;
    while (end < appends.length && appends[end - 1]?.records[0]?.topic !== engineTopics.drop) {
      if (segment.length + (appends[end]?.end ?? 0) - start > segmentBytes) break;
      end += 1;
    }
    const bytes = buffer.bytes.subarray(start, appends[end - 1]?.end);
    return { segment, buffer, appends: appends.slice(index, end), bytes };
  }

  #begin(): Segment {
    const { clock, storeHost } = this.#options;
    const nowMs = clock.now();
    return this.#segments.begin((start) => {
      const header = new WriteBuffer(storeHost);
      const { size } = header.add(ownDraft(engineTopics.log, logHeader(nowMs), nowMs, storeHost));
      this.#cursor.moveToNew(header.bytes, 0, size);
      this.#cursor.setPlace(0, start, nowMs);
      writeTrailer(header.bytes, 0, size, 0);
      return header.bytes.subarray(0, size + trailerBytes);
    });
  }

  #givePlaces({ segment, buffer, appends }: Run): void {
    const nowMs = this.#options.clock.now();
    const runStart = appends[0]?.start ?? 0;
    const placeOfBuffer = segment.start + segment.length - runStart;
    for (const { records } of appends) {
      let followCount = records.length;
      for (const record of records) {
        const { topic, queueId, start, size } = record;
        if (topic !== engineTopics.drop) record.queue = this.#queues.getOrMake(topic, queueId);
        this.#cursor.moveToNew(buffer.bytes, start, size);
        this.#cursor.setPlace(record.queue?.give() ?? 0, placeOfBuffer + start, nowMs);
        followCount -= 1;
        writeTrailer(buffer.bytes, start, start + size, followCount);
      }
    }
  }

  #write({ segment, bytes }: Run): void {
    try {
      segment.file.write(bytes, segment.length);
    } catch (error) {
      this.#segments.takeBack(segment);
      throw error;
    }
  }

  async #flush({ segment, bytes }: Run): Promise<void> {
    try {
      await segment.file.sync();
    } catch (error) {
      this.#segments.seal(segment);
      throw error;
    }
    segment.flushedLength = segment.length + bytes.length;
  }

  #publish({ segment, buffer, appends }: Run): void {
    if (this.#isFailing) this.#options.log.info({ file: this.#segments.describe(segment) }, 'the log is written again');
    this.#isFailing = false;
    for (const append of appends) {
      const places = append.records.map(({ topic, start, size }) => {
        this.#cursor.moveToNew(buffer.bytes, start, size);
        const { queueOffset, commitLogOffset, storeTimestampMs } = this.#cursor;
        // The log ends behind the last record that was told of.
        segment.length += size + trailerBytes;
        this.#onWritten(segment, this.#cursor, topic);
        return { queueOffset, commitLogOffset, size, storeTimestampMs };
      });
      append.resolve(places);
    }
  }

  #fail(appends: readonly WaitingAppend[], error: unknown): void {
    const failure = failureOf(error);
    if (!this.#isFailing)
      this.#options.log.error({ error, kind: failure.kind }, 'the log cannot be written: sends fail');
    this.#isFailing = true;
    for (const append of appends) append.reject(failure);
  }
}

function checkBody(draft: MessageDraft): void {
  if (draft.body.length > recordBytesMax) throw tooLarge(draft, draft.body.length);
}

function tooLarge({ topic }: MessageDraft, size: number): StoreError {
  return new StoreError(
    'refused',
    `a message for ${topic} takes ${size} bytes, over ${recordBytesMax}; make it smaller`,
  );
}

const fullCodes = new Set(['ENOSPC', 'EDQUOT']);

function failureOf(error: unknown): StoreError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (fullCodes.has(code)) {
    return new StoreError('full', 'the disk has no room: nothing was stored; make room and send again', error);
  }
  return new StoreError('io', `the disk failed (${textOf(error)}): nothing was stored`, error);
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
