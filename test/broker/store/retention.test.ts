import { describe, expect, test } from 'vitest';
import type { MessageStore } from '../../../src/broker/store/message-store.ts';
import type { StoreOptions } from '../../../src/broker/store/store-options.ts';
import { bodiesOf, draft, keptLog, newFolder, openStore, store1, TestClock } from './support.ts';

const hourMs = 3_600_000;
const body = 'x'.repeat(1_000);

/** Fills a store, one append after the other. */
async function fill(store: MessageStore, count: number): Promise<void> {
  for (let number = 0; number < count; number += 1) await store1(store, body);
}

describe.each([
  ['in memory', () => ({})],
  ['on disk', () => ({ directory: newFolder(), flush: 'sync' as const })],
])('old messages %s', (_name, place) => {
  const open = (options: Partial<StoreOptions>) => openStore({ segmentBytes: 10_000, ...place(), ...options });

  test('go with whole segments when the log is too large', async () => {
    const { log, lines } = keptLog();
    const store = await open({ retentionBytes: 40_000, log });
    await fill(store, 100);
    const { minCommitLogOffset, maxCommitLogOffset } = store;
    expect(maxCommitLogOffset).toBeGreaterThan(100_000);
    expect(maxCommitLogOffset - minCommitLogOffset).toBeLessThanOrEqual(50_000);
    expect(maxCommitLogOffset - minCommitLogOffset).toBeGreaterThan(30_000);
    const min = store.minOffset('orders', 0);
    expect(min).toBeGreaterThan(50);
    expect(bodiesOf(store).size).toBe(100 - min);
    expect([store.entry('orders', 0, min - 1), store.maxOffset('orders', 0)]).toEqual([undefined, 100]);
    expect(store.entry('orders', 0, min)?.commitLogOffset).toBeGreaterThan(minCommitLogOffset);
    expect(lines.at(-1)).toMatchObject({ level: 'info', message: 'old messages are gone', minCommitLogOffset });
  });

  test('go when they are too old, once the clock says so; those that are written never', async () => {
    const clock = new TestClock();
    const store = await open({ clock, retentionMs: hourMs });
    await fill(store, 30);
    clock.move(hourMs);
    expect(store.minOffset('orders', 0)).toBe(0);
    clock.move(60_000);
    const min = store.minOffset('orders', 0);
    expect(min).toBeGreaterThan(20);
    expect(min).toBeLessThan(30);
    clock.move(60_000);
    expect(store.minOffset('orders', 0)).toBe(min);
  });

  test('stay while somebody needs them', async () => {
    let needed = 25_000;
    const clock = new TestClock();
    const store = await open({ clock, retentionBytes: 1, retainFrom: () => needed });
    await fill(store, 100);
    expect(store.minCommitLogOffset).toBeLessThanOrEqual(25_000);
    expect(store.minCommitLogOffset).toBeGreaterThan(15_000);
    needed = Number.POSITIVE_INFINITY;
    clock.move(60_000);
    expect(store.maxCommitLogOffset - store.minCommitLogOffset).toBeLessThanOrEqual(10_000);
  });

  test('leave empty queues that go on where they were', async () => {
    const clock = new TestClock();
    const store = await open({ clock, retentionMs: hourMs });
    await store1(store, body, { queueId: 9 });
    await fill(store, 30);
    clock.move(2 * hourMs);
    expect([store.minOffset('orders', 9), store.maxOffset('orders', 9)]).toEqual([1, 1]);
    expect((await store1(store, body, { queueId: 9 })).queueOffset).toBe(1);
  });

  test('stop being looked for when the store ends', async () => {
    const clock = new TestClock();
    const store = await open({ clock });
    expect(clock.timerCount).toBe(1);
    await store.close();
    expect(clock.timerCount).toBe(0);
  });
});

test('segments whose flush is on its way stay until it has ended', async () => {
  const clock = new TestClock();
  const directory = newFolder();
  const options = { directory, clock, segmentBytes: 10_000, retentionBytes: 1, flushIntervalMs: 1_000_000 };
  const store = await openStore(options);
  await store.append(Array.from({ length: 5 }, () => draft({ body: Buffer.from(body) })));
  await fill(store, 20);
  clock.move(60_000);
  expect(store.minOffset('orders', 0)).toBe(0);
  await store.close();
  const again = await openStore(options);
  expect(again.minOffset('orders', 0)).toBeGreaterThan(15);
});
