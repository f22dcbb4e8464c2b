import type { Log } from '../../log.ts';
import { storedMessageBytesMin } from '../../remoting/stored-message.ts';
import type { QueueTable } from './queue-table.ts';
import { RecordCursor, trailerBytes } from './record-cursor.ts';
import type { Segment, Segments } from './segments.ts';

/** Read at once in the hope that the record is no longer; a second read follows where it is. */
const firstReadBytes = 8 * 1024;
/** Damaged places that are remembered, so that each is logged once. */
const loggedCountMax = 1_000;

/** Reads single records, each checked: its place, its lengths, its CRC, and that its queue knows it. */
export class RecordReader {
  readonly #segments: Segments;
  readonly #queues: QueueTable;
  readonly #log: Log;
  readonly #cursor = new RecordCursor();
  readonly #firstBytes = Buffer.allocUnsafeSlow(firstReadBytes);
  readonly #logged = new Set<number>();

  constructor(segments: Segments, queues: QueueTable, log: Log) {
    this.#segments = segments;
    this.#queues = queues;
    this.#log = log;
  }

  /** A cursor on the record at an offset of the log, until the next call; undefined where none starts or it is damaged. */
  at(offset: number): RecordCursor | undefined {
    const segment = Number.isSafeInteger(offset) ? this.#segments.at(offset) : undefined;
    if (segment === undefined) return undefined;
    try {
      return this.#moveIn(segment, offset) ? this.#cursor : undefined;
    } catch (error) {
      this.#warn(segment, offset, error);
      return undefined;
    }
  }

  #moveIn(segment: Segment, offset: number): boolean {
    const position = offset - segment.start;
    let bytes = this.#firstBytes;
    const left = segment.length - position;
    const got = segment.file.read(bytes, 0, Math.min(bytes.length, left), position);
    if (got < storedMessageBytesMin + trailerBytes) return false;
    const size = RecordCursor.sizeAt(bytes, 0, offset);
    if (size < 0 || size + trailerBytes > left) {
      if (RecordCursor.seemsToStart(bytes, offset)) this.#warn(segment, offset);
      return false;
    }
    if (size + trailerBytes > got) {
      bytes = Buffer.allocUnsafe(size + trailerBytes);
      segment.file.read(bytes, 0, bytes.length, position);
    }
    if (!this.#cursor.moveTo(bytes, 0, size)) {
      this.#warn(segment, offset);
      return false;
    }
    // Producers choose what stands in a body: bytes in it that look like a record are none.
    const { topic, queueId, queueOffset } = this.#cursor;
    return this.#queues.get(topic, queueId)?.isAt(queueOffset, offset) === true;
  }

  #warn(segment: Segment, offset: number, error?: unknown): void {
    if (this.#logged.has(offset) || this.#logged.size >= loggedCountMax) return;
    this.#logged.add(offset);
    const file = this.#segments.describe(segment);
    this.#log.warn({ file, offset, error }, 'a record of the log is damaged: it is not served');
  }
}
