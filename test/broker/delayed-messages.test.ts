import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/broker/clock.ts';
import { DelayedMessages, type DelayedMessagesOptions } from '../../src/broker/delayed-messages.ts';
import type { BrokerOptions } from '../../src/broker/options.ts';
import type { RunningEngine } from '../../src/broker/start-engine.ts';
import { type MessageDraft, type MessageStore, StoreError } from '../../src/broker/store/message-store.ts';
import { openMessageStore } from '../../src/broker/store/open-store.ts';
import { delayLevelsMs } from '../../src/remoting/message.ts';
import { encodeStoredMessage } from '../../src/remoting/stored-message.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { messagesOf, order, startBareEngine } from '../support/started-engine.ts';

const startMs = 1_700_000_000_000;
const engines: RunningEngine[] = [];
const folders: string[] = [];

afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

async function start(options: Partial<BrokerOptions>): Promise<RunningEngine> {
  const running = await startBareEngine(options);
  engines.push(running);
  return running;
}

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'delayed-'));
  folders.push(folder);
  return folder;
}

const bodiesOf = (store: MessageStore, topic = 'orders'): string[] =>
  messagesOf(store, topic).map(({ body }) => body.toString());

describe('a delayed message', () => {
  test('is delivered when its level says, once, and is there no sooner', async () => {
    const clock = new VirtualClock(startMs);
    const { engine } = await start({ clock });
    await engine.put([order({ DELAY: '2' })]);
    await clock.advance(4_999);
    expect(messagesOf(engine.store, 'orders')).toEqual([]);
    expect(engine.delayed.count).toBe(1);
    await clock.advance(1);
    await clock.advance(0);
    const [message, ...more] = messagesOf(engine.store, 'orders');
    expect(more).toEqual([]);
    expect(message).toMatchObject({
      queueId: 1,
      flag: 7,
      bornHost: '127.0.0.1:50000',
      storeTimestampMs: startMs + 5_000,
    });
    expect(message?.properties.has('DELAY')).toBe(false);
    expect(engine.delayed.count).toBe(0);
    await clock.advance(100_000);
    expect(messagesOf(engine.store, 'orders')).toHaveLength(1);
  });

  test('comes to the millisecond of its own time, in the order of the times', async () => {
    const clock = new VirtualClock(startMs);
    const { engine } = await start({ clock });
    await engine.put([order({ TIMER_DELAY_MS: '300' }, 'c'), order({ TIMER_DELIVER_MS: `${startMs + 7}` }, 'a')]);
    await engine.put([order({ TIMER_DELAY_MS: '299' }, 'b')]);
    await clock.advance(10_000);
    await clock.advance(0);
    expect(bodiesOf(engine.store)).toEqual(['a', 'b', 'c']);
    const times = messagesOf(engine.store, 'orders').map(({ storeTimestampMs }) => storeTimestampMs - startMs);
    expect(times[0]).toBe(7);
    expect(times[1]).toBeGreaterThanOrEqual(299);
    expect(times[2]).toBeGreaterThanOrEqual(300);
  });

  test('wakes whoever waits for its topic', async () => {
    const clock = new VirtualClock(startMs);
    const { engine } = await start({ clock });
    await engine.put([order({ DELAY: '1' })]);
    let found = 0;
    const tryAgain = (): boolean => {
      found += engine.store.maxOffset('orders', 1);
      return found > 0;
    };
    engine.held.hold({ tryAgain, giveUp() {} }, ['orders'], 60_000);
    await clock.advance(1_000);
    await clock.advance(0);
    expect(found).toBe(1);
  });

  test('is, on the machine’s clock, never early and hardly late', async () => {
    const { engine } = await start({ clock: systemClock });
    const delaysMs = Array.from({ length: 50 }, (_, at) => 20 + 7 * at);
    const wishes = delaysMs.map((delayMs) => Date.now() + delayMs);
    await engine.put(wishes.map((deliverMs) => order({ TIMER_DELIVER_MS: `${deliverMs}` })));
    await expect.poll(() => engine.delayed.count, { timeout: 10_000, interval: 20 }).toBe(0);
    const lateMs = messagesOf(engine.store, 'orders').map(
      ({ properties, storeTimestampMs }) => storeTimestampMs - Number(properties.get('TIMER_DELIVER_MS')),
    );
    expect(lateMs).toHaveLength(50);
    expect(Math.min(...lateMs)).toBeGreaterThanOrEqual(0);
    // The middle one, so that a busy machine does not fail the test; a tick of a second would.
    expect(lateMs.toSorted((one, other) => one - other)[25]).toBeLessThan(100);
  });
});

