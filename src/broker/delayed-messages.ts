import type { Engine } from './engine.ts';
import type { LogEntry, MessageDraft } from './store/message-store.ts';

/** Messages that wait for their time. */
export class DelayedMessages {
  /**
   * What is to be stored for a message: itself, or, where its properties name a delay, the record that waits in its place.
   * @throws RequestRefused MESSAGE_ILLEGAL on a delay that cannot be.
   */
  route(draft: MessageDraft): MessageDraft {
    return draft;
  }

  /** Learns from a record of the log what waits, and what waits no more. */
  onEntry(_entry: LogEntry): void {}

  /** Begins to deliver. */
  start(_engine: Engine): void {}

  /** The lowest commit log offset that is still needed; Infinity where none is. */
  oldestOffset(): number {
    return Number.POSITIVE_INFINITY;
  }

  close(): void {}
}
