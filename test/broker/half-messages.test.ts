import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { Engine } from '../../src/broker/engine.ts';
import { HalfMessages, type HalfMessagesOptions } from '../../src/broker/half-messages.ts';
import { type BrokerOptions, brokerDefaults } from '../../src/broker/options.ts';
import type { RunningEngine } from '../../src/broker/start-engine.ts';
import { type MessageStore, type StoredPlace, StoreError } from '../../src/broker/store/message-store.ts';
import { openMessageStore } from '../../src/broker/store/open-store.ts';
import type { Command } from '../../src/remoting/command.ts';
import { checkTransaction } from '../../src/remoting/requests/check-transaction.ts';
import { decodeStoredMessages, encodeStoredMessage } from '../../src/remoting/stored-message.ts';
import { SysFlag } from '../../src/remoting/sys-flag.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { type MemoryConnection, memoryConnection } from '../support/memory-connection.ts';
import { messagesOf, order, startBareEngine } from '../support/started-engine.ts';

const startMs = 1_700_000_000_000;
const commit = 8;
const rollback = 12;
const unknown = 0;
const halfTopic = 'RMQ_SYS_TRANS_HALF_TOPIC';

const engines: RunningEngine[] = [];
const folders: string[] = [];

afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

async function start(options: Partial<BrokerOptions & HalfMessagesOptions>): Promise<Engine> {
  const running = await startBareEngine(options);
  engines.push(running);
  return running.engine;
}

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'halves-'));
  folders.push(folder);
  return folder;
}

const half = (properties: Readonly<Record<string, string>> = {}, body = 'order') =>
  order({ TRAN_MSG: 'true', PGROUP: 'buyers', ...properties }, body);

const halfOptions = (clock: VirtualClock): HalfMessagesOptions => ({ ...brokerDefaults, clock });

async function sendHalf(engine: Engine, properties: Readonly<Record<string, string>> = {}): Promise<StoredPlace> {
  const [place] = await engine.store.append([engine.halves.toHalf(half(properties))]);
  if (place === undefined) throw new Error('not stored');
  return place;
}

function end(engine: Engine, { commitLogOffset, queueOffset }: StoredPlace, outcome: number): Promise<void> {
  return engine.halves.end({ producerGroup: 'buyers', commitLogOffset, queueOffset, outcome });
}

/** A producer of the group whose heartbeat has come, and what it was asked. */
function connectProducer(engine: Engine, options = {}): MemoryConnection {
  const producer = memoryConnection(options);
  const heartbeat = { clientId: producer.connection.peer, producerGroups: ['buyers'], consumers: [] };
  const origin = { connection: producer.connection, language: 'JAVA', version: 0 };
  for (const group of engine.clients.register({ ...heartbeat, withoutSubscriptions: false }, origin)) {
    engine.halves.producerArrived(group);
  }
  return producer;
}

/** Commit log offset and count of each check. */
function checksOf({ written }: { readonly written: readonly Command[] }): [offset: number, checkCount: string][] {
  return written.map((command) => {
    const [message] = decodeStoredMessages(command.body);
    const { commitLogOffset } = checkTransaction.decode(command);
    return [Number(commitLogOffset), message?.properties.get('TRANSACTION_CHECK_TIMES') ?? ''];
  });
}

describe('a half message', () => {
  test('is nowhere to be read until it is committed, and then once', async () => {
    const engine = await start({ clock: new VirtualClock(startMs) });
    const place = await sendHalf(engine);
    expect(messagesOf(engine.store, 'orders')).toEqual([]);
    expect(engine.halves.oldestOffset()).toBe(place.commitLogOffset);
    await end(engine, place, commit);
    const [message, ...more] = messagesOf(engine.store, 'orders');
    expect(more).toEqual([]);
    expect(message).toMatchObject({
      queueId: 1,
      flag: 7,
      sysFlag: SysFlag.TRANSACTION_COMMIT,
      preparedTransactionOffset: BigInt(place.commitLogOffset),
    });
    expect(engine.halves.count).toBe(0);
    expect(engine.halves.oldestOffset()).toBe(Number.POSITIVE_INFINITY);
  });

  test('that is rolled back never comes, and is checked no more', async () => {
    const clock = new VirtualClock(startMs);
    const engine = await start({ clock });
    const producer = connectProducer(engine);
    await end(engine, await sendHalf(engine), rollback);
    await clock.advance(100_000);
    expect(messagesOf(engine.store, 'orders')).toEqual([]);
    expect(producer.written).toEqual([]);
    expect(engine.halves.count).toBe(0);
  });

  test('waits on where the outcome is unknown', async () => {
    const engine = await start({ clock: new VirtualClock(startMs) });
    const place = await sendHalf(engine);
    await end(engine, place, unknown);
    expect(engine.halves.count).toBe(1);
    await end(engine, place, commit);
    await end(engine, place, unknown);
    expect(messagesOf(engine.store, 'orders')).toHaveLength(1);
  });

  test('with a delay is delivered that long after its commit', async () => {
    const clock = new VirtualClock(startMs);
    const engine = await start({ clock });
    const place = await sendHalf(engine, { DELAY: '2' });
    await clock.advance(3_000);
    await end(engine, place, commit);
    expect(engine.halves.count).toBe(0);
    await end(engine, place, commit);
    expect(engine.delayed.count).toBe(1);
    await clock.advance(4_999);
    expect(messagesOf(engine.store, 'orders')).toEqual([]);
    await clock.advance(2);
    await clock.advance(0);
    expect(messagesOf(engine.store, 'orders')).toHaveLength(1);
    await expect(end(engine, place, rollback)).rejects.toMatchObject({ code: 604 });
  });

  test('with a delay that cannot be is not committed', async () => {
    const engine = await start({ clock: new VirtualClock(startMs) });
    const place = await sendHalf(engine, { DELAY: 'soon' });
    await expect(end(engine, place, commit)).rejects.toMatchObject({ code: 13 });
    expect(engine.halves.count).toBe(1);
    await end(engine, place, rollback);
    expect(engine.halves.count).toBe(0);
  });
});