test('10,000 messages over 60 seconds: each once, none early', { timeout: 60_000 }, async () => {
  const clock = new VirtualClock(startMs);
  const { engine } = await start({ clock });
  const delays = Array.from({ length: 10_000 }, (_, at) => 1 + ((at * 7_919) % 60_000));
  for (let at = 0; at < delays.length; at += 500) {
    await engine.put(
      delays.slice(at, at + 500).map((delayMs, n) => order({ TIMER_DELAY_MS: `${delayMs}` }, `${at + n}`)),
    );
  }
  expect(engine.delayed.count).toBe(10_000);
  for (let second = 0; second < 60; second += 1) await clock.advance(1_000);
  await expect.poll(() => engine.delayed.count).toBe(0);
  const delivered = messagesOf(engine.store, 'orders');
  expect(new Set(delivered.map(({ body }) => body.toString())).size).toBe(10_000);
  expect(delivered).toHaveLength(10_000);
  const early = delivered.filter(
    ({ properties, storeTimestampMs }) => storeTimestampMs < Number(properties.get('TIMER_OUT_MS')),
  );
  expect(early).toEqual([]);
});

describe('after a restart', () => {
  test('nothing is lost, nothing comes twice, and what was due meanwhile comes at once', async () => {
    const clock = new VirtualClock(startMs);
    const dataDirectory = newFolder();
    let running = await startBareEngine({ clock, dataDirectory });
    const names = Array.from({ length: 40 }, (_, at) => `m${at}`);
    await running.engine.put(names.map((name, at) => order({ TIMER_DELAY_MS: `${1_000 * (1 + at)}` }, name)));
    await running.engine.put([order({ DELAY: '3' }, 'level')]);
    for (let round = 0; round < 8; round += 1) {
      await clock.advance(3_300);
      await running.close();
      await clock.advance(2_000);
      running = await startBareEngine({ clock, dataDirectory });
      await clock.advance(0);
    }
    await clock.advance(1_000);
    await expect.poll(() => running.engine.delayed.count).toBe(0);
    const delivered = messagesOf(running.engine.store, 'orders');
    expect(delivered.map(({ body }) => body.toString()).toSorted()).toEqual([...names, 'level'].toSorted());
    for (const { properties, storeTimestampMs } of delivered) {
      expect(storeTimestampMs).toBeGreaterThanOrEqual(Number(properties.get('TIMER_OUT_MS') ?? startMs + 10_000));
    }
    engines.push(running);
  });

  test('a recalled message stays recalled', async () => {
    const clock = new VirtualClock(startMs);
    const dataDirectory = newFolder();
    const first = await startBareEngine({ clock, dataDirectory });
    await first.engine.put([
      order({ TIMER_DELAY_MS: '5000', UNIQ_KEY: 'A' }),
      order({ TIMER_DELAY_MS: '5000' }, 'kept'),
    ]);
    expect(await first.engine.delayed.recall('orders', 'A')).toBe(true);
    await first.close();
    const { engine } = await start({ clock, dataDirectory });
    expect(engine.delayed.count).toBe(1);
    expect(await engine.delayed.recall('orders', 'A')).toBe(true);
    await clock.advance(6_000);
    await expect.poll(() => bodiesOf(engine.store)).toEqual(['kept']);
  });
});

