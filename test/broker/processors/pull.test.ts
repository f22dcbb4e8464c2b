import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { RunningBroker } from '../../../src/broker/broker.ts';
import { newGroup } from '../../../src/broker/groups.ts';
import { newTopic } from '../../../src/broker/topics.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { encodeHeartbeat } from '../../../src/remoting/requests/heartbeat.ts';
import { PullFlag, pullMessage } from '../../../src/remoting/requests/pull-message.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import type { ServerConnection } from '../../../src/remoting/server-connection.ts';
import { bytesOf } from '../../support/connected-channel.ts';
import {
  connectEngine,
  type EngineClient,
  type PullFields,
  pullContent,
  startTestEngine,
} from '../../support/engine-client.ts';

const {
  INVALID_PARAMETER,
  NO_PERMISSION,
  PULL_NOT_FOUND,
  PULL_OFFSET_MOVED,
  PULL_RETRY_IMMEDIATELY,
  SUBSCRIPTION_GROUP_NOT_EXIST,
  SUBSCRIPTION_NOT_EXIST,
  SUBSCRIPTION_NOT_LATEST,
  SUBSCRIPTION_PARSE_FAILED,
  SUCCESS,
  TOPIC_NOT_EXIST,
} = ResponseCode;
/** What a long poll may be late. */
const lateMsMax = 100;
const queue = { group: 'group', topic: 'orders', queueId: 0 };

let broker: RunningBroker;
let client: EngineClient;
beforeEach(async () => {
  broker = await startTestEngine();
  client = await connectEngine(broker.brokerAddress);
  await broker.engine.topics.put(newTopic('orders', 2), broker.engine.state);
});

/** Sends bodies to queue 0, each with the tag of its first letter. */
async function send(...bodies: string[]): Promise<void> {
  for (const body of bodies) await client.send('orders', body, { properties: { TAGS: body.slice(0, 1), n: body } });
}

async function codeOf(fields: PullFields, topic = 'orders'): Promise<number> {
  return (await client.invoke(pullContent(topic, fields))).code;
}

const isHeld = (): Promise<void> =>
  vi.waitFor(() => expect(broker.engine.held.count).toBe(1), { interval: 1, timeout: 5_000 });

