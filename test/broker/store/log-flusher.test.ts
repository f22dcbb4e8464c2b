import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { DiskFiles } from '../../../src/broker/store/disk-files.ts';
import { LogFlusher } from '../../../src/broker/store/log-flusher.ts';
import { MemoryFiles } from '../../../src/broker/store/memory-files.ts';
import { type Segment, Segments } from '../../../src/broker/store/segments.ts';
import { bodiesOf, type Faults, faulty, keptLog, newFolder, openStore, store1, systemError } from './support.ts';

function newFlusher(intervalMs: number): {
  faults: Faults;
  segment: Segment;
  flusher: LogFlusher;
  flushed: () => Promise<void>;
  lines: unknown[];
} {
  const faults: Faults = { syncCount: 0 };
  const { log, lines } = keptLog();
  const segments = new Segments(faulty(new MemoryFiles(), faults), log);
  const segment = segments.begin(() => Buffer.alloc(10));
  // Waits for the next flush to be asked for.
  const flushed = () =>
    new Promise<void>((resolve) => {
      const before = faults.sync;
      faults.sync = async () => {
        faults.sync = before;
        await before?.();
        resolve();
      };
    });
  return { faults, segment, flusher: new LogFlusher(segments, intervalMs, log), flushed, lines };
}

describe('what was written', () => {
  test('is flushed once for all writes of the interval, and again for later ones', async () => {
    const { faults, segment, flusher, flushed } = newFlusher(20);
    const first = flushed();
    for (let count = 0; count < 5; count += 1) flusher.wrote();
    await first;
    expect(faults.syncCount).toBe(1);
    await sleep(0);
    expect(segment.flushedLength).toBe(10);
    segment.length = 20;
    const second = flushed();
    flusher.wrote();
    await second;
    await flusher.close();
    expect([faults.syncCount, segment.flushedLength]).toEqual([2, 20]);
  });

  test('while a flush is on its way is flushed after it', async () => {
    const { faults, segment, flusher } = newFlusher(1);
    const lengths: number[] = [];
    await new Promise<void>((resolve) => {
      faults.sync = async () => {
        lengths.push(segment.length);
        if (lengths.length === 2) resolve();
        if (segment.length < 30) segment.length = 30;
        flusher.wrote();
      };
      flusher.wrote();
    });
    expect(lengths).toEqual([10, 30]);
    await flusher.close();
    expect(segment.flushedLength).toBe(30);
  });

  test('is flushed at the end, without waiting for the interval', async () => {
    const { faults, flusher, segment } = newFlusher(1_000_000);
    const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    flusher.wrote();
    expect(timers()).toBe(before + 1);
    await flusher.close();
    expect([faults.syncCount, segment.flushedLength]).toEqual([1, 10]);
    flusher.wrote();
    expect(timers()).toBe(before);
  });

  test('to a disk that fails is told, and its segment ends', async () => {
    const { faults, flusher, segment, lines } = newFlusher(1_000_000);
    segment.flushedLength = 4;
    faults.sync = () => Promise.reject(systemError('EIO'));
    await flusher.close();
    expect(segment.isSealed).toBe(true);
    expect(lines).toMatchObject([{ level: 'error', from: 4, to: 10, error: { code: 'EIO' } }]);
    await flusher.close();
    expect(faults.syncCount).toBe(1);
  });
});

test('a store on disk flushes behind its writes, and goes on in a new segment where that fails', async () => {
  const faults: Faults = { syncCount: 0 };
  const { log, lines } = keptLog();
  const directory = newFolder();
  const files = new DiskFiles(directory, log);
  const options = { directory, log, flushIntervalMs: 1 };
  const store = await openStore(options, faulty(files, faults));
  const failed = new Promise<void>((resolve) => {
    faults.sync = () => {
      resolve();
      return Promise.reject(systemError('EIO'));
    };
  });
  // Stored, as far as this mode promises: it outlives the process.
  await store1(store, 'one');
  await failed;
  faults.sync = undefined;
  await sleep(0);
  await store1(store, 'two');
  await store.close();
  expect(files.list()).toHaveLength(2);
  expect(lines).toMatchObject([
    { level: 'error', message: 'the disk failed: a power loss now would cost a part of the log' },
  ]);
  expect(bodiesOf(await openStore(options))).toEqual(
    new Map([
      [0, 'one'],
      [1, 'two'],
    ]),
  );
});
