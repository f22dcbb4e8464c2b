import {
  cpSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import type { RunningBroker } from '../../src/broker/broker.ts';
import { newGroup } from '../../src/broker/groups.ts';
import type { BrokerOptions } from '../../src/broker/options.ts';
import { newTopic } from '../../src/broker/topics.ts';
import type { Log } from '../../src/log.ts';
import { deleteTopic } from '../../src/remoting/requests/topic-config.ts';
import { ResponseCode } from '../../src/remoting/response-code.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { connectEngine, startTestEngine, temporaryFolder } from '../support/engine-client.ts';
import { pop, popTopic } from '../support/pop-client.ts';

const { SERVICE_NOT_AVAILABLE } = ResponseCode;

const queue = { group: 'shop', topic: 'orders', queueId: 0 };

/** The folder as a crash leaves it: what was written is there, nobody has ended anything. */
function crashed(folder: string): string {
  const copy = join(temporaryFolder(), 'data');
  cpSync(folder, copy, { recursive: true });
  rmSync(join(copy, 'lock'), { force: true });
  return copy;
}

/** The file of the log that is written to. */
function logFile(folder: string): string {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile() && !/checkpoint|lock/.test(path));
  const last = files.sort().at(-1);
  if (last === undefined) throw new Error(`there is no log in ${folder}`);
  return last;
}

const start = (dataDirectory: string, options: Partial<BrokerOptions> = {}): Promise<RunningBroker> =>
  startTestEngine({ dataDirectory, ...options });

async function send(broker: RunningBroker, topic: string, ...bodies: string[]): Promise<number[]> {
  const client = await connectEngine(broker.brokerAddress);
  const offsets: number[] = [];
  for (const body of bodies) offsets.push(Number((await client.send(topic, body)).queueOffset));
  return offsets;
}

async function bodiesOf(broker: RunningBroker, topic: string): Promise<readonly string[]> {
  return (await (await connectEngine(broker.brokerAddress)).pull(topic, { group: 'reader' })).bodies;
}

/** Topics, groups, offsets and messages of all kinds, and some that are gone again. */
async function fill(broker: RunningBroker): Promise<void> {
  const { topics, groups, offsets, state } = broker.engine;
  const attributes = { 'message.type': 'FIFO' };
  await topics.put({ ...newTopic('settings', 3), writeQueueCount: 2, permission: 4, order: true, attributes }, state);
  await groups.put({ ...newGroup('shop'), retryMaxTimes: 3, consumeBroadcastEnable: false }, state);
  await groups.put(newGroup('gone'), state);
  await groups.delete('gone', state);
  await send(broker, 'orders', 'one', 'two', 'three');
  await send(broker, 'deleted', 'old');
  await offsets.set(queue, 2, state);
  await offsets.set({ ...queue, topic: 'deleted' }, 1, state);
  const client = await connectEngine(broker.brokerAddress);
  await client.ask(deleteTopic, { topic: 'deleted' });
}

async function expectFilled(broker: RunningBroker): Promise<void> {
  const { topics, groups, offsets } = broker.engine;
  expect(topics.get('settings')).toEqual({
    ...newTopic('settings', 3),
    writeQueueCount: 2,
    permission: 4,
    order: true,
    attributes: { 'message.type': 'FIFO' },
  });
  expect(topics.get('orders')).toEqual(newTopic('orders', 4));
  expect(topics.get('deleted')).toBeUndefined();
  expect(groups.get('shop')).toMatchObject({ retryMaxTimes: 3, consumeBroadcastEnable: false });
  expect(groups.get('gone')).toBeUndefined();
  expect([...offsets.all()].filter(({ group }) => group === 'shop')).toEqual([{ ...queue, offset: 2 }]);
  expect(await bodiesOf(broker, 'orders')).toEqual(['one', 'two', 'three']);
  expect(await send(broker, 'orders', 'four')).toEqual([3]);
  expect(await send(broker, 'deleted', 'new')).toEqual([0]);
  expect(await bodiesOf(broker, 'deleted')).toEqual(['new']);
}