describe('a pull', () => {
  it('finds what is there, and says where to go on', async () => {
    await send('a1', 'a2', 'a3');
    const answer = { minOffset: 0, maxOffset: 3 };
    expect(await client.pull('orders', { countMax: 2 })).toMatchObject({
      ...answer,
      code: SUCCESS,
      nextBeginOffset: 2,
      bodies: ['a1', 'a2'],
    });
    expect(await client.pull('orders', { offset: 2 })).toMatchObject({ ...answer, nextBeginOffset: 3, bodies: ['a3'] });
    const end = { ...answer, code: PULL_NOT_FOUND, nextBeginOffset: 3, bodies: [] };
    expect(await client.pull('orders', { offset: 3 })).toMatchObject(end);
  });

  it('finds nothing in a queue without messages', async () => {
    const nothing = { code: PULL_NOT_FOUND, nextBeginOffset: 0, minOffset: 0, maxOffset: 0, bodies: [] };
    expect(await client.pull('orders', { queueId: 1 })).toMatchObject(nothing);
  });

  it('is the same under the code of lite pulls', async () => {
    await send('a1');
    const reply = await client.invoke({ ...pullContent('orders'), code: RequestCode.LITE_PULL_MESSAGE });
    expect(reply.code).toBe(SUCCESS);
    expect(pullMessage.decodeReply(reply, '').nextBeginOffset).toBe(1n);
  });

  it.each([-1, -5, 4, 2_000_000_000])('is told that offset %i has moved', async (offset) => {
    await send('a1', 'a2', 'a3');
    const expected = { code: PULL_OFFSET_MOVED, nextBeginOffset: offset < 0 ? 0 : 3, bodies: [] };
    expect(await client.pull('orders', { offset, suspendMs: 30_000 })).toMatchObject(expected);
  });

  it('is told that an offset is too low where messages have gone', async () => {
    broker.engine.store.raiseMaxOffset('orders', 1, 10);
    const moved = { code: PULL_OFFSET_MOVED, nextBeginOffset: 10, minOffset: 10, maxOffset: 10 };
    expect(await client.pull('orders', { queueId: 1, offset: 3 })).toMatchObject(moved);
    expect(await client.pull('orders', { queueId: 1, offset: 10 })).toMatchObject({ code: PULL_NOT_FOUND });
  });

  it('is told of a reset, once, and that comes before anything else', async () => {
    await send('a1', 'a2', 'a3');
    await broker.engine.offsets.reset(queue, 1, broker.engine.state);
    // What the group says meanwhile is old.
    const moved = await client.pull('orders', { offset: 3, commitOffset: 3, suspendMs: 30_000 });
    expect(moved).toMatchObject({ code: PULL_OFFSET_MOVED, nextBeginOffset: 1 });
    expect(broker.engine.offsets.get(queue)).toBe(1);
    expect(await client.pull('orders', { offset: 1 })).toMatchObject({ code: SUCCESS, bodies: ['a2', 'a3'] });
  });

  it('has as many messages as it asks for, 1 at least', async () => {
    await send('a1', 'a2', 'a3');
    for (const countMax of [1, 0, -1]) expect((await client.pull('orders', { countMax })).bodies).toEqual(['a1']);
    expect((await client.pull('orders', { countMax: 2_147_483_647 })).bodies).toHaveLength(3);
  });

  it('has as many bytes as it asks for, but one message at least', async () => {
    await send('a1', 'a2', 'a3');
    const [first, second] = (await client.pull('orders')).messages;
    const bytes = Number(second?.commitLogOffset) - Number(first?.commitLogOffset);
    // The log has a few bytes of its own behind each message, so that two take less than this.
    expect((await client.pull('orders', { bytesMax: 2 * bytes })).bodies).toHaveLength(2);
    for (const bytesMax of [1, 0, -1]) expect((await client.pull('orders', { bytesMax })).bodies).toEqual(['a1']);
  });

  it('has at most 1 MiB, or a single larger message', async () => {
    for (const bytes of [400_000, 400_000, 400_000, 2_000_000, 10]) await client.send('orders', 'x'.repeat(bytes));
    const sizes = async (offset: number): Promise<number[]> =>
      (await client.pull('orders', { offset, bytesMax: 2_147_483_647 })).bodies.map(({ length }) => length);
    expect(await sizes(0)).toEqual([400_000, 400_000]);
    expect(await sizes(2)).toEqual([400_000]);
    expect(await sizes(3)).toEqual([2_000_000]);
    expect(await sizes(4)).toEqual([10]);
  });

  it.each([
    ['a queue that is not there', { queueId: 2 }, INVALID_PARAMETER],
    ['a negative queue', { queueId: -1 }, INVALID_PARAMETER],
    ['a filter that makes no sense', { subscription: 'a >', expressionType: 'SQL92' }, SUBSCRIPTION_PARSE_FAILED],
    ['an empty SQL filter', { subscription: '', expressionType: 'SQL92' }, SUBSCRIPTION_PARSE_FAILED],
    ['a filter of another kind', { expressionType: 'REGEX' }, SUBSCRIPTION_PARSE_FAILED],
    ['a group that cannot be', { group: 'a b' }, INVALID_PARAMETER],
  ] as const)('is refused for %s', async (_, fields, code) => {
    expect(await codeOf(fields)).toBe(code);
  });

  it('is refused for a topic that is not there, and makes none', async () => {
    expect(await codeOf({}, 'nothing')).toBe(TOPIC_NOT_EXIST);
    expect(await codeOf({}, 'a b')).toBe(TOPIC_NOT_EXIST);
    expect(broker.engine.topics.get('nothing')).toBeUndefined();
  });

  it('is refused where topic or group may not be read', async () => {
    const { topics, groups, state } = broker.engine;
    await topics.put({ ...newTopic('closed', 1), permission: 2 }, state);
    expect(await codeOf({}, 'closed')).toBe(NO_PERMISSION);
    await groups.put({ ...newGroup('idle'), consumeEnable: false }, state);
    expect(await codeOf({ group: 'idle' })).toBe(NO_PERMISSION);
  });

  it('is refused for an unknown group where groups are not made by consumers', async () => {
    broker = await startTestEngine({ autoCreateGroups: false });
    client = await connectEngine(broker.brokerAddress);
    await client.send('orders', 'a1');
    expect(await codeOf({})).toBe(SUBSCRIPTION_GROUP_NOT_EXIST);
  });
});

