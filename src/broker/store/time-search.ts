import type { OffsetBoundary } from './message-store.ts';
import { lowest, type QueueIndex } from './queue-index.ts';
import type { RecordReader } from './record-reader.ts';

/** See `MessageStore.offsetAt`. Exact as long as the clock of the broker is not set back. */
export function offsetAtTime(
  queue: QueueIndex,
  reader: RecordReader,
  timestampMs: number,
  boundary: OffsetBoundary,
): number {
  const { minOffset, maxOffset } = queue;
  const isWanted = (timeMs: number): boolean => (boundary === 'lower' ? timeMs >= timestampMs : timeMs > timestampMs);
  const found =
    minOffset + lowest(maxOffset - minOffset, (index) => isWanted(timeAtOrBehind(queue, reader, minOffset + index)));
  if (boundary === 'lower' || found === minOffset) return queue.next(found);
  // Offsets without a message count as those behind them, so there is one at the offset before.
  return found - 1;
}

/** Store time of the first message at an offset or behind it that can be read; no time is late enough where none is. */
function timeAtOrBehind(queue: QueueIndex, reader: RecordReader, queueOffset: number): number {
  for (let offset = queue.next(queueOffset); offset < queue.maxOffset; offset = queue.next(offset + 1)) {
    const entry = queue.entry(offset);
    const timeMs = entry === undefined ? undefined : reader.at(entry.commitLogOffset)?.storeTimestampMs;
    if (timeMs !== undefined) return timeMs;
  }
  return Number.POSITIVE_INFINITY;
}