describe('an end', () => {
  test.each([
    ['commits', commit, rollback, 1],
    ['rollbacks', rollback, commit, 0],
  ])('that comes again is answered alike: 20 %s at once and more later', async (_what, outcome, contrary, count) => {
    const engine = await start({ clock: new VirtualClock(startMs) });
    const place = await sendHalf(engine);
    const ends = Array.from({ length: 20 }, () => end(engine, place, outcome));
    // While the first is being stored, and after it.
    await expect(end(engine, place, contrary)).rejects.toMatchObject({ code: 604 });
    await Promise.all(ends);
    await end(engine, place, outcome);
    await expect(end(engine, place, contrary)).rejects.toMatchObject({ code: 604 });
    expect(messagesOf(engine.store, 'orders')).toHaveLength(count);
    expect(messagesOf(engine.store, 'RMQ_SYS_TRANS_OP_HALF_TOPIC')).toHaveLength(1 - count);
  });

  test('names a half message of its group', async () => {
    const engine = await start({ clock: new VirtualClock(startMs) });
    const { commitLogOffset, queueOffset } = await sendHalf(engine);
    const [other] = await engine.put([order()]);
    const right = { producerGroup: 'buyers', commitLogOffset, queueOffset, outcome: commit };
    for (const wrong of [
      { commitLogOffset: other?.commitLogOffset ?? 0, queueOffset: 0 },
      { commitLogOffset: commitLogOffset + 1 },
      { commitLogOffset: -1 },
      { commitLogOffset: 2 ** 60 },
      { queueOffset: queueOffset + 1 },
      { producerGroup: 'sellers' },
    ]) {
      await expect(engine.halves.end({ ...right, ...wrong })).rejects.toMatchObject({ code: 1 });
    }
    await expect(engine.halves.end({ ...right, outcome: 5 })).rejects.toMatchObject({ code: 29 });
    expect(engine.halves.count).toBe(1);
    expect(messagesOf(engine.store, 'orders')).toHaveLength(1);
  });

  test('that could not be stored changes nothing, and can be tried again, also the other way', async () => {
    const clock = new VirtualClock(startMs);
    let isFull = true;
    const halves = new HalfMessages(halfOptions(clock));
    const store = await openMessageStore({
      directory: undefined,
      storeHost: '127.0.0.1:10911',
      clock,
      onEntry: (entry) => halves.onEntry(entry),
    });
    const append: MessageStore['append'] = (drafts) =>
      isFull ? Promise.reject(new StoreError('full', 'the disk has no room')) : store.append(drafts);
    halves.start({
      store: { append, read: (at) => store.read(at) },
      clients: { producerConnection: () => undefined },
      offsetMessageId: String,
      put: append,
    });
    const [place] = await store.append([halves.toHalf(half())]);
    const { commitLogOffset = 0, queueOffset = 0 } = place ?? {};
    const request = { producerGroup: 'buyers', commitLogOffset, queueOffset };
    const both = [halves.end({ ...request, outcome: commit }), halves.end({ ...request, outcome: commit })];
    for (const result of await Promise.allSettled(both)) {
      expect(result).toMatchObject({ status: 'rejected', reason: { kind: 'full' } });
    }
    await expect(halves.end({ ...request, outcome: rollback })).rejects.toMatchObject({ kind: 'full' });
    expect(halves.count).toBe(1);
    isFull = false;
    await halves.end({ ...request, outcome: rollback });
    await expect(halves.end({ ...request, outcome: commit })).rejects.toMatchObject({ code: 604 });
    expect(messagesOf(store, 'orders')).toEqual([]);
    halves.close();
    await expect(halves.end({ ...request, outcome: commit })).rejects.toMatchObject({ kind: 'closed' });
    await store.close();
  });
});

