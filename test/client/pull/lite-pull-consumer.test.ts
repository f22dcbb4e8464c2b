import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { RunningBroker } from '../../../src/broker/broker.ts';
import { GroupSettings } from '../../../src/client/cluster/group-settings.ts';
import { parseTagFilter } from '../../../src/client/message-filter.ts';
import { averageAllocation } from '../../../src/client/pull/allocation.ts';
import { DeliveryNumbers } from '../../../src/client/pull/delivery-numbers.ts';
import { LitePullConsumer, type LitePullOptions } from '../../../src/client/pull/lite-pull-consumer.ts';
import { processQueueLimits } from '../../../src/client/pull/pull-options.ts';
import { UnreadBytes } from '../../../src/client/unread-bytes.ts';
import type { Answer } from '../../../src/remoting/command.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { updateTopic } from '../../../src/remoting/requests/topic-config.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { connectEngine, type EngineClient, startTestEngine } from '../../support/engine-client.ts';
import { GroupMembers } from '../../support/group-members.ts';

const all = parseTagFilter('*');
const soon = () => Deadline.after(10_000);
const queueOf = (queueId: number) => ({ topic: 'orders', brokerName: 'broker-a', queueId });

describe('a lite pull consumer', () => {
  /** What the engine answers to requests of a code, instead of what it would. */
  const answers = new Map<number, Answer>();
  let engine: RunningBroker;
  let client: EngineClient;
  let members: GroupMembers;
  let clientCount = 0;

  beforeEach(async () => {
    answers.clear();
    engine = await startTestEngine({
      intercept: async (request, proceed) => answers.get(request.code) ?? proceed(),
    });
    client = await connectEngine(engine.brokerAddress);
    members = new GroupMembers(engine.nameServer);
    onTestFinished(() => members.stop());
    await client.ask(updateTopic, { topic: 'orders', permission: 6, readQueueCount: 2, writeQueueCount: 2 });
  });

  async function open(more: Partial<LitePullOptions> & { readonly persistIntervalMs?: number } = {}) {
    clientCount += 1;
    const { cluster, log } = members.start({ clientId: `c${clientCount}` });
    const parts = {
      cluster,
      log,
      groups: new GroupSettings(log),
      deliveryNumbers: new DeliveryNumbers(),
      limits: processQueueLimits,
      requestTimeoutMs: 5_000,
      bodyBytesMax: 4_194_304,
      unreadBytes: new UnreadBytes(Number.POSITIVE_INFINITY),
      persistIntervalMs: more.persistIntervalMs ?? 60_000,
    };
    const consumer = await LitePullConsumer.open(parts, {
      group: 'g',
      messageModel: 'CLUSTERING',
      from: { kind: 'first' },
      strategy: averageAllocation,
      autoCommit: true,
      suspendDurationMs: 20_000,
      ...more,
    });
    onTestFinished(() => consumer.close());
    return consumer;
  }

  async function send(bodies: readonly string[], queueId = 0): Promise<void> {
    for (const body of bodies) {
      await client.send('orders', body, { queueId, properties: { TAGS: body.startsWith('x') ? 'X' : 'Y' } });
    }
  }

  /** The bodies of so many messages, of as many polls as it takes. */
  async function read(consumer: LitePullConsumer, count: number, countMax = 100): Promise<string[]> {
    const bodies: string[] = [];
    while (bodies.length < count) {
      const messages = await consumer.poll(countMax, soon());
      if (messages.length === 0) throw new Error(`only ${bodies.length} messages came: ${bodies}`);
      expect(messages.length).toBeLessThanOrEqual(countMax);
      bodies.push(...messages.map(({ body }) => body.toString()));
    }
    return bodies;
  }

  test('gets messages of the queues that it chose, in order, as many as it wants', async () => {
    await send(['a', 'b', 'c', 'd', 'e']);
    await send(['not this'], 1);
    const consumer = await open();
    expect(await consumer.queuesOf('orders', soon())).toEqual([queueOf(0), queueOf(1)]);
    await consumer.assign([queueOf(0)], all);
    expect(consumer.queues).toEqual([queueOf(0)]);
    const [first] = await consumer.poll(1, soon());
    expect(first).toMatchObject({ topic: 'orders', receipt: { queueId: 0, queueOffset: 0n } });
    expect(await read(consumer, 4, 2)).toEqual(['b', 'c', 'd', 'e']);
    const waiting = consumer.poll(1, soon());
    await send(['f']);
    expect((await waiting).map(({ body }) => body.toString())).toEqual(['f']);
  });

  test('wants what its filter says', async () => {
    await send(['x1', 'y1', 'x2', 'y2']);
    const consumer = await open();
    await consumer.assign([queueOf(0)], parseTagFilter('X'));
    expect(await read(consumer, 2)).toEqual(['x1', 'x2']);
  });

  test('waits no longer than it may, or is wanted', async () => {
    const consumer = await open();
    await consumer.assign([queueOf(0)], all);
    expect(await consumer.poll(1, Deadline.after(30))).toEqual([]);
    const caller = new AbortController();
    const cancelled = consumer.poll(1, Deadline.after(10_000, caller.signal));
    await expect(consumer.poll(1, soon())).rejects.toMatchObject({ kind: 'invalid' });
    caller.abort();
    await expect(cancelled).rejects.toMatchObject({ kind: 'cancelled' });
    const closed = consumer.poll(1, soon());
    await Promise.all([consumer.close(), expect(closed).rejects.toMatchObject({ kind: 'closed' })]);
    await expect(consumer.poll(1, soon())).rejects.toMatchObject({ kind: 'closed' });
    await expect(consumer.subscribe('orders', all)).rejects.toMatchObject({ kind: 'closed' });
  });

  test('shares what it subscribes to with the others of its group', async () => {
    await send(['a0'], 0);
    await send(['a1'], 1);
    const one = await open();
    await one.subscribe('orders', all);
    expect((await read(one, 2)).sort()).toEqual(['a0', 'a1']);
    await one.commit(soon());
    const two = await open();
    await two.subscribe('orders', all);
    await expect.poll(() => [one.queues.length, two.queues.length], { timeout: 4_000 }).toEqual([1, 1]);
    await send(['b0'], 0);
    await send(['b1'], 1);
    expect([...(await read(one, 1)), ...(await read(two, 1))].sort()).toEqual(['b0', 'b1']);
    await two.commit(soon());
    await one.unsubscribe('orders');
    expect(one.queues).toEqual([]);
    await expect(one.assign([queueOf(0)], all)).rejects.toMatchObject({ kind: 'invalid' });
  });

  test('goes where it is sent: offsets, both ends, times', async () => {
    await send(['a', 'b', 'c']);
    const consumer = await open();
    await consumer.assign([queueOf(0)], all);
    expect(await read(consumer, 3)).toEqual(['a', 'b', 'c']);
    await consumer.seek(queueOf(0), 1n, soon());
    expect(await read(consumer, 2)).toEqual(['b', 'c']);
    await consumer.seek(queueOf(0), { kind: 'first' }, soon());
    expect(await read(consumer, 3)).toEqual(['a', 'b', 'c']);
    await consumer.seek(queueOf(0), { kind: 'timestamp', timestampMs: 0 }, soon());
    expect(await read(consumer, 3)).toEqual(['a', 'b', 'c']);
    await consumer.seek(queueOf(0), 0n, soon());
    await consumer.seek(queueOf(0), { kind: 'last' }, soon());
    await send(['d']);
    expect(await read(consumer, 1)).toEqual(['d']);
    await expect(consumer.seek(queueOf(1), 0n, soon())).rejects.toMatchObject({ kind: 'invalid' });
  });

  test('takes nothing of queues that pause, until they go on', async () => {
    await send(['a0'], 0);
    await send(['a1'], 1);
    const consumer = await open();
    await consumer.assign([queueOf(0), queueOf(1)], all);
    consumer.pause([queueOf(0)]);
    expect(await read(consumer, 1)).toEqual(['a1']);
    expect(await consumer.poll(1, Deadline.after(50))).toEqual([]);
    const waiting = consumer.poll(1, soon());
    consumer.resume([queueOf(0)]);
    expect((await waiting)[0]?.body.toString()).toBe('a0');
  });

  test('commits what it is told, and nothing else where that is its way', async () => {
    await send(['a', 'b', 'c', 'd']);
    const consumer = await open({ autoCommit: false, persistIntervalMs: 5 });
    await consumer.assign([queueOf(0)], all);
    await consumer.poll(2, soon());
    await consumer.commit(soon());
    expect(await consumer.committed(queueOf(0), soon())).toBe(2n);
    expect(await read(consumer, 2, 1)).toEqual(['c', 'd']);
    await consumer.close();
    const next = await open();
    await next.assign([queueOf(0)], all);
    expect(await read(next, 2)).toEqual(['c', 'd']);
    await next.commit(soon());
    await next.seek(queueOf(0), 1n, soon());
    await next.poll(1, soon());
    await next.commit(soon());
    expect(await next.committed(queueOf(0), soon())).toBe(2n);
  });

  test('commits by itself what earlier polls brought: from time to time, and when it closes', async () => {
    await send(['a', 'b', 'c']);
    const consumer = await open({ persistIntervalMs: 10 });
    await consumer.assign([queueOf(0)], all);
    await consumer.poll(1, soon());
    await consumer.poll(1, soon());
    await expect.poll(() => consumer.committed(queueOf(0), soon())).toBe(1n);
    await consumer.close();
    const next = await open();
    await next.assign([queueOf(0)], all);
    // The last poll's may not have been worked on.
    expect(await read(next, 2)).toEqual(['b', 'c']);
    await next.poll(1, Deadline.after(0));
    await next.close();
    expect(await (await open()).committed(queueOf(0), soon())).toBe(3n);
  });

  test('a broadcast brings everything to every member, each of which remembers where it is', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'lite-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const broadcast = (clientId: string) =>
      open({ messageModel: 'BROADCASTING', localOffsets: { directory, clientId } });
    await send(['a', 'b']);
    for (const clientId of ['one', 'two']) {
      const consumer = await broadcast(clientId);
      await consumer.subscribe('orders', all);
      expect(await read(consumer, 2)).toEqual(['a', 'b']);
      await consumer.commit(soon());
      expect(await consumer.committed(queueOf(0), soon())).toBe(2n);
      await consumer.close();
    }
    await send(['c']);
    const again = await broadcast('one');
    await again.subscribe('orders', all);
    expect(await read(again, 1)).toEqual(['c']);
  });

  test('is told why brokers refuse it', async () => {
    answers.set(RequestCode.PULL_MESSAGE, { code: ResponseCode.NO_PERMISSION, remark: 'no' });
    const consumer = await open();
    await consumer.assign([queueOf(0)], all);
    await expect(consumer.poll(1, soon())).rejects.toMatchObject({ kind: 'denied' });
  });

  test('goes where an operator sends its group', async () => {
    await send(['a', 'b', 'c']);
    const consumer = await open();
    await consumer.subscribe('orders', all);
    expect(await read(consumer, 3)).toEqual(['a', 'b', 'c']);
    await members.last?.cluster.pullGroups.find('g')?.reset(new Map([[queueOf(0), 1n]]));
    expect(await consumer.committed(queueOf(0), soon())).toBe(1n);
    expect(await read(consumer, 2)).toEqual(['b', 'c']);
  });

  test('says in the log what cannot be stored, and tells who commits', async () => {
    await send(['a']);
    const consumer = await open();
    await consumer.assign([queueOf(0)], all);
    await read(consumer, 1);
    answers.set(RequestCode.UPDATE_CONSUMER_OFFSET, { code: ResponseCode.SYSTEM_ERROR });
    await expect(consumer.commit(soon())).rejects.toMatchObject({ code: ResponseCode.SYSTEM_ERROR });
    await consumer.close();
    expect(members.last?.log.troubles).toEqual(['the progress of a group could not be stored']);
  });

  test('leaves out what cannot be read', async () => {
    const properties = { TAGS: 'X' };
    // Compressed with zlib, by its flag, and not by its bytes.
    await client.send('orders', 'no zlib', { properties, sysFlag: 1 });
    await send(['x']);
    const consumer = await open();
    await consumer.assign([queueOf(0)], all);
    expect(await read(consumer, 1)).toEqual(['x']);
    expect(members.last?.log.troubles).toEqual(['a message cannot be read, and is left out']);
  });
});
