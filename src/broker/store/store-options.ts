import type { Log } from '../../log.ts';
import { encodeStoredHost } from '../../remoting/stored-host.ts';
import { systemTopicPrefix } from '../../remoting/topic-names.ts';
import type { Clock } from '../clock.ts';
import type { LogEntry, MessageStore } from './message-store.ts';

/**
 * When a send counts as stored:
 * - `async`: when the operating system has it. It survives the end of the process, however sudden; a power loss costs what was stored in
 *   the last `flushIntervalMs`.
 * - `sync`: when the disk has it. Sends that wait at the same time share one flush of the disk.
 */
export type FlushMode = 'async' | 'sync';

export interface StoreOptions {
  /** Folder of the store, made where it does not exist. Undefined: everything is kept in memory and ends with the process. */
  readonly directory: string | undefined;
  /** Address of the broker, `ip:port` or `[ip]:port`, as records hold it and message ids tell it. */
  readonly storeHost: string;
  /** Time of the records and of retention. */
  readonly clock: Clock;
  /** Default: `async`, as RocketMQ's own (Java `FlushDiskType`). Without effect in memory. */
  readonly flush?: FlushMode;
  /** With `async`: how long, in ms, a record may wait for the disk. Default: 500, as RocketMQ's own. */
  readonly flushIntervalMs?: number;
  /**
   * Size at which a segment ends, at most 4 GiB; one append that is larger gets a larger segment of its own. Default: 64 MiB on disk, so
   * that retention gives back little at a time and few files are open; 16 MiB in memory.
   */
  readonly segmentBytes?: number;
  /** Age in ms at which messages may go. Default: 72 hours, as RocketMQ's own (Java `MessageStoreConfig.fileReservedTime`). */
  readonly retentionMs?: number;
  /**
   * Bytes of log above which the oldest messages go. Default: 1 GiB on disk, which takes up to a tenth of that in memory, for the indexes, and
   * about 4 s at a start; 256 MiB in memory.
   */
  readonly retentionBytes?: number;
  /** Nothing at this commit log offset or behind it may go. Default: anything may. */
  readonly retainFrom?: () => number;
  /** Called when the oldest part of the log would go but for `retainFrom`, with the offsets of its start and end. It must not throw. */
  readonly onHeld?: (startOffset: number, endOffset: number) => void;
  /**
   * Called for each intact record of the log, in its order, while the store opens, and for each that was written, before its append
   * resolves. Of the store's own records it gets those of dropped topics (`engineTopics.drop`). It must not throw.
   */
  readonly onEntry?: (entry: LogEntry, store: MessageStore) => void;
  /** Bytes that may wait to be written; what comes then is refused as `overloaded`. Default: 64 MiB, 16 of the largest messages. */
  readonly waitingBytesMax?: number;
  readonly log?: Log;
}

/** The same, complete. */
export type CompleteStoreOptions = Required<StoreOptions>;

const mib = 1024 * 1024;
const gib = 1024 * mib;
const hourMs = 3_600_000;

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

/**
 * @throws RangeError on a segment size that cannot be.
 * @throws RemotingError `malformed` on a store host that is no address.
 */
export function completeStoreOptions(options: StoreOptions): CompleteStoreOptions {
  const inMemory = options.directory === undefined;
  const complete = {
    flush: 'async' as const,
    flushIntervalMs: 500,
    segmentBytes: inMemory ? 16 * mib : 64 * mib,
    retentionMs: 72 * hourMs,
    retentionBytes: inMemory ? 256 * mib : gib,
    retainFrom: () => Number.POSITIVE_INFINITY,
    onHeld: () => {},
    onEntry: () => {},
    waitingBytesMax: 64 * mib,
    log: silent,
    ...options,
    // Memory has nothing to wait for: no timer is needed.
    ...(inMemory ? { flush: 'sync' as const } : {}),
  };
  if (!Number.isInteger(complete.segmentBytes) || complete.segmentBytes < 1 || complete.segmentBytes > 4 * gib) {
    throw new RangeError(`segmentBytes is ${complete.segmentBytes}; give 1 to ${4 * gib}`);
  }
  encodeStoredHost(complete.storeHost);
  return complete;
}

/** How the topics of the engine's own records begin: no message may have one of them. */
export const engineTopicPrefix = `${systemTopicPrefix}ENGINE_`;

/** Topics of the store's own records. */
export const engineTopics = {
  /** Starts each segment: format version and time, as JSON. */
  log: `${engineTopicPrefix}LOG`,
  /** Says that the topic named by its body was dropped. */
  drop: `${engineTopicPrefix}DROP`,
} as const;
