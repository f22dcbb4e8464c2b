import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DiskFiles } from '../../../src/broker/store/disk-files.ts';
import { recover } from '../../../src/broker/store/recovery.ts';
import { Segments } from '../../../src/broker/store/segments.ts';
import {
  bodiesOf,
  draft,
  type Faults,
  faulty,
  keptEntries,
  keptLog,
  logBytes,
  newFolder,
  openStore,
  store1,
  systemError,
} from './support.ts';

const body = (number: number): string => `${number} `.padEnd(1_000, 'x');

/** A closed store of 40 messages in some segments. */
async function filled(): Promise<{
  directory: string;
  segmentBytes: number;
  names: string[];
  path: (index: number) => string;
}> {
  const directory = newFolder();
  const segmentBytes = 12_000;
  const store = await openStore({ directory, segmentBytes });
  for (let number = 0; number < 40; number += 1) await store1(store, body(number));
  await store.close();
  const folder = join(directory, 'commitlog');
  const names = readdirSync(folder).sort();
  return { directory, segmentBytes, names, path: (index) => join(folder, names.at(index) ?? 'none') };
}

const all = new Map(Array.from({ length: 40 }, (_, number) => [number, body(number)]));

describe('a log that is read', () => {
  test('is told of in its order, and goes on', async () => {
    const { directory, segmentBytes } = await filled();
    const { onEntry, entries } = keptEntries();
    const store = await openStore({ directory, segmentBytes, onEntry });
    expect(bodiesOf(store)).toEqual(all);
    expect(entries.map(({ queueOffset }) => queueOffset)).toEqual([...all.keys()]);
    expect((await store1(store, 'more')).queueOffset).toBe(40);
    expect(entries.at(-1)).toMatchObject({ queueOffset: 40 });
  });

  test('without its end goes on at what is left', async () => {
    const { directory, path } = await filled();
    const { size } = statSync(path(-1));
    truncateSync(path(-1), size - 5);
    const { log, lines } = keptLog();
    const store = await openStore({ directory, log });
    expect(bodiesOf(store).size).toBe(39);
    expect(lines).toMatchObject([
      { level: 'warn', file: path(-1), message: 'the end of the log was not written whole: it is cut off' },
    ]);
    expect(Number(lines[0]?.['bytes'])).toBe(size - 5 - statSync(path(-1)).size);
    expect((await store1(store, body(39))).queueOffset).toBe(39);
    await store.close();
    expect(bodiesOf(await openStore({ directory }))).toEqual(all);
  });

  test('with garbage behind its end is cut back', async () => {
    const { directory, path } = await filled();
    const fd = openSync(path(-1), 'a');
    writeSync(fd, Buffer.alloc(4_096, 0xa5));
    closeSync(fd);
    const { log, lines } = keptLog();
    expect(bodiesOf(await openStore({ directory, log }))).toEqual(all);
    expect(lines).toMatchObject([{ bytes: 4_096 }]);
  });

  test('leaves out what is damaged in the middle, and says where', async () => {
    const { directory, path, names } = await filled();
    const bytes = readFileSync(path(1));
    const at = bytes.indexOf(`${body(15)}`);
    bytes[at + 500] = 0;
    writeFileSync(path(1), bytes);
    const { log, lines } = keptLog();
    const store = await openStore({ directory, log });
    expect([...bodiesOf(store).keys()]).toEqual([...all.keys()].filter((number) => number !== 15));
    expect([store.entry('orders', 0, 15), store.maxOffset('orders', 0)]).toEqual([undefined, 40]);
    expect(lines).toMatchObject([
      { level: 'warn', file: path(1), message: 'a part of the log is damaged: it is not served' },
    ]);
    const offset = Number(lines[0]?.['offset']);
    expect(offset).toBeGreaterThan(Number(names[1]));
    expect(offset).toBeLessThan(Number(names[1]) + at);
    expect(Number(lines[0]?.['bytes'])).toBe((store.entry('orders', 0, 16)?.commitLogOffset ?? 0) - offset);
  });

  test('goes on behind a file that is missing', async () => {
    const { directory, path, names } = await filled();
    rmSync(path(1));
    const { log, lines } = keptLog();
    const store = await openStore({ directory, log });
    const kept = bodiesOf(store);
    expect([...kept]).toEqual([...all].filter(([number]) => kept.has(number)));
    expect(kept.size).toBeGreaterThan(25);
    expect(lines).toMatchObject([
      { file: path(0), from: Number(names[1]), to: Number(names[2]), message: 'a part of the log is missing' },
    ]);
  });

  test('goes on behind a file without any record', async () => {
    const { directory, path } = await filled();
    writeFileSync(path(1), Buffer.alloc(statSync(path(1)).size));
    const store = await openStore({ directory });
    expect(bodiesOf(store).size).toBeGreaterThan(25);
    expect((await store1(store, 'more')).queueOffset).toBe(40);
  });

  test('of nothing but garbage begins where that stood', async () => {
    const { directory, path, names } = await filled();
    for (const index of names.keys()) writeFileSync(path(index), Buffer.alloc(500, 7));
    const store = await openStore({ directory });
    expect([...store.queues()]).toEqual([]);
    expect((await store1(store, 'new')).commitLogOffset).toBeGreaterThan(Number(names.at(-1)));
    expect(bodiesOf(store)).toEqual(new Map([[0, 'new']]));
  });

  test.each([0, 50])('whose first record was not written whole (%i bytes) begins anew', async (bytes) => {
    const directory = newFolder();
    await (await openStore({ directory })).close();
    writeFileSync(join(directory, 'commitlog', '0'.repeat(20)), logBytes(0, [[draft()]]).subarray(0, bytes));
    const store = await openStore({ directory });
    expect((await store1(store, 'first')).commitLogOffset).toBeGreaterThan(0);
    await store.close();
    expect(bodiesOf(await openStore({ directory }))).toEqual(new Map([[0, 'first']]));
  });
});