test('after a restart what waited waits, and what ended is known', async () => {
  const clock = new VirtualClock(startMs);
  const dataDirectory = newFolder();
  const first = await startBareEngine({ clock, dataDirectory });
  const places = [];
  for (let count = 0; count < 4; count += 1) places.push(await sendHalf(first.engine));
  const [committed, rolledBack, delayed, waiting] = places;
  if (committed === undefined || rolledBack === undefined || delayed === undefined || waiting === undefined) return;
  await end(first.engine, committed, commit);
  await end(first.engine, rolledBack, rollback);
  await first.close();
  const engine = await start({ clock, dataDirectory });
  expect(engine.halves.count).toBe(2);
  expect(engine.halves.oldestOffset()).toBe(delayed.commitLogOffset);
  await end(engine, committed, commit);
  await end(engine, rolledBack, rollback);
  await expect(end(engine, committed, rollback)).rejects.toMatchObject({ code: 604 });
  await expect(end(engine, rolledBack, commit)).rejects.toMatchObject({ code: 604 });
  const producer = connectProducer(engine);
  await clock.advance(6_000);
  expect(checksOf(producer)).toEqual([
    [delayed.commitLogOffset, '1'],
    [waiting.commitLogOffset, '1'],
  ]);
  await end(engine, waiting, commit);
  expect(messagesOf(engine.store, 'orders')).toHaveLength(2);
});

describe('a check', () => {
  test('comes at the age of 6 s, then each 30 s, and asks for what was sent', async () => {
    const clock = new VirtualClock(startMs);
    const engine = await start({ clock });
    const producer = connectProducer(engine);
    const place = await sendHalf(engine, { TAGS: 'a' });
    const times: number[] = [];
    for (let second = 1; second <= 70; second += 1) {
      const before = producer.written.length;
      await clock.advance(1_000);
      if (producer.written.length > before) times.push(second);
    }
    expect(times).toEqual([6, 36, 66]);
    expect(checksOf(producer)).toEqual(['1', '2', '3'].map((count) => [place.commitLogOffset, count]));
    const [command] = producer.written;
    if (command === undefined) return;
    expect(checkTransaction.decode(command)).toMatchObject({
      transactionStateTableOffset: BigInt(place.queueOffset),
      messageId: '7F0000010001',
      transactionId: '7F0000010001',
      offsetMessageId: engine.offsetMessageId(place.commitLogOffset),
      topic: halfTopic,
    });
    expect(decodeStoredMessages(command.body)).toMatchObject([{ topic: 'orders', queueId: 1, flag: 7 }]);
    await end(engine, place, commit);
    await clock.advance(100_000);
    expect(producer.written).toHaveLength(3);
  });

  test('waits for the immunity that the message asks for', async () => {
    const clock = new VirtualClock(startMs);
    const engine = await start({ clock });
    const producer = connectProducer(engine);
    await sendHalf(engine, { CHECK_IMMUNITY_TIME_IN_SECONDS: '20' });
    await clock.advance(19_999);
    expect(producer.written).toHaveLength(0);
    await clock.advance(1);
    expect(producer.written).toHaveLength(1);
  });

  test('goes to the producers of the group in turn', async () => {
    const clock = new VirtualClock(startMs);
    const engine = await start({ clock });
    const producers = [connectProducer(engine), connectProducer(engine)];
    await sendHalf(engine);
    await clock.advance(6_000 + 3 * 30_000);
    expect(producers.map(({ written }) => written.length)).toEqual([2, 2]);
  });

  test('that finds no producer does not count, and comes as soon as one is there', async () => {
    const clock = new VirtualClock(startMs);
    const engine = await start({ clock, transactionCheckMax: 2 });
    const place = await sendHalf(engine);
    await clock.advance(300_000);
    expect(engine.halves.count).toBe(1);
    const producer = connectProducer(engine);
    await expect.poll(() => checksOf(producer)).toEqual([[place.commitLogOffset, '1']]);
    producer.connection.close();
    await producer.connection.closed;
    await clock.advance(60_000);
    const another = connectProducer(engine);
    await expect.poll(() => checksOf(another)).toEqual([[place.commitLogOffset, '2']]);
  });

  test('that a producer does not take does not count', async () => {
    const clock = new VirtualClock(startMs);
    const engine = await start({ clock, transactionCheckMax: 1 });
    connectProducer(engine, { unsentBytesMax: 0 });
    await sendHalf(engine);
    await clock.advance(300_000);
    expect(engine.halves.count).toBe(1);
  });

  test('of many at once comes to each, once', async () => {
    const clock = new VirtualClock(startMs);
    const engine = await start({ clock });
    const producer = connectProducer(engine);
    const places = await engine.store.append(Array.from({ length: 500 }, () => engine.halves.toHalf(half())));
    await clock.advance(6_000);
    await clock.advance(0);
    await expect
      .poll(() => checksOf(producer).map(([offset]) => offset))
      .toEqual(places.map(({ commitLogOffset }) => commitLogOffset));
  });
});

