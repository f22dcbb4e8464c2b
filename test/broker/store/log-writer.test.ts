import { EventEmitter, once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { MemoryFiles } from '../../../src/broker/store/memory-files.ts';
import type { MessageStore, StoredPlace } from '../../../src/broker/store/message-store.ts';
import { StoreError } from '../../../src/broker/store/message-store.ts';
import { recordBytesMax, trailerBytes } from '../../../src/broker/store/record-cursor.ts';
import type { StoreOptions } from '../../../src/broker/store/store-options.ts';
import { bodiesOf, bodyAt, draft, type Faults, faulty, keptLog, openStore, store1, systemError } from './support.ts';

interface Opened {
  readonly store: MessageStore;
  readonly files: MemoryFiles;
  readonly faults: Faults;
  readonly lines: { readonly level: string; readonly message: string }[];
  reopen(): Promise<MessageStore>;
}

/** A store over files that can fail. In memory, each write is flushed as with `sync` on disk. */
async function openFaulty(options: Partial<StoreOptions> = {}): Promise<Opened> {
  const files = new MemoryFiles();
  const faults: Faults = { syncCount: 0 };
  const { log, lines } = keptLog();
  const store = await openStore({ log, ...options }, faulty(files, faults));
  return { store, files, faults, lines, reopen: () => openStore(options, files) };
}

const kindOf = (error: unknown): unknown => (error instanceof StoreError ? error.kind : error);
const kindsOf = async (appends: readonly Promise<unknown>[]): Promise<unknown[]> =>
  (await Promise.allSettled(appends)).map((end) => (end.status === 'rejected' ? kindOf(end.reason) : 'stored'));

describe('writing', () => {
  test('takes all that waits with one flush', async () => {
    const { store, faults } = await openFaulty();
    await store1(store, 'first');
    const before = faults.syncCount;
    await Promise.all(Array.from({ length: 500 }, (_, number) => store1(store, `m${number}`)));
    expect(faults.syncCount - before).toBe(1);
    expect(store.maxOffset('orders', 0)).toBe(501);
  });

  test('gives what comes during a flush to the next one', async () => {
    const { store, faults } = await openFaulty();
    await store1(store, 'first');
    const events = new EventEmitter();
    faults.sync = async () => {
      events.emit('flush');
      await once(events, 'end');
    };
    const second = store1(store, 'second');
    await once(events, 'flush');
    const rest = [store1(store, 'third'), store1(store, 'fourth')];
    expect(bodiesOf(store).size).toBe(1);
    const before = faults.syncCount;
    faults.sync = undefined;
    events.emit('end');
    expect((await Promise.all([second, ...rest])).map(({ queueOffset }) => queueOffset)).toEqual([1, 2, 3]);
    expect(faults.syncCount - before).toBe(1);
  });

  test('keeps the order of the calls, in the log and in each queue', async () => {
    const { store } = await openFaulty();
    const places = await Promise.all(
      Array.from({ length: 100 }, (_, number) => store.append([draft({ queueId: number % 3 }), draft({ queueId: 7 })])),
    );
    const offsets = places.flat().map(({ commitLogOffset }) => commitLogOffset);
    expect(offsets).toEqual(offsets.toSorted((a, b) => a - b));
    expect(places.map(([, second]) => second?.queueOffset)).toEqual(places.map((_, number) => number));
    expect(places.filter((_, number) => number % 3 === 1).map(([first]) => first?.queueOffset)).toEqual(
      Array.from({ length: 33 }, (_, number) => number),
    );
  });

  test('of nothing is done at once', async () => {
    const { store, faults } = await openFaulty();
    expect(await store.append([])).toEqual([]);
    expect([faults.syncCount, store.maxCommitLogOffset]).toEqual([0, 0]);
  });

  test('copies what it is given', async () => {
    const { store } = await openFaulty();
    const body = Buffer.from('before');
    const stored = store.append([draft({ body })]);
    body.write('after ');
    expect(bodyAt(store, (await stored)[0]?.commitLogOffset)).toBe('before');
  });
});

describe('segments', () => {
  const sizeOf = async (): Promise<number> => {
    const { store } = await openFaulty();
    return (await store1(store, 'x'.repeat(1000))).size + trailerBytes;
  };

  test('end before an append that does not fit, and begin with a record of their own', async () => {
    const each = await sizeOf();
    const { store, files } = await openFaulty({ segmentBytes: 4 * each });
    const places: StoredPlace[] = [];
    for (let number = 0; number < 20; number += 1) places.push(await store1(store, 'x'.repeat(1000)));
    const found = files.list();
    expect(found.length).toBeGreaterThan(5);
    for (const [index, { start, bytes }] of found.entries()) {
      expect(bytes).toBeLessThanOrEqual(4 * each);
      expect(found[index + 1]?.start ?? start + bytes).toBe(start + bytes);
      expect(places.some(({ commitLogOffset }) => commitLogOffset === start)).toBe(false);
    }
    expect(bodiesOf(store).size).toBe(20);
  });

  test('hold each append whole, the waiting ones as well, and a larger one alone', async () => {
    const each = await sizeOf();
    const { store, files, reopen } = await openFaulty({ segmentBytes: 4 * each });
    const append = (count: number) =>
      store.append(Array.from({ length: count }, () => draft({ body: Buffer.from('x'.repeat(1000)) })));
    const groups = await Promise.all([append(2), append(2), append(3), append(9), append(1)]);
    const starts = files.list().map(({ start }) => start);
    const segmentsOf = groups.map((places) =>
      places.map(({ commitLogOffset }) => starts.findLast((start) => start <= commitLogOffset)),
    );
    expect(segmentsOf.map((all) => new Set(all).size)).toEqual([1, 1, 1, 1, 1]);
    expect(new Set(segmentsOf.map(([first]) => first)).size).toBe(5);
    expect(bodiesOf(await reopen()).size).toBe(17);
  });
});

describe('what cannot be stored', () => {
  test.each([
    ['properties over their limit', { properties: new Map([['a', 'x'.repeat(32_765)]]) }],
    ['a property with a separator', { properties: new Map([['a', 'x\u0002']]) }],
    ['a host name', { bornHost: 'localhost:1' }],
    ['a queue that cannot be', { queueId: 2 ** 31 }],
    ['a topic without end', { topic: 'x'.repeat(32_768) }],
    ['a body far over its limit', { body: Buffer.alloc(recordBytesMax + 1) }],
    ['a topic of the store', { topic: 'rmq_sys_ENGINE_DROP' }],
    ['another', { topic: 'rmq_sys_ENGINE_LOG' }],
  ])('is refused with all of its append: %s', async (_name, changes) => {
    const { store } = await openFaulty();
    const other = store1(store, 'other');
    expect(await kindsOf([store.append([draft(), draft(changes)]), other])).toEqual(['refused', 'stored']);
    expect(bodiesOf(store)).toEqual(new Map([[0, 'other']]));
  });

  test('is a record over the limit; one at it is stored', async () => {
    const { store } = await openFaulty();
    const { size } = await store1(store, '');
    const fitting = draft({ body: Buffer.alloc(recordBytesMax - size, 1) });
    const tooLarge = draft({ body: Buffer.alloc(recordBytesMax - size + 1, 1) });
    expect(await kindsOf([store.append([fitting]), store.append([tooLarge])])).toEqual(['stored', 'refused']);
    const entry = store.entry('orders', 0, 1);
    expect(entry?.size).toBe(recordBytesMax);
    expect(store.read(entry?.commitLogOffset ?? 0)?.length).toBe(recordBytesMax);
  });

  test('is what comes while too much waits', async () => {
    const { store } = await openFaulty();
    const bytes = (await store1(store, 'x')).size + trailerBytes;
    const small = await openFaulty({ waitingBytesMax: 2 * bytes });
    const append = () => small.store.append([draft({ body: Buffer.from('x') })]);
    expect(await kindsOf([append(), append(), append()])).toEqual(['stored', 'stored', 'overloaded']);
    expect(await kindsOf([append()])).toEqual(['stored']);
  });

  test('is what comes after the end; what came before is stored', async () => {
    const { store } = await openFaulty();
    const before = store1(store, 'before');
    const closed = store.close();
    expect(await kindsOf([before, store1(store, 'after'), closed])).toEqual(['stored', 'closed', 'stored']);
    expect(store.close()).toBe(closed);
  });
});

describe('a disk that refuses to write', () => {
  test.each([
    ['ENOSPC', 'full'],
    ['EDQUOT', 'full'],
    ['EIO', 'io'],
  ])('%s fails what waits as %s, and leaves no trace', async (code, kind) => {
    const { store, faults, lines, files, reopen } = await openFaulty();
    await store1(store, 'one');
    const bytes = store.maxCommitLogOffset;
    faults.write = () => {
      throw systemError(code);
    };
    expect(await kindsOf([store1(store, 'lost'), store1(store, 'lost', { queueId: 1 })])).toEqual([kind, kind]);
    expect(await kindsOf([store1(store, 'lost')])).toEqual([kind]);
    expect([store.maxOffset('orders', 0), store.maxOffset('orders', 1), store.maxCommitLogOffset]).toEqual([
      1,
      0,
      bytes,
    ]);
    expect(files.list()).toEqual([{ start: 0, bytes }]);
    faults.write = undefined;
    expect((await store1(store, 'two')).queueOffset).toBe(1);
    expect(bodiesOf(store)).toEqual(bodiesOf(await reopen()));
    expect(lines.map(({ level, message }) => [level, message])).toEqual([
      ['error', 'the log cannot be written: sends fail'],
      ['info', 'the log is written again'],
    ]);
  });

  test('and to take back what it has written is left at a new segment', async () => {
    const { store, faults, files, reopen } = await openFaulty();
    await store1(store, 'one');
    const end = store.maxCommitLogOffset;
    faults.write = () => {
      throw systemError('EIO');
    };
    faults.truncate = () => {
      throw systemError('EIO');
    };
    // Half of what a disk is given may arrive: here the first of the two records.
    expect(await kindsOf([store.append([draft(), draft()])])).toEqual(['io']);
    faults.write = undefined;
    faults.truncate = undefined;
    expect((await store1(store, 'two')).queueOffset).toBe(1);
    expect(files.list().map(({ start }) => start)).toEqual([0, end]);
    expect(files.list()[0]?.bytes).toBeGreaterThan(end);
    expect(bodiesOf(await reopen())).toEqual(
      new Map([
        [0, 'one'],
        [1, 'two'],
      ]),
    );
  });

  test('also to begin a segment fails all that waits at once', async () => {
    const { store, faults, files } = await openFaulty();
    faults.write = () => {
      throw systemError('ENOSPC');
    };
    expect(await kindsOf([store1(store, 'a'), store1(store, 'b')])).toEqual(['full', 'full']);
    expect(files.list()).toEqual([]);
    faults.write = undefined;
    expect((await store1(store, 'c')).commitLogOffset).toBeGreaterThan(0);
  });
});

describe('a disk that refuses to flush', () => {
  test('is not asked for that segment again, and what it refused does not come back', async () => {
    const { store, faults, files, reopen } = await openFaulty();
    await store1(store, 'one');
    const end = store.maxCommitLogOffset;
    faults.sync = () => Promise.reject(systemError('EIO'));
    expect(await kindsOf([store1(store, 'lost')])).toEqual(['io']);
    faults.sync = undefined;
    expect(await store1(store, 'two')).toMatchObject({ queueOffset: 1 });
    expect(files.list().map(({ start }) => start)).toEqual([0, end]);
    const again = await reopen();
    expect(bodiesOf(again)).toEqual(
      new Map([
        [0, 'one'],
        [1, 'two'],
      ]),
    );
  });

  test('nor does it where the segment cannot be cut', async () => {
    const { store, faults, reopen } = await openFaulty();
    await store1(store, 'one');
    faults.sync = () => Promise.reject(systemError('EIO'));
    faults.truncate = () => {
      throw systemError('EIO');
    };
    expect(await kindsOf([store1(store, 'lost')])).toEqual(['io']);
    faults.sync = undefined;
    faults.truncate = undefined;
    await store1(store, 'two');
    expect(bodiesOf(await reopen())).toEqual(
      new Map([
        [0, 'one'],
        [1, 'two'],
      ]),
    );
  });
});

describe('a dropped topic', () => {
  test('starts at 0 for what was sent behind it, also in the same write', async () => {
    const { store, reopen, faults } = await openFaulty();
    const before = Promise.all([store1(store, 'a'), store1(store, 'b'), store1(store, 'x', { topic: 'other' })]);
    const dropped = store.dropTopic('orders');
    const after = [store1(store, 'c'), store1(store, 'y', { topic: 'other' })];
    await dropped;
    expect((await before).map(({ queueOffset }) => queueOffset)).toEqual([0, 1, 0]);
    expect((await Promise.all(after)).map(({ queueOffset }) => queueOffset)).toEqual([0, 1]);
    expect(faults.syncCount).toBeLessThanOrEqual(2);
    const again = await reopen();
    for (const one of [store, again]) {
      expect(bodiesOf(one)).toEqual(new Map([[0, 'c']]));
      expect(bodiesOf(one, 'other')).toEqual(
        new Map([
          [0, 'x'],
          [1, 'y'],
        ]),
      );
    }
  });

  test('takes its messages along: they are not read any more', async () => {
    const { store } = await openFaulty();
    const { commitLogOffset } = await store1(store, 'a');
    await store.dropTopic('orders');
    expect([store.read(commitLogOffset), [...store.queues()]]).toEqual([undefined, []]);
  });
});