describe('queues', () => {
  test('start behind what their groups have read, though the log ends before', async () => {
    const directory = newFolder();
    const store = await openStore({ directory, onEntry: (_, opened) => opened.raiseMaxOffset('orders', 0, 7) });
    await store1(store, 'a');
    expect((await store1(store, 'b')).queueOffset).toBe(7);
    await store.close();
    const again = await openStore({ directory });
    expect(bodiesOf(again)).toEqual(
      new Map([
        [0, 'a'],
        [7, 'b'],
      ]),
    );
    expect([again.minOffset('orders', 0), again.maxOffset('orders', 0)]).toEqual([0, 8]);
    again.raiseMaxOffset('orders', 3, 5);
    expect([again.minOffset('orders', 3), again.maxOffset('orders', 3)]).toEqual([5, 5]);
  });

  test('of a dropped topic begin anew even where the log lost the drop', async () => {
    const directory = newFolder();
    const store = await openStore({ directory });
    for (const text of ['a', 'b', 'c']) await store1(store, text);
    await store.dropTopic('orders');
    await store1(store, 'd');
    await store.close();
    const path = join(directory, 'commitlog', '0'.repeat(20));
    const bytes = readFileSync(path);
    bytes[bytes.indexOf('rmq_sys_ENGINE_DROP')] = 0;
    writeFileSync(path, bytes);
    expect(bodiesOf(await openStore({ directory }))).toEqual(new Map([[0, 'd']]));
  });
});

describe('a log that cannot be read', () => {
  test('because a later version wrote it stops the start, and gives the directory back', async () => {
    const { directory, path } = await filled();
    const bytes = readFileSync(path(0));
    const later = logBytes(0, [[draft({ topic: 'rmq_sys_ENGINE_LOG', body: Buffer.from('{"format":9}') })]]);
    writeFileSync(path(0), Buffer.concat([later, bytes]));
    for (let times = 0; times < 2; times += 1) {
      await expect(openStore({ directory })).rejects.toThrow('the log has format 9, this version knows 1');
    }
  });

  test('because a file does not open stops the start and names it', async () => {
    const { directory, path } = await filled();
    const files = new DiskFiles(directory, keptLog().log);
    const refusing = { ...faulty(files, { syncCount: 0 }), describe: (start: number) => files.describe(start) };
    refusing.open = () => {
      throw systemError('EACCES');
    };
    await expect(openStore({ directory }, refusing)).rejects.toMatchObject({
      kind: 'io',
      message: `${path(0)} cannot be read: look at its rights and its disk, or move it away to start without it`,
      cause: { code: 'EACCES' },
    });
  });

  test('in a part of it serves the rest', async () => {
    const { directory } = await filled();
    const { log, lines } = keptLog();
    const faults: Faults = { syncCount: 0 };
    let refusedCount = 0;
    faults.read = (position) => {
      if (position === 0 && refusedCount === 0) {
        refusedCount += 1;
        throw systemError('EIO');
      }
    };
    const store = await openStore({ directory, log }, faulty(new DiskFiles(directory, log), faults));
    expect(bodiesOf(store).size).toBeGreaterThan(25);
    expect(lines[0]).toMatchObject({ level: 'warn', error: { code: 'EIO' }, message: 'the disk does not read' });
  });
});

test('what is read is on the disk afterwards', async () => {
  const { directory } = await filled();
  const { log } = keptLog();
  const faults: Faults = { syncCount: 0 };
  const segments = new Segments(faulty(new DiskFiles(directory, log), faults), log);
  await recover(faulty(new DiskFiles(directory, log), faults), segments, log, () => {});
  expect(faults.syncCount).toBe(1);
  expect(segments.all.every(({ flushedLength, length }) => flushedLength === length)).toBe(true);
  segments.close();
});
