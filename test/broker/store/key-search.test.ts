import { describe, expect, test } from 'vitest';
import { MemoryFiles } from '../../../src/broker/store/memory-files.ts';
import type { KeySearch } from '../../../src/broker/store/message-store.ts';
import { newFolder, openStore, store1, TestClock } from './support.ts';

const search = (key: string, changes: Partial<KeySearch> = {}): KeySearch => ({
  topic: 'orders',
  key,
  unique: false,
  countMax: 10,
  beginTimestampMs: 0,
  endTimestampMs: Number.POSITIVE_INFINITY,
  ...changes,
});
const keys = (KEYS: string, UNIQ_KEY = 'u') => ({
  properties: new Map([
    ['KEYS', KEYS],
    ['UNIQ_KEY', UNIQ_KEY],
  ]),
});

describe('a search', () => {
  test('finds the messages of a topic with one of several keys, newest first, over segments and starts', async () => {
    const directory = newFolder();
    const options = { directory, segmentBytes: 1_000 };
    let store = await openStore(options);
    const offsets: number[] = [];
    for (let number = 0; number < 20; number += 1) {
      const { commitLogOffset } = await store1(store, 'x'.repeat(200), keys(`k${number % 2} all all`));
      offsets.unshift(commitLogOffset);
    }
    await store1(store, 'x', { topic: 'other', ...keys('all') });
    const odd = offsets.filter((_, index) => index % 2 === 0);
    for (let round = 0; round < 2; round += 1) {
      expect(store.find(search('all', { countMax: 100 }))).toEqual(offsets);
      expect(store.find(search('all', { countMax: 3 }))).toEqual(offsets.slice(0, 3));
      expect(store.find(search('k1'))).toEqual(odd);
      expect(store.find(search('k'))).toEqual([]);
      expect(store.find(search('all', { topic: 'third' }))).toEqual([]);
      await store.close();
      store = await openStore(options);
    }
  });

  test('tells the unique key from the others', async () => {
    const store = await openStore();
    const first = await store1(store, 'a', keys('same', 'unique'));
    const second = await store1(store, 'b', keys('unique', 'same'));
    expect(store.find(search('unique', { unique: true }))).toEqual([first.commitLogOffset]);
    expect(store.find(search('unique'))).toEqual([second.commitLogOffset]);
  });

  test('looks at the time, bounds included', async () => {
    const clock = new TestClock();
    const store = await openStore({ clock });
    const start = clock.now();
    const offsets: number[] = [];
    for (let number = 0; number < 4; number += 1) {
      offsets.push((await store1(store, 'x', keys('k'))).commitLogOffset);
      clock.move(10);
    }
    expect(store.find(search('k', { beginTimestampMs: start + 10, endTimestampMs: start + 20 }))).toEqual([
      offsets[2],
      offsets[1],
    ]);
  });

  test('passes over damaged messages and those that are gone', async () => {
    const files = new MemoryFiles();
    const store = await openStore({ segmentBytes: 1_000, retentionBytes: 4_000 }, files);
    for (let number = 0; number < 40; number += 1) await store1(store, 'x'.repeat(300), keys('k'));
    const kept = store.find(search('k', { countMax: 100 }));
    expect(kept.length).toBe(40 - store.minOffset('orders', 0));
    const [damaged = 0] = kept;
    const last = files.list().at(-1);
    files.open(last?.start ?? 0).write(Buffer.from([0xff]), damaged + 100 - (last?.start ?? 0));
    expect(store.find(search('k', { countMax: 100 }))).toEqual(kept.slice(1));
  });

  test('gives up on a key that very many messages share, instead of reading them all', async () => {
    const store = await openStore();
    const drafts = Array.from({ length: 10_001 }, () => store1(store, 'x', keys('k', 'u')));
    const places = await Promise.all(drafts);
    const oldest = places[0]?.storeTimestampMs ?? 0;
    expect(store.find(search('k', { countMax: 20_000 })).length).toBe(10_000);
    expect(store.find(search('k', { endTimestampMs: oldest - 1 }))).toEqual([]);
  });
});