describe('the subscription of a pull', () => {
  const beat = (expression: string, version: number): Promise<unknown> =>
    client.invoke(
      encodeHeartbeat({
        clientId: 'client',
        producerGroups: [],
        consumers: [{ groupName: 'group', subscriptions: [{ topic: 'orders', expression, version }] }],
      }),
    );
  const fromHeartbeat = { sysFlag: 0, subscription: 'z' };

  it('is the one of the heartbeat where the pull has none, and must be as new', async () => {
    await send('a1', 'b1');
    expect(await codeOf(fromHeartbeat)).toBe(SUBSCRIPTION_NOT_EXIST);
    await beat('b', 5);
    expect((await client.pull('orders', { ...fromHeartbeat, subscriptionVersion: 5n })).bodies).toEqual(['b1']);
    expect((await client.pull('orders', fromHeartbeat)).bodies).toEqual(['b1']);
    expect(await codeOf({ ...fromHeartbeat, subscriptionVersion: 6n })).toBe(SUBSCRIPTION_NOT_LATEST);
    await beat('a', 6);
    expect((await client.pull('orders', { ...fromHeartbeat, subscriptionVersion: 6n })).bodies).toEqual(['a1']);
  });

  it('lets pass what has one of its tags', async () => {
    await send('a1', 'b1', 'c1', 'a2');
    expect((await client.pull('orders', { subscription: 'a || c' })).bodies).toEqual(['a1', 'c1', 'a2']);
    expect((await client.pull('orders', { subscription: '' })).bodies).toHaveLength(4);
    expect((await client.pull('orders', { subscription: 'a', countMax: 1, offset: 1 })).bodies).toEqual(['a2']);
  });

  it('lets pass what fits its SQL', async () => {
    await send('a1', 'b1', 'c1');
    const sql = { expressionType: 'SQL92', subscription: "TAGS = 'b' OR n IN ('c1')" };
    expect((await client.pull('orders', sql)).bodies).toEqual(['b1', 'c1']);
  });

  it('that wants nothing of what is there is told where to go on, at once', async () => {
    await send('a1', 'a2');
    for (const expressionType of ['TAG', 'SQL92']) {
      const subscription = expressionType === 'TAG' ? 'b' : "TAGS = 'b'";
      const nothing = await client.pull('orders', { expressionType, subscription, suspendMs: 30_000 });
      expect(nothing).toMatchObject({ code: PULL_RETRY_IMMEDIATELY, nextBeginOffset: 2, bodies: [] });
    }
  });

  it('looks at 16,384 messages at a time', async () => {
    const { store } = broker.engine;
    const properties = new Map([['TAGS', 'a']]);
    const draft = { topic: 'orders', queueId: 0, flag: 0, sysFlag: 0, bornTimestampMs: 0, bornHost: '127.0.0.1:1' };
    const many = { ...draft, reconsumeTimes: 0, replaces: 0, body: Buffer.from('x'), properties };
    await store.append(Array.from({ length: 16_384 }, () => many));
    await send('b1');
    const first = await client.pull('orders', { subscription: 'b' });
    expect(first).toMatchObject({ code: PULL_RETRY_IMMEDIATELY, nextBeginOffset: 16_384 });
    expect((await client.pull('orders', { subscription: 'b', offset: first.nextBeginOffset })).bodies).toEqual(['b1']);
    expect((await client.pull('orders', { countMax: 5_000 })).messages).toHaveLength(1_024);
  });
});

describe('a pull that is held', () => {
  it('is answered at once when a message comes', async () => {
    await send('a1');
    const held = client.pull('orders', { offset: 1, suspendMs: 30_000 });
    await isHeld();
    const startMs = performance.now();
    await send('a2');
    expect(await held).toMatchObject({ code: SUCCESS, bodies: ['a2'], nextBeginOffset: 2 });
    expect(performance.now() - startMs).toBeLessThan(5_000);
    expect(broker.engine.held.count).toBe(0);
  });

  it('stays held while messages come to other queues', async () => {
    const held = client.pull('orders', { suspendMs: 30_000 });
    await isHeld();
    await client.send('orders', 'other', { queueId: 1 });
    await client.send('others', 'other');
    expect(broker.engine.held.count).toBe(1);
    await send('a1');
    expect((await held).bodies).toEqual(['a1']);
  });

  it('goes on behind a message that it does not want', async () => {
    const held = client.pull('orders', { suspendMs: 30_000, subscription: 'b' });
    await isHeld();
    await send('a1');
    expect(await held).toMatchObject({ code: PULL_RETRY_IMMEDIATELY, nextBeginOffset: 1 });
  });

  it.each([1, 100, 300])('ends on time: %i ms', async (suspendMs) => {
    const startMs = performance.now();
    const waited = client.pull('orders', { suspendMs });
    expect(await waited).toMatchObject({ code: PULL_NOT_FOUND, nextBeginOffset: 0 });
    const tookMs = performance.now() - startMs;
    expect(tookMs).toBeGreaterThanOrEqual(suspendMs - 1);
    // On a machine with other work; alone it is 2 ms.
    expect(tookMs).toBeLessThan(suspendMs + 10 * lateMsMax);
  });

  it.each([0, -1])('is not held for %i ms, nor where it says no', async (suspendMs) => {
    expect(await codeOf({ suspendMs })).toBe(PULL_NOT_FOUND);
    const content = pullContent('orders', { sysFlag: PullFlag.SUBSCRIPTION });
    content.extFields['suspendTimeoutMillis'] = '30000';
    expect((await client.invoke(content)).code).toBe(PULL_NOT_FOUND);
  });

  it('is answered at once where too many are held', async () => {
    broker = await startTestEngine({ heldRequestCountMax: 1 });
    client = await connectEngine(broker.brokerAddress);
    await client.send('orders', 'a1');
    const first = client.pull('orders', { offset: 1, suspendMs: 30_000 });
    await isHeld();
    expect(await codeOf({ offset: 1, suspendMs: 30_000 })).toBe(PULL_NOT_FOUND);
    await client.send('orders', 'a2');
    expect((await first).bodies).toEqual(['a2']);
  });

  it('is let go with the next message when its connection has gone, and takes none', async () => {
    const other = await connectEngine(broker.brokerAddress);
    const lost = other.pull('orders', { suspendMs: 30_000, commitOffset: 0 });
    lost.catch(() => {});
    await isHeld();
    other.channel.close();
    await expect(lost).rejects.toMatchObject({ kind: 'closed' });
    await send('a1');
    expect(broker.engine.held.count).toBe(0);
    expect((await client.pull('orders')).bodies).toEqual(['a1']);
  });
});

