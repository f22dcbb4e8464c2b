import type { Log } from '../../log.ts';
import { storedMessageBytesMin } from '../../remoting/stored-message.ts';
import type { QueueTable } from './queue-table.ts';
import { RecordCursor, trailerBytes } from './record-cursor.ts';
import type { Segment, Segments } from './segments.ts';

/** Read at once: mostly more than one record, since who reads one will read those behind it. */
const windowBytes = 8 * 1024;
/** The same for who reads on: consumers of one queue jump over the records of the others. */
const longWindowBytes = 64 * 1024;
const recordBytesMin = storedMessageBytesMin + trailerBytes;
/** Damaged places that are remembered, so that each is logged once. */
const loggedCountMax = 1_000;

/** Reads single records, each checked: its place, its lengths, its CRC, and that its queue knows it. */
export class RecordReader {
  readonly #segments: Segments;
  readonly #queues: QueueTable;
  readonly #log: Log;
  readonly #cursor = new RecordCursor();
  /** What was read last, of which segment and from which position to which. Records do not change, so it stays true. */
  readonly #window = Buffer.allocUnsafeSlow(longWindowBytes);
  #windowOf: Segment | undefined;
  #from = 0;
  #to = 0;
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
    const left = segment.length - position;
    if (left < recordBytesMin) return false;
    this.#load(segment, position, recordBytesMin);
    const size = RecordCursor.sizeAt(this.#window, position - this.#from, offset);
    if (size < 0 || size + trailerBytes > left) {
      if (RecordCursor.seemsToStart(this.#window, position - this.#from, offset)) this.#warn(segment, offset);
      this.#windowOf = undefined;
      return false;
    }
    if (!this.#moveTo(segment, position, size)) {
      // The next one asks the disk again.
      this.#windowOf = undefined;
      this.#warn(segment, offset);
      return false;
    }
    // Producers choose what stands in a body: bytes in it that look like a record are none.
    const { topic, queueId, queueOffset } = this.#cursor;
    return this.#queues.get(topic, queueId)?.isAt(queueOffset, offset) === true;
  }

  #moveTo(segment: Segment, position: number, size: number): boolean {
    const byteCount = size + trailerBytes;
    if (byteCount <= longWindowBytes) {
      this.#load(segment, position, byteCount);
      return this.#cursor.moveTo(this.#window, position - this.#from, size);
    }
    const bytes = Buffer.allocUnsafe(byteCount);
    return segment.file.read(bytes, 0, byteCount, position) === byteCount && this.#cursor.moveTo(bytes, 0, size);
  }

  /** Has bytes of a segment in the window; where the file ends before them, zeros. */
  #load(segment: Segment, position: number, byteCount: number): void {
    const isSame = segment === this.#windowOf && position >= this.#from;
    if (isSame && position + byteCount <= this.#to) return;
    const readsOn = isSame && position <= this.#to + longWindowBytes;
    const wanted = Math.max(byteCount, readsOn ? longWindowBytes : windowBytes);
    const length = Math.min(wanted, segment.length - position);
    // Not to be taken for what it was if reading fails.
    this.#windowOf = undefined;
    const got = segment.file.read(this.#window, 0, length, position);
    this.#window.fill(0, got, length);
    this.#windowOf = segment;
    this.#from = position;
    this.#to = position + length;
  }

  #warn(segment: Segment, offset: number, error?: unknown): void {
    if (this.#logged.has(offset) || this.#logged.size >= loggedCountMax) return;
    this.#logged.add(offset);
    const file = this.#segments.describe(segment);
    this.#log.warn({ file, offset, error }, 'a record of the log is damaged: it is not served');
  }
}
