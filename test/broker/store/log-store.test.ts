import { expect, test } from 'vitest';
import type { LogEntry, MessageStore } from '../../../src/broker/store/message-store.ts';
import { trailerBytes } from '../../../src/broker/store/record-cursor.ts';
import { engineTopics } from '../../../src/broker/store/store-options.ts';
import { bodiesOf, bodyAt, draft, keptEntries, keptLog, newFolder, openStore, store1 } from './support.ts';

test('entries are told in the order of the log, before their append resolves, and the same after a start', async () => {
  const directory = newFolder();
  const written = keptEntries();
  const store = await openStore({ directory, onEntry: written.onEntry });
  const appends = Array.from({ length: 20 }, async (_, number) => {
    const places = await store.append([draft({ queueId: number % 3, replaces: number }), draft({ topic: 'other' })]);
    for (const { commitLogOffset } of places) {
      expect(written.entries.some((entry) => entry.commitLogOffset === commitLogOffset)).toBe(true);
    }
  });
  await Promise.all(appends);
  await store.dropTopic('other');
  await store.close();
  expect(written.entries).toHaveLength(41);
  expect(written.entries.at(-1)).toMatchObject({ topic: engineTopics.drop });
  const offsets = written.entries.map(({ commitLogOffset }) => commitLogOffset);
  expect(offsets).toEqual(offsets.toSorted((a, b) => a - b));
  const read = keptEntries();
  await openStore({ directory, onEntry: read.onEntry });
  expect(read.entries).toEqual(written.entries);
});

test('an entry can be read when it is told, and the store can be asked and told then', async () => {
  const seen: unknown[] = [];
  const onEntry = (entry: LogEntry, store: MessageStore): void => {
    seen.push([bodyAt(store, entry.commitLogOffset), store.maxOffset(entry.topic, entry.queueId)]);
    // All that was told of stands before the end of the log, and nothing else.
    expect(store.maxCommitLogOffset).toBe(entry.commitLogOffset + entry.size + trailerBytes);
    store.raiseMaxOffset('raised', 0, entry.queueOffset + 10);
  };
  const directory = newFolder();
  const { lines, log } = keptLog();
  const options = { directory, onEntry, log };
  const store = await openStore(options);
  await Promise.all([store1(store, 'a'), store1(store, 'b')]);
  const told = [
    ['a', 1],
    ['b', 2],
  ];
  expect(seen).toEqual(told);
  await store.close();
  await openStore(options);
  expect(seen).toEqual([...told, ...told]);
  // What `onEntry` throws ends up there.
  expect(lines).toEqual([]);
  expect([store.minOffset('raised', 0), store.maxOffset('raised', 0)]).toEqual([11, 11]);
});

test('who fails at an entry harms neither the send nor what comes after', async () => {
  const { log, lines } = keptLog();
  const store = await openStore({
    log,
    onEntry: () => {
      throw new Error('not today');
    },
  });
  await Promise.all([store1(store, 'a'), store1(store, 'b')]);
  expect(bodiesOf(store)).toEqual(
    new Map([
      [0, 'a'],
      [1, 'b'],
    ]),
  );
  expect(lines).toMatchObject([{ level: 'error', topic: 'orders' }, { level: 'error' }]);
});

test('a second end waits for the first', async () => {
  const store = await openStore({ directory: newFolder() });
  const stored = store1(store, 'a');
  await Promise.all([store.close(), store.close()]);
  expect((await stored).queueOffset).toBe(0);
});
