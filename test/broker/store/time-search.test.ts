import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MemoryFiles } from '../../../src/broker/store/memory-files.ts';
import { openStore, store1, TestClock } from './support.ts';

describe('the offset of a time', () => {
  test('is the one that looking at every message gives', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(3), { maxLength: 30 }), fc.nat(2), async (pauses, gone) => {
        const clock = new TestClock();
        const store = await openStore({ clock, segmentBytes: 600, retentionBytes: gone === 0 ? 100_000 : 1_500 });
        const base = clock.now();
        const times: number[] = [];
        for (const pause of pauses) {
          clock.move(pause);
          times.push((await store1(store, 'x')).storeTimestampMs);
        }
        const min = store.minOffset('orders', 0);
        const max = store.maxOffset('orders', 0);
        for (let time = base - 1; time <= clock.now() + 1; time += 1) {
          const first = times.findIndex((other, offset) => offset >= min && other >= time);
          expect(store.offsetAt('orders', 0, time, 'lower')).toBe(first < 0 ? max : first);
          const last = times.findLastIndex((other, offset) => offset >= min && other <= time);
          expect(store.offsetAt('orders', 0, time, 'upper')).toBe(last < 0 ? min : last);
        }
        await store.close();
      }),
      { numRuns: 40 },
    );
  });

  test('of a queue that is not there is 0, of an empty one where it goes on', async () => {
    const store = await openStore();
    expect(store.offsetAt('orders', 0, 5, 'lower')).toBe(0);
    store.raiseMaxOffset('orders', 0, 7);
    expect([store.offsetAt('orders', 0, 5, 'lower'), store.offsetAt('orders', 0, 5, 'upper')]).toEqual([7, 7]);
  });

  test('passes over holes, damaged messages and gaps without end', async () => {
    const clock = new TestClock();
    const files = new MemoryFiles();
    const store = await openStore({ clock }, files);
    const base = clock.now();
    const append = async () => {
      clock.move(10);
      return store1(store, 'x');
    };
    await append();
    const damaged = await append();
    await append();
    store.raiseMaxOffset('orders', 0, 2 ** 40);
    await append();
    store.raiseMaxOffset('orders', 0, 2 ** 41);
    files.open(0).write(Buffer.from([0xff]), damaged.commitLogOffset + 60);
    const at = (ms: number) => [
      store.offsetAt('orders', 0, base + ms, 'lower'),
      store.offsetAt('orders', 0, base + ms, 'upper'),
    ];
    expect(at(10)).toEqual([0, 0]);
    expect(at(20)).toEqual([1, 0]);
    expect(at(30)).toEqual([1, 2]);
    expect(at(35)).toEqual([2 ** 40, 2]);
    expect(at(40)).toEqual([2 ** 40, 2 ** 40]);
    expect(at(41)).toEqual([2 ** 41, 2 ** 40]);
    expect([store.storeTimestamp('orders', 0, 0), store.storeTimestamp('orders', 0, 1)]).toEqual([base + 10, -1]);
  });
});
