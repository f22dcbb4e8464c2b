import { storedMessageBytesMin } from '../../remoting/stored-message.ts';
import type { LogFile } from './log-files.ts';
import { RecordCursor, trailerBytes } from './record-cursor.ts';

/** What is read at once; it grows for larger records. */
const windowBytes = 1024 * 1024;
/** What both magic codes begin with. */
const magicStart = Buffer.from([0xda, 0xa3, 0x20]);
/** Where it stands in a record. */
const magicAt = 4;

export interface ScanOptions {
  readonly file: LogFile;
  /** Commit log offset of the first byte of the file. */
  readonly start: number;
  /** Bytes of the file to look at. */
  readonly length: number;
  /** True for the end of the log: what was not written whole there is no damage. */
  readonly isLast: boolean;
  /** Called for each intact record, in order, with the cursor on it. */
  readonly onRecord: (cursor: RecordCursor) => void;
  /** Called for bytes that are passed over, by their position in the file. */
  readonly onDamage: (from: number, to: number) => void;
  /** Called where the disk refuses to read; the bytes count as damaged. */
  readonly onUnreadable: (position: number, error: unknown) => void;
}

/**
 * Reads a segment from its start. Behind damaged bytes it goes on at the next record that is intact and says of itself that it belongs
 * there, so one flipped length hides no record but its own.
 */
export class SegmentScan {
  readonly #options: ScanOptions;
  readonly #cursor = new RecordCursor();
  /** Bytes of the file from `#from` to `#to`. */
  #bytes = Buffer.allocUnsafeSlow(windowBytes);
  #from = 0;
  #to = 0;
  /** Appends that begin before here are known to be whole, or damaged later than they were written. */
  #judgedTo = 0;

  constructor(options: ScanOptions) {
    this.#options = options;
  }

  /** @returns Where the last intact record ends: with `isLast`, what follows never became part of the log. */
  run(): number {
    const { length, isLast, onDamage, onRecord } = this.#options;
    let position = 0;
    while (position < length) {
      if (!this.#moveTo(position)) {
        const next = this.#nextIntact(position + 1);
        if (next === length && isLast) return position;
        onDamage(position, next);
        position = next;
        continue;
      }
      if (isLast && this.#cursor.followCount > 0 && position >= this.#judgedTo) {
        if (this.#isTornAppend(position)) return position;
        this.#moveTo(position);
      }
      position += this.#cursor.size + trailerBytes;
      onRecord(this.#cursor);
    }
    return position;
  }

  /** Puts the cursor on the record at a position; false where none is intact. */
  #moveTo(position: number): boolean {
    const { start, length } = this.#options;
    if (position + storedMessageBytesMin + trailerBytes > length) return false;
    this.#load(position, storedMessageBytesMin + trailerBytes);
    const size = RecordCursor.sizeAt(this.#bytes, position - this.#from, start + position);
    if (size < 0 || position + size + trailerBytes > length) return false;
    this.#load(position, size + trailerBytes);
    return this.#cursor.moveTo(this.#bytes, position - this.#from, size);
  }

  /** Position of the next intact record; the end of the file without one. */
  #nextIntact(from: number): number {
    const { length } = this.#options;
    let position = from;
    while (position + storedMessageBytesMin + trailerBytes <= length) {
      this.#load(position, storedMessageBytesMin + trailerBytes);
      const found = this.#bytes.indexOf(magicStart, position - this.#from + magicAt);
      if (found < 0 || found + magicStart.length > this.#to - this.#from) {
        position = Math.max(position + 1, this.#to - magicAt - magicStart.length + 1);
        continue;
      }
      position = this.#from + found - magicAt;
      if (this.#moveTo(position)) return position;
      position += 1;
    }
    return length;
  }

  /**
   * True when the append whose first record stands here was not written whole: no record that belongs to it or comes later is intact
   * behind the first that is not.
   */
  #isTornAppend(position: number): boolean {
    let next = position;
    while (this.#moveTo(next)) {
      next += this.#cursor.size + trailerBytes;
      if (this.#cursor.followCount === 0) {
        this.#judgedTo = next;
        return false;
      }
    }
    this.#judgedTo = next;
    return this.#nextIntact(next) === this.#options.length;
  }

  /** Makes bytes of the file available, as far as it has them. */
  #load(position: number, byteCount: number): void {
    if (position >= this.#from && position + byteCount <= this.#to) return;
    if (byteCount > this.#bytes.length) this.#bytes = Buffer.allocUnsafeSlow(byteCount);
    const { file, length, onUnreadable } = this.#options;
    const count = Math.min(this.#bytes.length, length - position);
    let done = 0;
    try {
      done = file.read(this.#bytes, 0, count, position);
    } catch (error) {
      onUnreadable(position, error);
    }
    this.#bytes.fill(0, done, count);
    this.#from = position;
    this.#to = position + count;
  }
}
