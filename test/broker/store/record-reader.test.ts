import { describe, expect, test } from 'vitest';
import { MemoryFiles } from '../../../src/broker/store/memory-files.ts';
import { bodyAt, draft, faulty, keptLog, logBytes, openStore, store1, systemError } from './support.ts';

describe('reading', () => {
  test('gives a record only where one starts', async () => {
    const store = await openStore();
    const places = [await store1(store, 'one'), await store1(store, 'x'.repeat(20_000)), await store1(store, 'three')];
    const starts = new Set(places.map(({ commitLogOffset }) => commitLogOffset));
    for (let offset = -3; offset < store.maxCommitLogOffset + 3; offset += 1) {
      if ((store.read(offset) === undefined) === starts.has(offset)) expect.fail(`at ${offset}`);
    }
    for (const offset of [0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60])
      expect(store.read(offset)).toBeUndefined();
    expect(bodyAt(store, places[1]?.commitLogOffset)).toBe('x'.repeat(20_000));
    for (const { commitLogOffset, size } of places) expect(store.read(commitLogOffset)?.length).toBe(size);
  });

  test('gives bytes that stay as they are', async () => {
    const store = await openStore();
    const first = await store1(store, 'one');
    const second = await store1(store, 'two');
    const record = store.read(first.commitLogOffset);
    const copy = Buffer.from(record ?? '');
    store.read(second.commitLogOffset);
    expect(record?.equals(copy)).toBe(true);
  });

  test('gives no record that stands in the body of a message, however well it was guessed', async () => {
    const store = await openStore();
    const { commitLogOffset, size } = await store1(store, 'x');
    // The next message stands behind this one, and its body behind 91 bytes of other fields but for the topic.
    const bodyAtOffset = commitLogOffset + size + 8 + 88;
    const forged = logBytes(bodyAtOffset, [[draft({ topic: 'admin' })]]);
    const outer = await store1(store, '', { body: forged });
    expect(store.read(outer.commitLogOffset)?.indexOf(forged)).toBe(88);
    expect(outer.commitLogOffset + 88).toBe(bodyAtOffset);
    expect(store.read(bodyAtOffset)).toBeUndefined();
  });

  test('gives no damaged record, says so once, and still gives the others', async () => {
    const files = new MemoryFiles();
    const { log, lines } = keptLog();
    const store = await openStore({ log }, files);
    const { commitLogOffset, size } = await store1(store, 'one');
    const next = await store1(store, 'two');
    const file = files.open(0);
    const original = Buffer.alloc(size + 8);
    file.read(original, 0, original.length, commitLogOffset);
    for (let at = 0; at < original.length; at += 1) {
      const damaged = Buffer.from(original);
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      file.write(damaged, commitLogOffset);
      expect(store.read(commitLogOffset)).toBeUndefined();
    }
    expect(lines).toMatchObject([{ level: 'warn', file: 'segment 0 in memory', offset: commitLogOffset }]);
    expect(bodyAt(store, next.commitLogOffset)).toBe('two');
    file.write(original, commitLogOffset);
    expect(bodyAt(store, commitLogOffset)).toBe('one');
  });

  test('gives nothing where the disk does not read, and says so', async () => {
    const files = new MemoryFiles();
    const { log, lines } = keptLog();
    const faults = { syncCount: 0, read: undefined as (() => void) | undefined };
    const store = await openStore({ log }, faulty(files, faults));
    const { commitLogOffset } = await store1(store, 'one');
    faults.read = () => {
      throw systemError('EIO');
    };
    expect(store.read(commitLogOffset)).toBeUndefined();
    expect(store.storeTimestamp('orders', 0, 0)).toBe(-1);
    expect(lines).toMatchObject([{ level: 'warn', offset: commitLogOffset, error: { code: 'EIO' } }]);
    faults.read = undefined;
    expect(bodyAt(store, commitLogOffset)).toBe('one');
  });

  test('one record after the other asks the disk rarely', async () => {
    let readCount = 0;
    const read = (): void => {
      readCount += 1;
    };
    const files = faulty(new MemoryFiles(), { syncCount: 0, read });
    const store = await openStore({ segmentBytes: 500_000 }, files);
    const bodies = Array.from({ length: 2_000 }, (_, number) => `${number} `.padEnd(300, 'x'));
    const places = await Promise.all(bodies.map((body) => store1(store, body)));
    readCount = 0;
    expect(places.map(({ commitLogOffset }) => bodyAt(store, commitLogOffset))).toEqual(bodies);
    expect(readCount).toBeLessThan(40);
    expect(places.toReversed().map(({ commitLogOffset }) => bodyAt(store, commitLogOffset))).toEqual(
      bodies.toReversed(),
    );
  });

  test('gives records of any size, from everywhere', async () => {
    const store = await openStore({ segmentBytes: 400_000 });
    const sizes = [0, 7_900, 8_000, 8_192, 65_200, 65_300, 65_429, 65_430, 65_536, 70_000, 300_000];
    const places = await Promise.all([...sizes, ...sizes].map((size) => store1(store, 'x'.repeat(size))));
    for (const first of places) {
      for (const second of places) {
        expect(store.read(first.commitLogOffset)?.length).toBe(first.size);
        expect(store.read(second.commitLogOffset)?.length).toBe(second.size);
      }
    }
  });

  test('says nothing of offsets that are simply wrong', async () => {
    const { log, lines } = keptLog();
    const store = await openStore({ log });
    await store1(store, 'x'.repeat(3_000));
    for (let offset = 0; offset < store.maxCommitLogOffset; offset += 7) store.read(offset);
    expect(lines).toEqual([]);
  });
});
