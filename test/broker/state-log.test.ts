import { describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../src/broker/clock.ts';
import { StateLog, type StatePart } from '../../src/broker/state-log.ts';
import { type LogEntry, type MessageStore, StoreError } from '../../src/broker/store/message-store.ts';
import { openMessageStore } from '../../src/broker/store/open-store.ts';
import type { Json } from '../../src/remoting/json.ts';
import { decodeStoredMessages } from '../../src/remoting/stored-message.ts';
import { draft } from './store/support.ts';

/** A part whose state is the list of its changes. */
class Changes implements StatePart {
  readonly name: string;
  applied: Json[] = [];

  constructor(name: string) {
    this.name = name;
  }

  snapshot(): Json {
    return this.applied;
  }

  restore(snapshot: Json): void {
    this.applied = [...(snapshot as readonly Json[])];
  }

  apply(change: Json): void {
    if (change === 'nonsense') throw new Error('this makes no sense');
    this.applied.push(change);
  }
}

interface Written {
  readonly state: StateLog;
  readonly store: MessageStore;
  readonly one: Changes;
  readonly two: Changes;
  readonly entries: LogEntry[];
}

async function start(): Promise<Written> {
  const entries: LogEntry[] = [];
  const store = await openMessageStore({
    directory: undefined,
    storeHost: '127.0.0.1:1',
    clock: systemClock,
    onEntry: (entry) => entries.push({ ...entry, record: Buffer.from(entry.record) }),
  });
  onTestFinished(() => store.close());
  const [one, two] = [new Changes('one'), new Changes('two')];
  const state = new StateLog([one, two]);
  state.attach(store, () => {});
  return { state, store, one, two, entries };
}

/** The changes of each record, as JSON text. */
function recordsOf({ entries }: Written): string[] {
  return entries.map(({ record }) => decodeStoredMessages(record)[0]?.body.toString() ?? '');
}

/** What the entries make of empty parts. */
function replay(entries: readonly LogEntry[]): { readonly one: Json; readonly two: Json } {
  const [one, two] = [new Changes('one'), new Changes('two')];
  const state = new StateLog([one, two]);
  for (const entry of entries) expect(state.replay(entry)).toBe(true);
  return { one: one.applied, two: two.applied };
}

describe('the log of state', () => {
  it('applies without a store, and that is all', async () => {
    const one = new Changes('one');
    const state = new StateLog([one]);
    const written = state.write(one, 1);
    expect(one.applied).toEqual([1]);
    await written;
    await state.settled();
  });

  it('applies at once and resolves when it is stored', async () => {
    const run = await start();
    const written = run.state.write(run.one, { a: 1 });
    expect(run.one.applied).toEqual([{ a: 1 }]);
    expect(run.entries).toEqual([]);
    await written;
    expect(recordsOf(run)).toEqual(['[["one",{"a":1}]]']);
    expect(run.store.maxCommitLogOffset).toBeGreaterThan(0);
  });

  it('puts what one turn asks for into one record, in its order', async () => {
    const run = await start();
    const { state, one, two } = run;
    await Promise.all([state.write(one, 1), state.write(two, 'ü'), state.write(one, 2)]);
    expect(recordsOf(run)).toEqual(['[["one",1],["two","ü"],["one",2]]']);
    await state.write(one, 3);
    expect(recordsOf(run)).toHaveLength(2);
    expect(replay(run.entries)).toEqual({ one: [1, 2, 3], two: ['ü'] });
  });

  it('puts what comes while a record is written into the next one', async () => {
    const run = await start();
    const { state, one } = run;
    const first = state.write(one, 1);
    await new Promise((resolve) => setImmediate(resolve));
    const more = [state.write(one, 2), state.write(one, 3)];
    await Promise.all([first, ...more]);
    expect(recordsOf(run)).toEqual(['[["one",1]]', '[["one",2],["one",3]]']);
  });

  it.each([
    [1_000, [1_000]],
    [1_001, [1_000, 1]],
    [2_500, [1_000, 1_000, 500]],
  ])('writes %i changes as records of %j', async (count, sizes) => {
    const run = await start();
    await Promise.all(Array.from({ length: count }, (_, index) => run.state.write(run.one, index)));
    expect(recordsOf(run).map((text) => JSON.parse(text).length)).toEqual(sizes);
    expect(replay(run.entries).one).toEqual(run.one.applied);
  });

  it('writes large changes in records that the store takes', async () => {
    const run = await start();
    const large = 'x'.repeat(100_000);
    await Promise.all(Array.from({ length: 100 }, (_, index) => run.state.write(run.one, [index, large])));
    expect(run.entries.length).toBeGreaterThan(2);
    expect(replay(run.entries).one).toEqual(run.one.applied);
  });

  it('fails for a change that is too large for any record, and for that one only', async () => {
    const run = await start();
    const results = await Promise.allSettled([
      run.state.write(run.one, 'before'),
      run.state.write(run.one, 'x'.repeat(5_000_000)),
      run.state.write(run.one, 'after'),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(replay(run.entries).one).toEqual(['before', 'after']);
  });

  it('refuses a change that makes no sense, and writes nothing of it', async () => {
    const run = await start();
    expect(() => run.state.write(run.one, 'nonsense')).toThrow('this makes no sense');
    await run.state.settled();
    expect(run.entries).toEqual([]);
  });

  it('fails all that wait where the store fails, and goes on', async () => {
    const run = await start();
    const { state, one, store } = run;
    const waiting = [state.write(one, 1), state.write(one, 2)];
    await store.close();
    for (const result of await Promise.allSettled(waiting)) {
      expect(result).toMatchObject({ status: 'rejected', reason: { name: 'StoreError', kind: 'closed' } });
    }
    // It stays applied, as promised.
    expect(one.applied).toEqual([1, 2]);
    await expect(state.write(one, 3)).rejects.toMatchObject({ kind: 'closed' });
    await state.settled();
  });

  it('stores no change behind one that could not be stored before all is stored', async () => {
    const run = await start();
    const { state, one, store } = run;
    const steps: string[] = [];
    let isFull = true;
    const full = new StoreError('full', 'the disk has no room');
    const failing: MessageStore = {
      ...store,
      append: async (drafts) => {
        if (isFull) throw full;
        steps.push('a change');
        return store.append(drafts);
      },
    };
    state.attach(failing, () => {
      if (isFull) throw new Error('ENOSPC');
      steps.push(`all: ${JSON.stringify(state.snapshot())}`);
    });
    expect(() => state.checkStores()).not.toThrow();
    await expect(state.write(one, 1)).rejects.toBe(full);
    await expect(state.write(one, 2)).rejects.toMatchObject({ name: 'StoreError', kind: 'io' });
    expect(() => state.checkStores()).toThrow('ENOSPC');
    isFull = false;
    await state.write(one, 3);
    await state.write(one, 4);
    expect(steps).toEqual(['all: {"one":[1,2,3],"two":[]}', 'a change', 'a change']);
    expect(() => state.checkStores()).not.toThrow();
  });

  it('is settled once nothing waits', async () => {
    const run = await start();
    let done = 0;
    for (let index = 0; index < 1_500; index += 1) {
      void run.state.write(run.one, index).then(() => {
        done += 1;
      });
    }
    await run.state.settled();
    expect(done).toBe(1_500);
  });

  it('replays its own records only', async () => {
    const run = await start();
    await run.store.append([draft({ body: Buffer.from('[["one",1]]') })]);
    const [entry] = run.entries;
    if (entry === undefined) throw new Error('nothing was stored');
    expect(run.state.replay(entry)).toBe(false);
    expect(run.one.applied).toEqual([]);
  });

  it('passes over parts that it does not know, and leaves out only what makes no sense', async () => {
    const run = await start();
    const { topic } = (await stateEntry(run)) ?? {};
    const replayed = new Changes('one');
    const state = new StateLog([replayed]);
    const write = async (text: string): Promise<LogEntry> => {
      await run.store.append([draft({ topic: topic ?? '', body: Buffer.from(text) })]);
      const entry = run.entries.at(-1);
      if (entry === undefined) throw new Error('nothing was stored');
      return entry;
    };
    const later = await write(
      '[["gone",1],["one",1],["__proto__",{}],null,["one"],[5,6],["one","nonsense"],["one",2]]',
    );
    expect(() => state.replay(later)).toThrow('this makes no sense');
    expect(replayed.applied).toEqual([1, 2]);
    const noList = await write('{"one":1}');
    expect(() => state.replay(noList)).toThrow('not a list');
    const noJson = await write('[["one",');
    expect(() => state.replay(noJson)).toThrow();
  });

  it('gives and takes snapshots part by part', () => {
    const [one, two] = [new Changes('one'), new Changes('two')];
    one.applied = [1];
    expect(new StateLog([one, two]).snapshot()).toEqual({ one: [1], two: [] });
    const [again, fresh] = [new Changes('one'), new Changes('new')];
    const state = new StateLog([again, fresh]);
    state.restore({ one: [1], two: ['of a part that is gone'] });
    expect([again.applied, fresh.applied]).toEqual([[1], []]);
    for (const nonsense of [null, 1, 'text', []]) expect(() => state.restore(nonsense)).not.toThrow();
    expect(again.applied).toEqual([1]);
  });
});

async function stateEntry({ state, one, entries }: Written): Promise<LogEntry | undefined> {
  await state.write(one, 0);
  return entries.at(-1);
}
