import type { Engine } from './engine.ts';
import type { LogEntry, MessageDraft } from './store/message-store.ts';

/** Half messages, until their transactions end. */
export class HalfMessages {
  /** The record that is stored for a message of a transaction that has not ended. */
  toHalf(draft: MessageDraft): MessageDraft {
    return draft;
  }

  /** Learns from a record of the log which half messages wait, and which do no more. */
  onEntry(_entry: LogEntry): void {}

  /** Begins to ask producers. */
  start(_engine: Engine): void {}

  /** The lowest commit log offset that is still needed; Infinity where none is. */
  oldestOffset(): number {
    return Number.POSITIVE_INFINITY;
  }

  close(): void {}
}
