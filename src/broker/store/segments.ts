import type { Log } from '../../log.ts';
import { KeyIndex } from './key-index.ts';
import type { LogFile, LogFiles } from './log-files.ts';

/** A file of the log with what is known of it. */
export interface Segment {
  /** Commit log offset of its first byte. */
  readonly start: number;
  readonly file: LogFile;
  readonly keys: KeyIndex;
  /** Bytes that count: records that were stored. There may be more in the file, which never will. */
  length: number;
  /** Bytes that were flushed to the disk, or that it refused to take for good. */
  flushedLength: number;
  /** Store time of its last record. */
  lastTimestampMs: number;
  /** True: nothing may be added any more. */
  isSealed: boolean;
}

/** The segments of the log, by offset. */
export class Segments {
  readonly #files: LogFiles;
  readonly #log: Log;
  readonly #segments: Segment[] = [];

  constructor(files: LogFiles, log: Log) {
    this.#files = files;
    this.#log = log;
  }

  get all(): readonly Segment[] {
    return this.#segments;
  }

  /** The newest. */
  get last(): Segment | undefined {
    return this.#segments.at(-1);
  }

  /** First byte that is there, and the one behind the last. */
  get start(): number {
    return this.#segments[0]?.start ?? 0;
  }

  get end(): number {
    const last = this.last;
    return last === undefined ? 0 : last.start + last.length;
  }

  get bytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.length, 0);
  }

  /** The segment that holds an offset. */
  at(offset: number): Segment | undefined {
    let low = 0;
    let high = this.#segments.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#segments[middle]?.start ?? 0) > offset) high = middle;
      else low = middle + 1;
    }
    const segment = this.#segments[low - 1];
    return segment !== undefined && offset < segment.start + segment.length ? segment : undefined;
  }

  describe(segment: Segment): string {
    return this.#files.describe(segment.start);
  }

  /** Opens a file that was found. */
  open(start: number, length: number): Segment {
    return this.#add(start, this.#files.open(start), length);
  }

  /**
   * Starts a segment behind the last one, with a first record. A last one without records, of which a crash left only the file, is
   * replaced.
   * @throws What the file system throws; then nothing has changed.
   */
  begin(firstRecord: (start: number) => Buffer): Segment {
    const { end: start, last } = this;
    const file = this.#files.create(start);
    try {
      const record = firstRecord(start);
      file.write(record, 0);
      if (last?.length === 0) this.#segments.pop()?.file.close();
      last?.keys.trim();
      return this.#add(start, file, record.length);
    } catch (error) {
      file.close();
      this.#remove(start);
      throw error;
    }
  }

  #add(start: number, file: LogFile, length: number): Segment {
    const segment = {
      start,
      file,
      length,
      keys: new KeyIndex(),
      flushedLength: 0,
      lastTimestampMs: Number.NEGATIVE_INFINITY,
      isSealed: false,
    };
    this.#segments.push(segment);
    return segment;
  }

  /**
   * Ends the last segment, because the disk failed: what it has on the disk is not known, and asking again would not tell. What counts in it
   * stays; what was written behind that does not. (Only a process that ends before the next segment begins, with a disk that did not even
   * let it be cut off, would find it again at its start.)
   */
  seal(segment: Segment): void {
    segment.isSealed = true;
    segment.flushedLength = segment.length;
    this.#cut(segment);
  }

  /** Takes back what was written to the last segment and does not count. Where the disk refuses even that, the segment ends. */
  takeBack(segment: Segment): void {
    if (!this.#cut(segment)) segment.isSealed = true;
  }

  /** What cannot be cut off is left alone: the next segment starts there, and a start reads no further than that. */
  #cut(segment: Segment): boolean {
    try {
      segment.file.truncate(segment.length);
      return true;
    } catch (error) {
      this.#log.warn(
        { file: this.describe(segment), error },
        'what was not stored cannot be cut off a file of the log',
      );
      return false;
    }
  }

  /** Gives up the oldest segment. */
  removeFirst(): void {
    const segment = this.#segments.shift();
    if (segment === undefined) return;
    segment.file.close();
    this.#remove(segment.start);
  }

  #remove(start: number): void {
    try {
      this.#files.remove(start);
    } catch (error) {
      this.#log.warn({ file: this.#files.describe(start), error }, 'a file of the log that is over cannot be removed');
    }
  }

  close(): void {
    for (const segment of this.#segments) segment.file.close();
    this.#files.close();
  }
}
