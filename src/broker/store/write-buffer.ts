import {
  bodyCrcOf,
  type StoredMessage,
  storedMessageBytesMax,
  writeStoredMessage,
} from '../../remoting/stored-message.ts';
import type { MessageDraft, StoredPlace } from './message-store.ts';
import type { QueueIndex } from './queue-index.ts';
import { trailerBytes } from './record-cursor.ts';

const firstBytes = 64 * 1024;
/** A buffer that grew beyond this is not kept for the next write. */
const keptBytesMax = 4 * 1024 * 1024;

/** A record that waits to be written: complete but for its offsets, its time and its trailer. */
export interface WaitingRecord {
  readonly topic: string;
  readonly queueId: number;
  readonly replaces: number;
  /** Where it stands in the buffer, and its length without the trailer. */
  readonly start: number;
  readonly size: number;
  /** The queue that gave it its offset; undefined until then. */
  queue: QueueIndex | undefined;
}

/** What one call of `append` brought. */
export interface WaitingAppend {
  readonly records: readonly WaitingRecord[];
  /** Where its bytes start and end in the buffer. */
  readonly start: number;
  readonly end: number;
  resolve(places: readonly StoredPlace[]): void;
  reject(error: unknown): void;
}

/** Encodes the records that wait one behind the other, so that one write takes them all. */
export class WriteBuffer {
  readonly #storeHost: string;
  #bytes = Buffer.allocUnsafeSlow(firstBytes);
  #length = 0;
  appends: WaitingAppend[] = [];

  constructor(storeHost: string) {
    this.#storeHost = storeHost;
  }

  get length(): number {
    return this.#length;
  }

  get bytes(): Buffer {
    return this.#bytes;
  }

  /**
   * Adds a record at the end.
   * @throws RemotingError `malformed`, and adds nothing, when the draft has no encoding.
   */
  add(draft: MessageDraft): WaitingRecord {
    const start = this.#length;
    this.#makeRoom(storedMessageBytesMax(draft) + trailerBytes);
    const { topic, queueId, replaces, body } = draft;
    // Not by spreading the draft, which would take longer than all the rest.
    const message: StoredMessage = {
      topic,
      queueId,
      queueOffset: 0n,
      commitLogOffset: 0n,
      flag: draft.flag,
      sysFlag: draft.sysFlag,
      bornTimestampMs: draft.bornTimestampMs,
      bornHost: draft.bornHost,
      storeTimestampMs: 0,
      storeHost: this.#storeHost,
      reconsumeTimes: draft.reconsumeTimes,
      preparedTransactionOffset: replaces === 0 ? 0n : BigInt(replaces),
      bodyCrc: bodyCrcOf(body),
      body,
      properties: draft.properties,
    };
    const size = writeStoredMessage(message, this.#bytes, start) - start;
    this.#length = start + size + trailerBytes;
    return { topic, queueId, replaces, start, size, queue: undefined };
  }

  /** Takes back what was added behind a length. */
  cut(length: number): void {
    this.#length = length;
  }

  clear(): void {
    this.appends = [];
    this.#length = 0;
    if (this.#bytes.length > keptBytesMax) this.#bytes = Buffer.allocUnsafeSlow(firstBytes);
  }

  #makeRoom(byteCount: number): void {
    const needed = this.#length + byteCount;
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#bytes.length));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}

/** A record that the store writes for itself. */
export function ownDraft(topic: string, body: Buffer, nowMs: number, host: string): MessageDraft {
  return {
    topic,
    queueId: 0,
    flag: 0,
    sysFlag: 0,
    bornTimestampMs: nowMs,
    bornHost: host,
    reconsumeTimes: 0,
    replaces: 0,
    body,
    properties: new Map(),
  };
}