describe('the log is kept from the oldest that waits on', () => {
  test('and from nowhere where nothing waits', async () => {
    const clock = new VirtualClock(startMs);
    const { engine } = await start({ clock });
    expect(engine.delayed.oldestOffset()).toBe(Number.POSITIVE_INFINITY);
    const [first] = await engine.put([order({ DELAY: '2' })]);
    const [second] = await engine.put([order({ DELAY: '1' })]);
    expect(engine.delayed.oldestOffset()).toBe(first?.commitLogOffset);
    await clock.advance(4_000);
    expect(engine.delayed.oldestOffset()).toBe(first?.commitLogOffset);
    const [third] = await engine.put([order({ DELAY: '2' })]);
    await clock.advance(1_000);
    await clock.advance(0);
    expect(engine.delayed.oldestOffset()).toBe(third?.commitLogOffset);
    expect(second?.commitLogOffset).toBeLessThan(third?.commitLogOffset ?? 0);
    await clock.advance(9_000);
    await clock.advance(0);
    expect(engine.delayed.oldestOffset()).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('a recall', () => {
  test('takes back every message with the id that waits for a time of that topic, and no other', async () => {
    const clock = new VirtualClock(startMs);
    const { engine } = await start({ clock });
    await engine.put([
      order({ TIMER_DELAY_MS: '5000', UNIQ_KEY: 'A' }, 'one'),
      order({ TIMER_DELAY_MS: '5000', UNIQ_KEY: 'A' }, 'sent again'),
      order({ TIMER_DELAY_MS: '5000', UNIQ_KEY: 'B' }, 'other id'),
      { ...order({ TIMER_DELAY_MS: '5000', UNIQ_KEY: 'A' }, 'other topic'), topic: 'bills' },
      order({ DELAY: '2', UNIQ_KEY: 'A' }, 'by level'),
    ]);
    expect(await engine.delayed.recall('orders', 'A')).toBe(true);
    expect(engine.delayed.count).toBe(3);
    await clock.advance(6_000);
    await clock.advance(0);
    expect(bodiesOf(engine.store).toSorted()).toEqual(['by level', 'other id']);
    expect(bodiesOf(engine.store, 'bills')).toEqual(['other topic']);
  });

  test('finds nothing that never was, or that was delivered', async () => {
    const clock = new VirtualClock(startMs);
    const { engine } = await start({ clock });
    await engine.put([order({ TIMER_DELAY_MS: '500', UNIQ_KEY: 'A' })]);
    expect(await engine.delayed.recall('orders', 'B')).toBe(false);
    expect(await engine.delayed.recall('bills', 'A')).toBe(false);
    await clock.advance(500);
    await clock.advance(0);
    expect(bodiesOf(engine.store)).toHaveLength(1);
    expect(await engine.delayed.recall('orders', 'A')).toBe(false);
  });

  test('comes first or delivery does: never both, never neither', async () => {
    for (let turns = 0; turns < 6; turns += 1) {
      const clock = new VirtualClock(startMs);
      const running = await startBareEngine({ clock });
      const { store, delayed, put } = running.engine;
      await put([order({ TIMER_DELAY_MS: '500', UNIQ_KEY: 'A' })]);
      const advanced = clock.advance(500);
      for (let turn = 0; turn < turns; turn += 1) await nextTurn();
      const recalled = await delayed.recall('orders', 'A');
      await advanced;
      await clock.advance(10_000);
      expect(bodiesOf(store)).toHaveLength(recalled ? 0 : 1);
      await running.close();
    }
  });
});

test('more than may wait are refused; those that wait for nothing are not', async () => {
  const clock = new VirtualClock(startMs);
  const options: Partial<BrokerOptions> & Partial<DelayedMessagesOptions> = { clock, delayedCountMax: 3 };
  const { engine } = await start(options);
  for (let count = 0; count < 3; count += 1) await engine.put([order({ DELAY: '1' })]);
  const refusal = expect.objectContaining({ code: 2, message: '3 messages wait for their time: send later' });
  expect(() => engine.delayed.route(order({ DELAY: '1' }))).toThrow(refusal);
  expect(() => engine.delayed.route(order({ TIMER_DELAY_MS: '1' }))).toThrow(refusal);
  await engine.put([order()]);
  await clock.advance(1_000);
  await clock.advance(0);
  await engine.put([order({ DELAY: '1' })]);
  expect(engine.delayed.count).toBe(1);
});

/** Delayed messages over a real store that can be told to fail. */
async function startWithFaults(failure: (drafts: readonly MessageDraft[]) => StoreError | undefined) {
  const clock = new VirtualClock(startMs);
  const warnings: string[] = [];
  const note = (_fields: object, message: string): void => void warnings.push(message);
  const log = { debug() {}, info() {}, warn: note, error: note };
  const delayed = new DelayedMessages({ clock, delayLevelsMs, delayMsMax: 100_000, log });
  const store = await openMessageStore({
    directory: undefined,
    storeHost: '127.0.0.1:10911',
    clock,
    onEntry: (entry) => delayed.onEntry(entry),
  });
  const append: MessageStore['append'] = (drafts) => {
    const error = failure(drafts);
    return error === undefined ? store.append(drafts) : Promise.reject(error);
  };
  delayed.start({ store: { append, read: (at) => store.read(at), find: (search) => store.find(search) } });
  const close = async (): Promise<void> => {
    delayed.close();
    await store.close();
  };
  return { clock, delayed, store, warnings, close };
}

describe('while the store takes nothing', () => {
  test('delayed messages wait on, said once, and come when it does again, in their order', async () => {
    let isFull = true;
    let attemptCount = 0;
    const { clock, delayed, store, warnings, close } = await startWithFaults(() => {
      attemptCount += 1;
      return isFull ? new StoreError('full', 'the disk has no room') : undefined;
    });
    await store.append(
      ['a', 'b', 'c'].map((body, at) => delayed.route(order({ TIMER_DELAY_MS: `${100 * (at + 1)}` }, body))),
    );
    await clock.advance(1_000);
    await expect.poll(() => attemptCount, { timeout: 5_000 }).toBeGreaterThan(4);
    expect(delayed.count).toBe(3);
    expect(warnings).toHaveLength(1);
    isFull = false;
    await expect.poll(() => delayed.count, { timeout: 10_000 }).toBe(0);
    expect(bodiesOf(store)).toEqual(['a', 'b', 'c']);
    await close();
  });

  test('a recall fails, and the message still comes', async () => {
    let isFull = true;
    const { clock, delayed, store, close } = await startWithFaults(() =>
      isFull ? new StoreError('full', 'the disk has no room') : undefined,
    );
    await store.append([delayed.route(order({ TIMER_DELAY_MS: '500', UNIQ_KEY: 'A' }))]);
    const recall = expect(delayed.recall('orders', 'A')).rejects.toMatchObject({ kind: 'full' });
    await clock.advance(500);
    await recall;
    isFull = false;
    await expect.poll(() => bodiesOf(store), { timeout: 10_000 }).toHaveLength(1);
    await close();
  });

  test('nothing is tried after the end', async () => {
    let attemptCount = 0;
    const { clock, delayed, store, close } = await startWithFaults(() => {
      attemptCount += 1;
      return new StoreError('full', 'the disk has no room');
    });
    await store.append([delayed.route(order({ TIMER_DELAY_MS: '500' }))]);
    await clock.advance(500);
    await expect.poll(() => attemptCount).toBeGreaterThan(0);
    await close();
    const before = attemptCount;
    await wait(250);
    expect(attemptCount).toBe(before);
  });
});

test('what can never be delivered is given up, named in the log, and holds up no other', async () => {
  const { clock, delayed, store, warnings, close } = await startWithFaults((drafts) =>
    drafts.some(({ body }) => body.toString() === 'refused') ? new StoreError('refused', 'it is too large') : undefined,
  );
  // Whatever wrote it to the inner topic, it does not say where it goes.
  const nowhere = { ...order({ DELAY: '1' }, 'nowhere'), topic: 'SCHEDULE_TOPIC_XXXX', queueId: 0 };
  const delayedOrders = ['before', 'refused', 'after'].map((body) => delayed.route(order({ DELAY: '1' }, body)));
  await store.append([nowhere, ...delayedOrders]);
  await clock.advance(2_000);
  await expect.poll(() => delayed.count).toBe(0);
  await clock.advance(0);
  expect(bodiesOf(store)).toEqual(['before', 'after']);
  expect(warnings).toEqual(Array(2).fill('a delayed message can never be delivered'));
  await close();
});

test('of 16,385 recalled messages the first is forgotten: recalled again, it is not found', async () => {
  const clock = new VirtualClock(startMs);
  const delayed = new DelayedMessages({ clock, delayLevelsMs, delayMsMax: 100_000, log: undefined });
  const record = encodeStoredMessage({
    ...delayed.route(order({ TIMER_DELAY_MS: '500' })),
    queueOffset: 0n,
    commitLogOffset: 0n,
    storeTimestampMs: startMs,
    storeHost: '127.0.0.1:10911',
    preparedTransactionOffset: 0n,
    bodyCrc: 0,
  });
  const entry = { queueId: 0, queueOffset: 0, size: record.length, storeTimestampMs: startMs, record };
  for (let offset = 1; offset <= 16_385; offset += 1) {
    delayed.onEntry({ ...entry, topic: 'rmq_sys_wheel_timer', commitLogOffset: offset, replaces: 0 });
    delayed.onEntry({ ...entry, topic: 'rmq_sys_ENGINE_RECALL', commitLogOffset: 1e6 + offset, replaces: offset });
  }
  expect(delayed.count).toBe(0);
  let found = 1;
  const append = () => Promise.reject(new Error('nothing is to be stored'));
  delayed.start({ store: { append, read: () => record, find: () => [found] } });
  expect(await delayed.recall('orders', '7F0000010001')).toBe(false);
  found = 2;
  expect(await delayed.recall('orders', '7F0000010001')).toBe(true);
  delayed.close();
});

describe('a message with a long delay', () => {
  const large = (body: number): MessageDraft => ({ ...order(), topic: 'large', body: Buffer.alloc(body) });

  async function fill(options: Partial<BrokerOptions> = {}) {
    const clock = new VirtualClock(startMs);
    const { engine, close } = await start({ clock, segmentBytes: 100_000, retentionBytes: 300_000, ...options });
    await engine.put([order({ TIMER_DELAY_SEC: '200000', UNIQ_KEY: 'timed' }, 'in two days')]);
    await engine.put([order({ DELAY: '18', UNIQ_KEY: 'level' }, 'in two hours')]);
    for (let count = 0; count < 40; count += 1) {
      await engine.put([large(50_000)]);
      await nextTurn();
      await nextTurn();
    }
    return { clock, engine, close, options: { clock, ...options } };
  }

  test('does not keep all that comes behind it, and comes at its time', async () => {
    const { clock, engine } = await fill();
    expect(engine.store.maxCommitLogOffset - engine.store.minCommitLogOffset).toBeLessThan(600_000);
    expect(engine.delayed.count).toBe(2);
    await clock.advance(7_200_000 - 1);
    expect(bodiesOf(engine.store)).toEqual([]);
    await clock.advance(1);
    expect(bodiesOf(engine.store)).toEqual(['in two hours']);
    const [message] = messagesOf(engine.store, 'orders');
    expect(message).toMatchObject({ queueId: 1, flag: 7, bornHost: '127.0.0.1:50000' });
    expect([message?.properties.get('UNIQ_KEY'), message?.properties.has('DELAY')]).toEqual(['level', false]);
    await clock.advance(200_000_000 - 7_200_000 - 1);
    expect(bodiesOf(engine.store)).toEqual(['in two hours']);
    await clock.advance(1);
    expect(bodiesOf(engine.store)).toEqual(['in two hours', 'in two days']);
    expect(engine.delayed.count).toBe(0);
  });

  test('can still be recalled, and is there after a start, once', async () => {
    const { clock, engine, close, options } = await fill({ dataDirectory: newFolder(), checkpointIntervalMs: 20 });
    expect(await engine.delayed.recall('orders', 'timed')).toBe(true);
    expect(engine.delayed.count).toBe(1);
    await close();
    engines.splice(0);
    const again = (await start(options)).engine;
    expect(again.delayed.count).toBe(1);
    await clock.advance(200_000_000);
    expect(bodiesOf(again.store)).toEqual(['in two hours']);
  });

  test('stays where it is among many such', async () => {
    const clock = new VirtualClock(startMs);
    const { engine } = await start({ clock, segmentBytes: 100_000, retentionBytes: 300_000 });
    const delayed = { ...large(10_000), properties: new Map([['TIMER_DELAY_SEC', '200000']]) };
    for (let count = 0; count < 60; count += 1) await engine.put([delayed]);
    await nextTurn();
    expect(engine.store.minCommitLogOffset).toBe(0);
    expect(engine.store.maxCommitLogOffset).toBeLessThan(60 * 10_500);
    expect(engine.delayed.count).toBe(60);
  });
});
