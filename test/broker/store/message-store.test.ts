import { describe, expect, test } from 'vitest';
import { StoreError } from '../../../src/broker/store/message-store.ts';
import { bodiesOf, draft, messageAt, newFolder, openStore, store1, storeHost, TestClock } from './support.ts';

describe.each([
  ['in memory', () => ({})],
  ['on disk', () => ({ directory: newFolder() })],
  ['on disk, flushed', () => ({ directory: newFolder(), flush: 'sync' as const })],
])('a store %s', (_name, place) => {
  test('gives back what was stored, with its place and time', async () => {
    const clock = new TestClock();
    const store = await openStore({ ...place(), clock });
    const sent = draft({
      queueId: 3,
      flag: 7,
      sysFlag: 1,
      reconsumeTimes: 2,
      replaces: 4_711,
      bornHost: '[2001:db8::5]:1',
    });
    await store1(store, 'before', { queueId: 3 });
    clock.move(5);
    const [stored] = await store.append([sent]);
    expect(stored).toMatchObject({ queueOffset: 1, storeTimestampMs: clock.now() });
    const { replaces, ...same } = sent;
    expect(messageAt(store, stored?.commitLogOffset ?? 0)).toEqual({
      ...same,
      // The address bits follow from the addresses.
      sysFlag: 1 | 16,
      queueOffset: 1n,
      commitLogOffset: BigInt(stored?.commitLogOffset ?? 0),
      preparedTransactionOffset: BigInt(replaces),
      storeTimestampMs: clock.now(),
      storeHost,
      bodyCrc: expect.any(Number),
    });
    expect(store.entry('orders', 3, 1)).toEqual({
      commitLogOffset: stored?.commitLogOffset,
      size: stored?.size,
      tagsCode: 0,
    });
    expect(store.storeTimestamp('orders', 3, 1)).toBe(clock.now());
  });

  test('knows its queues', async () => {
    const store = await openStore(place());
    expect([store.minOffset('orders', 0), store.maxOffset('orders', 0), store.entry('orders', 0, 0)]).toEqual([
      0,
      0,
      undefined,
    ]);
    await store.append([draft(), draft({ queueId: 1 }), draft()]);
    expect([store.minOffset('orders', 0), store.maxOffset('orders', 0), store.maxOffset('orders', 1)]).toEqual([
      0, 2, 1,
    ]);
    expect([...store.queues()]).toEqual([
      { topic: 'orders', queueId: 0 },
      { topic: 'orders', queueId: 1 },
    ]);
    expect(store.minCommitLogOffset).toBe(0);
    expect(store.maxCommitLogOffset).toBeGreaterThan(store.entry('orders', 0, 1)?.commitLogOffset ?? 0);
    await store.dropTopic('orders');
    expect([...store.queues()]).toEqual([]);
  });

  test('gives no message the offset 0 of the log', async () => {
    const store = await openStore(place());
    expect((await store1(store, 'first')).commitLogOffset).toBeGreaterThan(0);
  });

  test('takes large messages, empty ones, and many at once', async () => {
    const store = await openStore(place());
    const bodies = ['', 'x'.repeat(4 * 2 ** 20), ...Array.from({ length: 300 }, (_, number) => `m${number}`)];
    await Promise.all(bodies.map((body) => store1(store, body)));
    expect([...bodiesOf(store).values()]).toEqual(bodies);
  });
});

test('an error tells its kind and its cause', () => {
  const cause = new Error('why');
  const error = new StoreError('full', 'no room', cause);
  expect(error).toMatchObject({ name: 'StoreError', kind: 'full', message: 'no room', cause });
  expect('cause' in new StoreError('closed', 'x')).toBe(false);
});
