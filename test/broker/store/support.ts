import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Clock } from '../../../src/broker/clock.ts';
import type { LogFile, LogFiles } from '../../../src/broker/store/log-files.ts';
import type { LogEntry, MessageDraft, MessageStore, StoredPlace } from '../../../src/broker/store/message-store.ts';
import { openLogStore, openMessageStore } from '../../../src/broker/store/open-store.ts';
import { RecordCursor, writeTrailer } from '../../../src/broker/store/record-cursor.ts';
import type { StoreOptions } from '../../../src/broker/store/store-options.ts';
import { WriteBuffer } from '../../../src/broker/store/write-buffer.ts';
import type { Log } from '../../../src/log.ts';
import { decodeStoredMessages, type StoredMessage } from '../../../src/remoting/stored-message.ts';

export const storeHost = '127.0.0.1:10911';

/** A message to store. */
export function draft(changes: Partial<MessageDraft> = {}): MessageDraft {
  return {
    topic: 'orders',
    queueId: 0,
    flag: 0,
    sysFlag: 0,
    bornTimestampMs: 1_700_000_000_000,
    bornHost: '127.0.0.1:50000',
    reconsumeTimes: 0,
    replaces: 0,
    body: Buffer.from('body'),
    properties: new Map([['UNIQ_KEY', '7F0000010001']]),
    ...changes,
  };
}

/** A folder that goes with the test. */
export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'store-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A store that is closed with the test: in memory, unless told otherwise. */
export async function openStore(options: Partial<StoreOptions> = {}, files?: LogFiles): Promise<MessageStore> {
  const all = { directory: undefined, storeHost, clock: new TestClock(), ...options };
  const store = await (files === undefined ? openMessageStore(all) : openLogStore(all, files, () => {}));
  onTestFinished(() => store.close());
  return store;
}

/** A clock that stands still until it is moved. */
export class TestClock implements Clock {
  #nowMs = 1_700_000_000_000;
  readonly #waiting: { readonly timeMs: number; readonly run: () => void }[] = [];

  now(): number {
    return this.#nowMs;
  }

  get timerCount(): number {
    return this.#waiting.length;
  }

  at(timeMs: number, run: () => void): () => void {
    const waiting = { timeMs, run };
    this.#waiting.push(waiting);
    return () => {
      const index = this.#waiting.indexOf(waiting);
      if (index >= 0) this.#waiting.splice(index, 1);
    };
  }

  move(byMs: number): void {
    this.#nowMs += byMs;
    for (const waiting of [...this.#waiting]) {
      if (waiting.timeMs > this.#nowMs) continue;
      this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
      waiting.run();
    }
  }
}

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

/** Keeps what is logged. */
export function keptLog(): { readonly log: Log; readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const at = (level: string) => (fields: object, message: string) => void lines.push({ ...fields, level, message });
  return { log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }, lines };
}

/** The message at a place; undefined where the store gives none. */
export function messageAt(store: MessageStore, commitLogOffset: number): StoredMessage | undefined {
  const record = store.read(commitLogOffset);
  return record === undefined ? undefined : decodeStoredMessages(record)[0];
}

export function bodyAt(store: MessageStore, commitLogOffset: number | undefined): string | undefined {
  return commitLogOffset === undefined ? undefined : messageAt(store, commitLogOffset)?.body.toString();
}

/** Bodies of all messages of a queue that can be read, by queue offset. */
export function bodiesOf(store: MessageStore, topic = 'orders', queueId = 0): Map<number, string> {
  const bodies = new Map<number, string>();
  for (let offset = store.minOffset(topic, queueId); offset < store.maxOffset(topic, queueId); offset += 1) {
    const body = bodyAt(store, store.entry(topic, queueId, offset)?.commitLogOffset);
    if (body !== undefined) bodies.set(offset, body);
  }
  return bodies;
}

/** Stores one message with this body. */
export async function store1(
  store: MessageStore,
  body: string,
  changes: Partial<MessageDraft> = {},
): Promise<StoredPlace> {
  const [place] = await store.append([draft({ body: Buffer.from(body), ...changes })]);
  if (place === undefined) throw new Error('the store gave no place');
  return place;
}

/** Keeps entries, with records of their own. */
export function keptEntries(): { readonly onEntry: (entry: LogEntry) => void; readonly entries: LogEntry[] } {
  const entries: LogEntry[] = [];
  return { onEntry: (entry) => void entries.push({ ...entry, record: Buffer.from(entry.record) }), entries };
}

/** The bytes of appends as a log that starts at `start` holds them: each of a list of drafts. */
export function logBytes(start: number, appends: readonly (readonly MessageDraft[])[], queueOffset = 0): Buffer {
  const buffer = new WriteBuffer(storeHost);
  const cursor = new RecordCursor();
  let nextOffset = queueOffset;
  for (const drafts of appends) {
    for (const [index, one] of drafts.entries()) {
      const record = buffer.add(one);
      cursor.moveToNew(buffer.bytes, record.start, record.size);
      cursor.setPlace(nextOffset, start + record.start, 1_700_000_000_000);
      nextOffset += 1;
      writeTrailer(buffer.bytes, record.start, record.start + record.size, drafts.length - 1 - index);
    }
  }
  return Buffer.from(buffer.bytes.subarray(0, buffer.length));
}

/** What a file of the log may be told to do instead of its work. */
export interface Faults {
  write?: (() => void) | undefined;
  sync?: (() => Promise<void>) | undefined;
  truncate?: (() => void) | undefined;
  read?: ((position: number) => void) | undefined;
  syncCount: number;
}

/** Other files with faults: what a fault throws is thrown; otherwise the work is done. */
export function faulty(files: LogFiles, faults: Faults): LogFiles {
  const wrap = (file: LogFile): LogFile => ({
    write: (bytes, position) => {
      // A disk may take a part before it fails.
      if (faults.write !== undefined) file.write(bytes.subarray(0, bytes.length >> 1), position);
      faults.write?.();
      file.write(bytes, position);
    },
    read: (target, targetStart, length, position) => {
      faults.read?.(position);
      return file.read(target, targetStart, length, position);
    },
    sync: async () => {
      faults.syncCount += 1;
      await faults.sync?.();
      await file.sync();
    },
    truncate: (length) => {
      faults.truncate?.();
      file.truncate(length);
    },
    close: () => file.close(),
  });
  return {
    list: () => files.list(),
    open: (start) => wrap(files.open(start)),
    create: (start) => wrap(files.create(start)),
    remove: (start) => files.remove(start),
    describe: (start) => files.describe(start),
    close: () => files.close(),
  };
}

/** An error as the operating system makes them. */
export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: the disk says so`), { code });
}
