import type { Json } from '../remoting/json.ts';
import { readJson } from '../remoting/json.ts';
import { decodeStoredMessages } from '../remoting/stored-message.ts';
import { type LogEntry, type MessageDraft, type MessageStore, StoreError } from './store/message-store.ts';
import { engineTopicPrefix } from './store/store-options.ts';

/** Topic of the records that hold changes of state. */
const stateTopic = `${engineTopicPrefix}STATE`;
/** Most changes of one record: what one write may hold up. */
const changesPerRecordMax = 1_000;
/** Most characters of changes in one record, but for a first one that is larger by itself: the store takes records of 4 MiB. */
const charsPerRecordMax = 1_000_000;

/**
 * A part of the engine whose state outlives the process. A change says what is so from now on, never by how much it differs: it may be
 * applied twice.
 */
export interface StatePart {
  /** Stands in the log: never change it. */
  readonly name: string;
  /** All of the state, as JSON. */
  snapshot(): Json;
  /** Takes the place of all state; called on an empty part only. */
  restore(snapshot: Json): void;
  /** @throws Error on a change that makes no sense: it is logged and left out. */
  apply(change: Json): void;
}

interface Waiting {
  readonly text: string;
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * Keeps the changes of state in the commit log, so that one log with one order holds everything. What is asked for while a record
 * is being written goes into the next one.
 */
export class StateLog {
  readonly #parts: ReadonlyMap<string, StatePart>;
  #store: MessageStore | undefined;
  #saveAll: () => void = () => {};
  #waiting: Waiting[] = [];
  #writing = false;
  /** True: changes were applied that the log does not have. What comes behind them in the log might make no sense without them. */
  #isBehind = false;

  constructor(parts: readonly StatePart[]) {
    this.#parts = new Map(parts.map((part) => [part.name, part]));
  }

  /**
   * From now on changes are written to this store. Without one, as in memory, they are applied and that is all.
   * @param saveAll Stores the whole state elsewhere. Called before the next change where changes could not be stored.
   */
  attach(store: MessageStore, saveAll: () => void): void {
    this.#store = store;
    this.#saveAll = saveAll;
  }

  /** For what should not begin where its changes cannot be stored. @throws StoreError where that is known. */
  checkStores(): void {
    if (this.#isBehind) this.#catchUp();
  }

  /**
   * Applies a change at once, and resolves when it is stored: a reply that says so must wait for that.
   * @throws StoreError when it was not stored. It stays applied: it is stored with the whole state before any other change is.
   */
  write(part: StatePart, change: Json): Promise<void> {
    part.apply(change);
    if (this.#store === undefined) return Promise.resolve();
    const text = JSON.stringify([part.name, change]);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ text, resolve, reject });
      if (!this.#writing) void this.#writeWaiting(this.#store);
    });
  }

  snapshot(): Json {
    return Object.fromEntries([...this.#parts].map(([name, part]) => [name, part.snapshot()]));
  }

  restore(snapshot: Json): void {
    for (const [name, part] of this.#parts) {
      const own =
        typeof snapshot === 'object' && snapshot !== null ? (snapshot as Record<string, Json>)[name] : undefined;
      if (own !== undefined) part.restore(own);
    }
  }

  /** True for records that are ours; their changes are applied. @throws Error when one makes no sense; all others are applied. */
  replay(entry: LogEntry): boolean {
    if (entry.topic !== stateTopic) return false;
    const changes = readJson(decodeStoredMessages(entry.record)[0]?.body ?? Buffer.from('[]'));
    if (!Array.isArray(changes)) throw new Error('a record of state is not a list of changes');
    const errors: unknown[] = [];
    for (const change of changes as readonly Json[]) {
      const [name, value] = Array.isArray(change) ? (change as readonly Json[]) : [];
      if (typeof name !== 'string' || value === undefined) continue;
      try {
        this.#parts.get(name)?.apply(value);
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
    return true;
  }

  /** Resolves once nothing waits to be stored. */
  async settled(): Promise<void> {
    while (this.#writing) await new Promise((resolve) => setImmediate(resolve));
  }

  async #writeWaiting(store: MessageStore | undefined): Promise<void> {
    this.#writing = true;
    // What else is asked for now goes into the same record.
    await new Promise<void>((resolve) => process.nextTick(resolve));
    while (this.#waiting.length > 0) {
      const batch = this.#takeBatch();
      try {
        this.checkStores();
        await store?.append([draftOf(`[${batch.map(({ text }) => text).join(',')}]`)]);
        for (const { resolve } of batch) resolve();
      } catch (error) {
        this.#isBehind = true;
        for (const { reject } of batch) reject(error);
      }
    }
    this.#writing = false;
  }

  /** @throws StoreError */
  #catchUp(): void {
    try {
      this.#saveAll();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new StoreError('io', `what is so cannot be stored, so nothing may change: ${reason}`, error);
    }
    this.#isBehind = false;
  }

  /** What goes into the next record. */
  #takeBatch(): Waiting[] {
    let count = 0;
    let charCount = 0;
    for (const { text } of this.#waiting) {
      charCount += text.length;
      if (count === changesPerRecordMax || (count > 0 && charCount > charsPerRecordMax)) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }
}

function draftOf(text: string): MessageDraft {
  return {
    topic: stateTopic,
    queueId: 0,
    flag: 0,
    sysFlag: 0,
    bornTimestampMs: 0,
    bornHost: '127.0.0.1:0',
    reconsumeTimes: 0,
    replaces: 0,
    body: Buffer.from(text),
    properties: new Map(),
  };
}