describe('what a pull commits', () => {
  it('is stored, whatever the pull finds', async () => {
    await send('a1', 'a2', 'a3');
    await client.pull('orders', { offset: 3, commitOffset: 2 });
    expect(broker.engine.offsets.get(queue)).toBe(2);
    await client.pull('orders', { offset: 77, commitOffset: 3 });
    expect(broker.engine.offsets.get(queue)).toBe(3);
  });

  it.each([0, -1, 4])('is left out where it is %i, which the queue never had', async (commitOffset) => {
    await send('a1', 'a2', 'a3');
    expect((await client.pull('orders', { commitOffset })).bodies).toHaveLength(3);
    expect(broker.engine.offsets.get(queue)).toBeUndefined();
  });

  it('is left out where the pull does not say so', async () => {
    await send('a1');
    const content = pullContent('orders');
    content.extFields['commitOffset'] = '1';
    expect((await client.invoke(content)).code).toBe(SUCCESS);
    expect(broker.engine.offsets.get(queue)).toBeUndefined();
  });
});

describe('a client that asks for more than it reads', () => {
  /** A socket that nobody reads, and the engine's side of it once it is known as a member of a group. */
  async function connectRaw(): Promise<[Socket, () => ServerConnection | undefined]> {
    const socket = connect(Number(broker.brokerAddress.split(':').at(-1)), '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    await once(socket, 'connect');
    const { code, extFields, body } = encodeHeartbeat({
      clientId: 'greedy',
      producerGroups: ['greedy'],
      consumers: [],
    });
    socket.write(bytesOf({ code, extFields, body: Buffer.from(body ?? '') }));
    return [socket, () => broker.engine.clients.producerConnection('greedy')];
  }

  it('costs no more memory than may wait for one connection', { timeout: 30_000 }, async () => {
    await client.send('orders', 'x'.repeat(1_000_000));
    await client.pull('orders');
    const [socket] = await connectRaw();
    const usedBytes = (): number => process.memoryUsage().arrayBuffers;
    // What other files have left behind in this process would go while it is counted.
    setFlagsFromString('--expose-gc');
    runInNewContext('gc')();
    const before = usedBytes();
    // What fits into one read of the socket.
    const { code, extFields } = pullContent('orders');
    socket.write(Buffer.concat(Array.from({ length: 150 }, (_, opaque) => bytesOf({ code, opaque, extFields }))));
    await vi.waitFor(() => expect(usedBytes() - before).toBeGreaterThan(5_000_000), { timeout: 5_000, interval: 1 });
    for (let turn = 0; turn < 200; turn += 1) await nextTurn();
    expect(usedBytes() - before).toBeLessThan(40_000_000);
    // A last look at it: all is answered once it is read.
    let bytes = 0;
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    await vi.waitFor(() => expect(bytes).toBeGreaterThan(150 * 1_000_000), { timeout: 10_000 });
  });

  it('has its held pull answered later, when it takes answers again', { timeout: 30_000 }, async () => {
    await client.send('orders', 'x'.repeat(1_000_000));
    await client.pull('orders');
    const [greedy, near] = await connectRaw();
    const { code, extFields } = pullContent('orders', { queueId: 1, suspendMs: 30_000 });
    greedy.write(bytesOf({ code, opaque: 1, extFields }));
    await isHeld();
    const full = pullContent('orders');
    greedy.write(
      Buffer.concat(Array.from({ length: 60 }, () => bytesOf({ ...full, body: Buffer.alloc(0), opaque: 2 }))),
    );
    await vi.waitFor(() => expect(near()?.isBackedUp).toBe(true), { timeout: 10_000, interval: 1 });
    await client.send('orders', 'small', { queueId: 1 });
    expect(broker.engine.held.count).toBe(1);
    greedy.resume();
    await vi.waitFor(() => expect(broker.engine.held.count).toBe(0), { timeout: 10_000 });
  });
});