describe('an engine that starts again', () => {
  it('has everything as it was', async () => {
    const folder = temporaryFolder();
    const first = await start(folder);
    await fill(first);
    await first.close();
    await expectFilled(await start(folder));
  });

  it('has everything as it was after a crash without any checkpoint, from its log', async () => {
    const folder = temporaryFolder();
    await fill(await start(folder));
    const copy = crashed(folder);
    expect(readdirSync(copy).filter((name) => name.startsWith('checkpoint'))).toEqual([]);
    await expectFilled(await start(copy));
  });

  it('has everything as it was after a crash between checkpoints', async () => {
    const folder = temporaryFolder();
    const first = await start(folder, { checkpointIntervalMs: 1 });
    await first.engine.topics.put(newTopic('before', 1), first.engine.state);
    await vi.waitFor(() => expect(readdirSync(folder)).toContain('checkpoint.json'), { interval: 1, timeout: 20_000 });
    const second = await start(crashed(folder));
    expect(second.engine.topics.get('before')).toEqual(newTopic('before', 1));
    await fill(second);
    await expectFilled(await start(crashed(second.engine.options.dataDirectory ?? '')));
  });

  it.each([
    ['the last', ['checkpoint.json']],
    ['every', ['checkpoint.json', 'checkpoint.previous.json']],
  ])('has everything as it was where %s checkpoint is damaged, and says so', async (_, damaged) => {
    const folder = temporaryFolder();
    const first = await start(folder);
    await first.engine.topics.put(newTopic('before', 1), first.engine.state);
    await first.close();
    const second = await start(folder);
    await fill(second);
    await second.close();
    for (const name of damaged) writeFileSync(join(folder, name), 'damaged');
    const warnings: string[] = [];
    const log: Log = { debug() {}, info() {}, error() {}, warn: (_, message) => warnings.push(message) };
    const third = await start(folder, { log });
    expect(warnings.filter((text) => text.includes('checkpoint'))).toHaveLength(damaged.length);
    expect(third.engine.topics.get('before')).toEqual(newTopic('before', 1));
    await expectFilled(third);
  });

  it('writes no checkpoint while nothing changes', async () => {
    const folder = temporaryFolder();
    const first = await start(folder);
    await fill(first);
    await first.close();
    const before = statSync(join(folder, 'checkpoint.json')).ino;
    const second = await start(folder, { checkpointIntervalMs: 1 });
    await (await connectEngine(second.brokerAddress)).pull('orders', { group: 'shop' });
    await second.close();
    expect(statSync(join(folder, 'checkpoint.json')).ino).toBe(before);
  });

  it('answers a change only when a crash cannot take it back', async () => {
    const folder = temporaryFolder();
    const first = await start(folder);
    for (let index = 0; index < 5; index += 1) {
      await send(first, `topic${index}`, 'body');
      const copy = await start(crashed(folder));
      expect(copy.engine.topics.get(`topic${index}`)).toBeDefined();
      expect(await bodiesOf(copy, `topic${index}`)).toEqual(['body']);
      await copy.close();
    }
  });

  it('forgets resets that nobody heard of, but not where they went', async () => {
    const folder = temporaryFolder();
    const first = await start(folder);
    await send(first, 'orders', 'one', 'two');
    await first.engine.offsets.reset(queue, 1, first.engine.state);
    const second = await start(crashed(folder));
    expect(second.engine.offsets.pendingReset(queue)).toBeUndefined();
    expect(second.engine.offsets.get(queue)).toBe(1);
  });
});

describe('an engine without checkpoints whose log has lost its start', () => {
  /** A topic with settings of its own, and so many messages that what made it is gone from the log. */
  async function wornLog(): Promise<string> {
    const folder = temporaryFolder();
    const options = { segmentBytes: 20_000, retentionBytes: 60_000, checkpointIntervalMs: 10 };
    const first = await start(folder, options);
    const client = await connectEngine(first.brokerAddress);
    await first.engine.topics.put(newTopic('worn', 6), first.engine.state);
    for (let queueId = 0; first.engine.store.minCommitLogOffset === 0; queueId = (queueId + 1) % 6) {
      await client.send('worn', Buffer.alloc(2_000), { queueId });
      await sleep(2);
    }
    await first.close();
    return folder;
  }

  it('still serves its messages, and says what may be lost', async () => {
    const folder = await wornLog();
    for (const name of ['checkpoint.json', 'checkpoint.previous.json']) rmSync(join(folder, name));
    const errors: string[] = [];
    const log: Log = { debug() {}, info() {}, warn() {}, error: (_fields, message) => errors.push(message) };
    const second = await start(folder, { log });
    expect(errors).toEqual([
      'no checkpoint can be read: settings of topics, groups and offsets may be lost, look at them',
    ]);
    expect(second.engine.topics.get('worn')).toEqual(newTopic('worn', 6));
    const min = second.engine.store.minOffset('worn', 5);
    const client = await connectEngine(second.brokerAddress);
    expect((await client.pull('worn', { queueId: 5, offset: min })).bodies).not.toEqual([]);
    expect(Array.from(second.engine.topics.all(), ({ name }) => name).filter((name) => /ENGINE/.test(name))).toEqual(
      [],
    );
  });

  it('makes no topic anew where a checkpoint can be read', async () => {
    const folder = await wornLog();
    writeFileSync(join(folder, 'checkpoint.json'), 'damaged');
    expect((await start(folder)).engine.topics.get('worn')).toEqual(newTopic('worn', 6));
  });
});