describe('a half message is given up', () => {
  test('after the last check went by in vain, and is kept aside', async () => {
    const clock = new VirtualClock(startMs);
    const engine = await start({ clock, transactionCheckMax: 3 });
    const producer = connectProducer(engine);
    const place = await sendHalf(engine);
    await clock.advance(6_000 + 2 * 30_000 + 29_999);
    expect(producer.written).toHaveLength(3);
    expect(engine.halves.count).toBe(1);
    await clock.advance(1);
    await clock.advance(0);
    expect(engine.halves.count).toBe(0);
    expect(producer.written).toHaveLength(3);
    const [kept, ...more] = messagesOf(engine.store, 'TRANS_CHECK_MAX_TIME_TOPIC');
    expect(more).toEqual([]);
    expect(kept).toMatchObject({ queueId: 0, preparedTransactionOffset: BigInt(place.commitLogOffset) });
    expect(kept?.properties.get('REAL_TOPIC')).toBe('orders');
    for (const outcome of [commit, rollback]) {
      await expect(end(engine, place, outcome)).rejects.toMatchObject({
        code: 604,
        message: expect.stringContaining('it was given up'),
      });
    }
    expect(messagesOf(engine.store, 'orders')).toEqual([]);
  });

  test('when it is as old as messages get, though no producer ever came: the log behind it may go', async () => {
    const clock = new VirtualClock(startMs);
    const engine = await start({ clock, retentionMs: 3_600_000 });
    await sendHalf(engine, { CHECK_IMMUNITY_TIME_IN_SECONDS: '9999999999' });
    await sendHalf(engine);
    await clock.advance(3_599_999);
    expect(engine.halves.count).toBe(2);
    await clock.advance(60_000);
    await clock.advance(0);
    expect(engine.halves.count).toBe(0);
    expect(engine.halves.oldestOffset()).toBe(Number.POSITIVE_INFINITY);
  });
});

test('more than may wait are refused, and so are those without a producer group', async () => {
  const engine = await start({ clock: new VirtualClock(startMs), halfCountMax: 2 });
  const places = [await sendHalf(engine), await sendHalf(engine)];
  expect(() => engine.halves.toHalf(half())).toThrow(expect.objectContaining({ code: 2 }));
  for (const place of places.slice(1)) await end(engine, place, commit);
  await sendHalf(engine);
  await end(engine, places[0] ?? { commitLogOffset: 0, queueOffset: 0, size: 0, storeTimestampMs: 0 }, commit);
  expect(() => engine.halves.toHalf(half({ PGROUP: '' }))).toThrow(expect.objectContaining({ code: 13 }));
});

test('of 65,537 ends the first is forgotten, and then refused either way', async () => {
  const halves = new HalfMessages(halfOptions(new VirtualClock(startMs)));
  const draft = halves.toHalf(half());
  const record = encodeStoredMessage({
    ...draft,
    queueOffset: 0n,
    commitLogOffset: 0n,
    storeTimestampMs: startMs,
    storeHost: '127.0.0.1:10911',
    preparedTransactionOffset: 0n,
    bodyCrc: 0,
  });
  const entry = { queueId: 0, queueOffset: 0, size: record.length, storeTimestampMs: startMs, record };
  for (let commitLogOffset = 1; commitLogOffset <= 65_537; commitLogOffset += 1) {
    halves.onEntry({ ...entry, topic: halfTopic, commitLogOffset, replaces: 0 });
    halves.onEntry({ ...entry, topic: 'orders', commitLogOffset: 1e6 + commitLogOffset, replaces: commitLogOffset });
  }
  const put = () => Promise.reject(new Error('nothing is to be stored'));
  const clients = { producerConnection: () => undefined };
  halves.start({ store: { append: put, read: () => record }, clients, offsetMessageId: String, put });
  const request = { producerGroup: 'buyers', queueOffset: 0, outcome: commit };
  await halves.end({ ...request, commitLogOffset: 2 });
  for (const outcome of [commit, rollback]) {
    await expect(halves.end({ ...request, commitLogOffset: 1, outcome })).rejects.toMatchObject({
      code: 604,
      message: expect.stringContaining('it was ended long ago'),
    });
  }
  halves.close();
});
