import type { Log } from '../../log.ts';
import type { LogFiles } from './log-files.ts';
import { StoreError } from './message-store.ts';
import { type RecordCursor, trailerBytes } from './record-cursor.ts';
import { SegmentScan } from './segment-scan.ts';
import type { Segment, Segments } from './segments.ts';

/** From this many ms on a long start tells how far it is, again after as many. */
const progressIntervalMs = 2_000;

/** Called with each intact record of the log, in order; the cursor is on it. */
export type OnRecord = (segment: Segment, cursor: RecordCursor) => void;

/**
 * Reads the files of the log. Damaged records are logged and passed over; what stands behind the last intact one is cut off, for it was
 * not written whole.
 * @throws StoreError `io` when a file cannot be opened or cut: to go on would lose what is in it.
 */
export async function recover(files: LogFiles, segments: Segments, log: Log, onRecord: OnRecord): Promise<void> {
  const found = files.list();
  let toldMs = performance.now();
  for (const [index, { start, bytes }] of found.entries()) {
    const next = found[index + 1];
    // A segment ends where the next one begins: what it has behind that was refused, and could not be cut off.
    const length = Math.min(bytes, (next?.start ?? Number.POSITIVE_INFINITY) - start);
    try {
      const segment = segments.open(start, 0);
      scan({ segments, segment, length, log, isLast: next === undefined }, (cursor) => {
        segment.length = cursor.commitLogOffset - start + cursor.size + trailerBytes;
        onRecord(segment, cursor);
      });
      if (next === undefined) await segment.file.sync();
      else segment.keys.trim();
      segment.flushedLength = segment.length;
    } catch (error) {
      if (error instanceof StoreError) throw error;
      const advice = 'look at its rights and its disk, or move it away to start without it';
      throw new StoreError('io', `${files.describe(start)} cannot be read: ${advice}`, error);
    }
    if (performance.now() - toldMs > progressIntervalMs) {
      toldMs = performance.now();
      log.info({ readFileCount: index + 1, fileCount: found.length }, 'the log is being read');
    }
    if (next !== undefined && next.start > start + length) {
      log.warn({ file: files.describe(start), from: start + length, to: next.start }, 'a part of the log is missing');
    }
  }
}

interface Scanned {
  readonly segments: Segments;
  readonly segment: Segment;
  /** Bytes of its file that may belong to it. */
  readonly length: number;
  readonly log: Log;
  readonly isLast: boolean;
}

function scan(scanned: Scanned, onRecord: (cursor: RecordCursor) => void): void {
  const { segments, segment, length, log, isLast } = scanned;
  const { file, start } = segment;
  const name = segments.describe(segment);
  const end = new SegmentScan({
    file,
    start,
    length,
    isLast,
    onRecord,
    onDamage: (from, to) => {
      const facts = { file: name, offset: start + from, bytes: to - from };
      log.warn(facts, 'a part of the log is damaged: it is not served');
    },
    onUnreadable: (position, error) =>
      log.warn({ file: name, offset: start + position, error }, 'the disk does not read'),
  }).run();
  segment.length = isLast ? end : length;
  if (end === length) return;
  const facts = { file: name, offset: start + end, bytes: length - end };
  log.warn(facts, 'the end of the log was not written whole: it is cut off');
  file.truncate(end);
}
