import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/broker/clock.ts';
import type { LogEntry, MessageStore } from '../../../src/broker/store/message-store.ts';
import { openMessageStore } from '../../../src/broker/store/open-store.ts';
import type { StoreOptions } from '../../../src/broker/store/store-options.ts';
import { decodeStoredMessages } from '../../../src/remoting/stored-message.ts';
import { draft } from './support.ts';

const folders: string[] = [];
const stores: MessageStore[] = [];

afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'store-'));
  folders.push(folder);
  return folder;
}

async function open(options: Partial<StoreOptions> = {}): Promise<MessageStore> {
  const store = await openMessageStore({
    directory: undefined,
    storeHost: '127.0.0.1:10911',
    clock: systemClock,
    ...options,
  });
  stores.push(store);
  return store;
}

describe.each([
  ['in memory', () => ({})],
  ['on disk', () => ({ directory: newFolder() })],
  ['on disk, flushed', () => ({ directory: newFolder(), flush: 'sync' as const })],
])('a store %s', (_name, options) => {
  test('gives back what was stored', async () => {
    const store = await open(options());
    const [place] = await store.append([draft({ body: Buffer.from('hello') })]);
    if (place === undefined) throw new Error('no place');
    expect(place.queueOffset).toBe(0);
    expect(place.commitLogOffset).toBeGreaterThan(0);
    const [message] = decodeStoredMessages(store.read(place.commitLogOffset) ?? Buffer.alloc(0));
    expect(message?.body.toString()).toBe('hello');
    expect(message?.commitLogOffset).toBe(BigInt(place.commitLogOffset));
    expect(message?.queueOffset).toBe(0n);
    expect(store.entry('orders', 0, 0)).toMatchObject({ commitLogOffset: place.commitLogOffset, size: place.size });
    expect(store.maxOffset('orders', 0)).toBe(1);
  });
});

test('a log that is opened again tells of the same', async () => {
  const directory = newFolder();
  const written: LogEntry[] = [];
  const first = await open({
    directory,
    onEntry: (entry) => written.push({ ...entry, record: Buffer.from(entry.record) }),
  });
  await Promise.all(
    Array.from({ length: 50 }, (_, n) => first.append([draft({ queueId: n % 3 }), draft({ queueId: 1 })])),
  );
  await first.close();
  const read: LogEntry[] = [];
  const second = await open({
    directory,
    onEntry: (entry) => read.push({ ...entry, record: Buffer.from(entry.record) }),
  });
  expect(read).toEqual(written);
  expect(second.maxOffset('orders', 1)).toBe(first.maxOffset('orders', 1));
});
