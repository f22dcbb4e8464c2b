/** What is to be stored: everything of a message but its place and time, which the store gives. */
export interface MessageDraft {
  readonly topic: string;
  readonly queueId: number;
  /** User flag. */
  readonly flag: number;
  /** `SysFlag` bits; those of the addresses follow from the addresses. */
  readonly sysFlag: number;
  readonly bornTimestampMs: number;
  /** Address of the producer: `ip:port` or `[ip]:port`. */
  readonly bornHost: string;
  readonly reconsumeTimes: number;
  /**
   * Commit log offset of the record that this one takes the place of: the half message that it commits, the delayed message that it
   * delivers; 0 for none, which no message ever has. Both happen in one write, so a crash leaves neither twice nor lost.
   */
  readonly replaces: number;
  readonly body: Buffer;
  readonly properties: ReadonlyMap<string, string>;
}

/** Where a message was stored. Offsets are numbers inside the engine: its log stays far below 9 petabytes. */
export interface StoredPlace {
  readonly queueOffset: number;
  readonly commitLogOffset: number;
  /** Bytes of the record in RocketMQ's layout. */
  readonly size: number;
  readonly storeTimestampMs: number;
}

/** One message of a queue's index. */
export interface QueueEntry {
  readonly commitLogOffset: number;
  readonly size: number;
  /** Java hash of the whole TAGS text; 0 without tags. For records of the delay topic: not meaningful. */
  readonly tagsCode: number;
}

/** A record as the log tells of it: at start for each that it holds, in log order; later for each that was written. */
export interface LogEntry extends StoredPlace {
  readonly topic: string;
  readonly queueId: number;
  /** See `MessageDraft.replaces`. */
  readonly replaces: number;
  /** The record in RocketMQ's layout, for `decodeStoredMessages`. A view: copy what must stay. */
  readonly record: Buffer;
}

export interface QueueName {
  readonly topic: string;
  readonly queueId: number;
}

/**
 * - `full`: the disk has no room; nothing was stored, later sends may succeed.
 * - `io`: the disk failed; nothing of this was stored for sure.
 * - `refused`: topic, properties or size cannot be stored, ever.
 * - `overloaded`: too much waits to be written.
 * - `closed`: the store is closed.
 */
export type StoreErrorKind = 'full' | 'io' | 'refused' | 'overloaded' | 'closed';

export class StoreError extends Error {
  readonly kind: StoreErrorKind;

  constructor(kind: StoreErrorKind, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'StoreError';
    this.kind = kind;
  }
}

/** Which of several messages with one store time `offsetAt` means. */
export type OffsetBoundary = 'lower' | 'upper';

export interface KeySearch {
  readonly topic: string;
  readonly key: string;
  /** True: `key` is a UNIQ_KEY; false: one of KEYS. */
  readonly unique: boolean;
  readonly countMax: number;
  readonly beginTimestampMs: number;
  readonly endTimestampMs: number;
}

/** The commit log with its queue and key indexes. */
export interface MessageStore {
  /**
   * Stores the drafts one behind the other, all or none, and resolves once they are written as durably as the flush mode says;
   * only then can they be read. Queues that do not exist are made.
   * @throws StoreError
   */
  append(drafts: readonly MessageDraft[]): Promise<readonly StoredPlace[]>;
  /** Offset of the first message that is there, or of the next one in an empty queue; 0 for a queue that does not exist. */
  minOffset(topic: string, queueId: number): number;
  /** Offset that the next message gets; 0 for a queue that does not exist. */
  maxOffset(topic: string, queueId: number): number;
  /** Undefined: no such offset, or what stands there is damaged and is to be passed over. */
  entry(topic: string, queueId: number, queueOffset: number): QueueEntry | undefined;
  /**
   * The record that starts at an offset, checked, in a buffer of its own; undefined where none starts, it is damaged (which is logged), or
   * its topic was dropped.
   */
  read(commitLogOffset: number): Buffer | undefined;
  /**
   * Offset of the first message stored at or after a time (`lower`), max where all are older; or of the last one stored at or before it
   * (`upper`), min where all are younger (Java `ConsumeQueue.getOffsetInQueueByTime`). Max of an empty queue, 0 of none.
   */
  offsetAt(topic: string, queueId: number, timestampMs: number, boundary: OffsetBoundary): number;
  /** Newest first, commit log offsets of messages whose key is (very likely: hashes) the one searched. */
  find(search: KeySearch): number[];
  /** Forgets the queues of a topic; when the topic is made again they start at 0. Ends up in the log. */
  dropTopic(topic: string): Promise<void>;
  /** No queue of this topic starts below what its groups have reached: an offset that was consumed is never given to another message. */
  raiseMaxOffset(topic: string, queueId: number, offset: number): void;
  /** Store time of the message at a queue offset; -1 where there is none. */
  storeTimestamp(topic: string, queueId: number, queueOffset: number): number;
  queues(): Iterable<QueueName>;
  /** First byte that is still there, and the one behind the last record that `onEntry` was told of. */
  readonly minCommitLogOffset: number;
  readonly maxCommitLogOffset: number;
  /** Writes what waits, then lets go of all files. A second call waits for the first. */
  close(): Promise<void>;
}