describe('an engine whose disk failed for a while', () => {
  /** Three messages, and a log that takes nothing more, because the folder of its next file is gone. */
  async function fail() {
    const folder = temporaryFolder();
    const first = await start(folder, { segmentBytes: 1_000, checkpointIntervalMs: 3_600_000 });
    const client = await connectEngine(first.brokerAddress);
    await send(first, popTopic, 'one', 'two', 'three');
    await pop(client, { messageCountMax: 1 });
    const [logFolder, away] = [join(folder, 'commitlog'), join(folder, 'away')];
    renameSync(logFolder, away);
    const { offsets, state } = first.engine;
    let refused: unknown;
    for (let offset = 0; refused === undefined; offset += 1) {
      refused = await offsets.set({ ...queue, topic: popTopic }, offset, state).then(
        () => undefined,
        (error: unknown) => error,
      );
    }
    expect(refused).toMatchObject({ name: 'StoreError' });
    return { folder, client, mend: () => renameSync(away, logFolder) };
  }

  it('loses no message that a POP took meanwhile and could not hand out', async () => {
    const { folder, client, mend } = await fail();
    expect(await pop(client, { messageCountMax: 1 })).toMatchObject({ code: SERVICE_NOT_AVAILABLE, bodies: [] });
    mend();
    expect((await pop(client, { messageCountMax: 1 })).bodies).toHaveLength(1);
    const clock = new VirtualClock(Date.now() + 60_000);
    const second = await connectEngine((await start(crashed(folder), { clock })).brokerAddress);
    expect((await pop(second)).bodies).toEqual(['one', 'two', 'three']);
  });

  it('takes no more messages for POPs that it cannot answer', async () => {
    const { client, mend, folder } = await fail();
    mkdirSync(join(folder, 'checkpoint.json.next'));
    for (let count = 0; count < 5; count += 1) {
      expect(await pop(client, { messageCountMax: 1 })).toMatchObject({ code: SERVICE_NOT_AVAILABLE });
    }
    mend();
    rmdirSync(join(folder, 'checkpoint.json.next'));
    expect((await pop(client)).bodies).toEqual(['two', 'three']);
  });
});

describe('an engine whose log lost its end, as by a power failure', () => {
  /** Five messages of which a group has read all, and then a log without the last half. */
  async function cut(): Promise<string> {
    const folder = temporaryFolder();
    const first = await start(folder);
    await send(first, 'orders', 'one', 'two', 'three', 'four', 'five');
    await first.engine.offsets.set(queue, 5, first.engine.state);
    const bytes = first.engine.store.maxCommitLogOffset;
    await first.close();
    truncateSync(logFile(folder), Math.floor(bytes / 2));
    return folder;
  }

  it('gives no offset twice', async () => {
    const broker = await start(await cut());
    const bodies = await bodiesOf(broker, 'orders');
    expect(bodies.length).toBeLessThan(5);
    const [offset = 0] = await send(broker, 'orders', 'six');
    expect(offset).toBeGreaterThanOrEqual(5);
    expect(broker.engine.offsets.get(queue)).toBe(5);
    const client = await connectEngine(broker.brokerAddress);
    expect((await client.pull('orders', { group: 'shop', offset })).bodies).toEqual(['six']);
  });

  it('gives no offset twice where there is no checkpoint either', async () => {
    const folder = temporaryFolder();
    const first = await start(folder);
    await first.engine.offsets.set(queue, 5, first.engine.state);
    const second = await start(crashed(folder));
    expect(await send(second, 'orders', 'six')).toEqual([5]);
  });

  it('keeps what changes afterwards, also when it crashes at once', async () => {
    const folder = await cut();
    const second = await start(folder);
    await second.engine.topics.put(newTopic('afterwards', 2), second.engine.state);
    const third = await start(crashed(folder));
    expect(third.engine.topics.get('afterwards')).toEqual(newTopic('afterwards', 2));
  });
});

describe('an engine that ends', () => {
  it('stores what was asked for before', async () => {
    const folder = temporaryFolder();
    const first = await start(folder);
    const { topics, state } = first.engine;
    const puts = Array.from({ length: 1_500 }, (_, index) => topics.put(newTopic(`topic${index}`, 1), state));
    const closed = first.close();
    await Promise.all(puts);
    await closed;
    const second = await start(folder);
    expect([...second.engine.topics.all()].filter(({ name }) => name.startsWith('topic'))).toHaveLength(1_500);
  });
});
