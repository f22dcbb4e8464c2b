import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { Offsets } from '../../../src/client/pull/offsets.ts';
import type { PullParts } from '../../../src/client/pull/pull-options.ts';
import { QueueReader, type QueueReaderOptions } from '../../../src/client/pull/queue-reader.ts';
import { lookIntervalMs, messageBytesMax, stalledLooks, UnreadBytes } from '../../../src/client/unread-bytes.ts';
import type { Command } from '../../../src/remoting/command.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { PullFlag } from '../../../src/remoting/requests/pull-message.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { encodeStoredMessage } from '../../../src/remoting/stored-message.ts';
import { pullParts } from '../../support/pull-parts.ts';
import { storedAt } from '../../support/pulled-messages.ts';
import { type ScriptedCluster, startScriptedCluster } from '../../support/scripted-cluster.ts';
import { type Answer, deferred } from '../../support/scripted-peer.ts';

const { PULL_MESSAGE, QUERY_CONSUMER_OFFSET, SEARCH_OFFSET_BY_TIMESTAMP, UPDATE_CONSUMER_OFFSET } = RequestCode;
const queue = { topic: 'topic', brokerName: 'broker-a', queueId: 0 };

/** What a pull is answered: so many messages from where it asks, or nothing. */
function found(offset: number, count: number, next = offset + count): Answer {
  const messages = Array.from({ length: count }, (_, index) => encodeStoredMessage(storedAt(offset + index)));
  return { ...nextIs(next), body: Buffer.concat(messages) };
}

function nextIs(offset: number, code: number = ResponseCode.SUCCESS, maxOffset = 99): Answer {
  const ends = { minOffset: '0', maxOffset: String(maxOffset) };
  const extFields = { suggestWhichBrokerId: '0', nextBeginOffset: String(offset), ...ends };
  return { code, extFields };
}

describe('QueueReader', () => {
  let cluster: ScriptedCluster;
  let parts: PullParts;
  let readers: QueueReader[];
  let isWanted: boolean;
  let refusals: unknown[];

  beforeEach(async () => {
    cluster = await startScriptedCluster();
    cluster.broker.on(QUERY_CONSUMER_OFFSET, () => ({ extFields: { offset: '5' } }));
    parts = pullParts(cluster);
    readers = [];
    isWanted = true;
    refusals = [];
  });

  afterEach(async () => {
    isWanted = false;
    await Promise.all(readers.map((reader) => reader.stop()));
    await cluster.stop();
  });

  /** Answers pulls in turn, and then never again. */
  function answer(...answers: readonly Answer[]): void {
    const rest = [...answers];
    cluster.broker.on(PULL_MESSAGE, () => rest.shift());
  }

  function startReader(changes: Partial<QueueReaderOptions> = {}): QueueReader {
    const reader = new QueueReader(parts, {
      group: 'g',
      queue,
      subscription: { expression: 'a || b', expressionType: 'TAG', version: 7 },
      ordered: false,
      suspendDurationMs: 5_000,
      offsets: new Offsets(parts.cluster, 'g', { kind: 'last' }),
      isWanted: () => isWanted,
      select: (messages) => messages.map((stored) => ({ stored, topic: stored.topic })),
      onChange: () => {},
      onRefused: (error) => refusals.push(error),
      onMoved: () => {},
      ...changes,
    });
    readers.push(reader);
    reader.wake();
    return reader;
  }

  const pulls = (): readonly Command[] => cluster.broker.requests(PULL_MESSAGE);
  const asked = (count: number): Promise<boolean> => vi.waitUntil(() => pulls().length >= count, { timeout: 5_000 });
  const offsets = (): unknown[] => pulls().map(({ extFields }) => Number(extFields['queueOffset']));

  test('pulls from where the group is, with its subscription, held by the broker, and commits nothing, which could come too late', async () => {
    answer(found(5, 2));
    const reader = startReader();
    await asked(2);
    expect(pulls()[0]?.extFields).toMatchObject({
      consumerGroup: 'g',
      topic: 'topic',
      queueId: '0',
      queueOffset: '5',
      maxMsgNums: '32',
      sysFlag: String(PullFlag.SUSPEND | PullFlag.SUBSCRIPTION),
      commitOffset: '0',
      suspendTimeoutMillis: '5000',
      subscription: 'a || b',
      subVersion: '7',
      expressionType: 'TAG',
    });
    expect(offsets()).toEqual([5, 7]);
    expect(reader.messages?.count).toBe(2);
  });

  test('stops where nobody wants more, or enough waits, and goes on when it is woken', async () => {
    answer(found(5, 32), found(37, 1));
    const reader = startReader();
    await vi.waitUntil(() => reader.messages?.freshCount === 32, 20_000);
    expect(pulls()).toHaveLength(1);
    reader.messages?.take('topic', 0);
    reader.wake();
    await asked(2);
    expect(offsets()).toEqual([5, 37]);
  });

  test('makes room before its first pull, which is not held; turns away what is too much, and pulls it again when there is room', async () => {
    parts = { ...parts, unreadBytes: new UnreadBytes(messageBytesMax) };
    const { unreadBytes } = parts;
    const other = unreadBytes.openQueue(() => {});
    other.takeIn(1);
    const late = deferred<Answer>();
    const answers = [found(5, 1), late.promise, found(6, 1)];
    cluster.broker.on(PULL_MESSAGE, () => answers.shift());
    const reader = startReader();
    await vi.waitUntil(() => unreadBytes.waitingCount === 1, 20_000);
    expect(pulls()).toEqual([]);
    other.hold(0);
    await asked(2);
    expect([reader.messages?.count, unreadBytes.bytes]).toEqual([1, 6]);
    other.takeIn(messageBytesMax - 11);
    late.resolve(found(6, 1));
    await vi.waitUntil(() => unreadBytes.waitingCount === 1, 20_000);
    expect([offsets(), reader.messages?.count]).toEqual([[5, 6], 1]);
    reader.messages?.take('topic', 0);
    reader.wake();
    await asked(4);
    expect([offsets(), reader.messages?.count]).toEqual([[5, 6, 6, 7], 2]);
    expect(unreadBytes.bytes).toBe(messageBytesMax - 5);
    const heldFlag = String(PullFlag.SUSPEND | PullFlag.SUBSCRIPTION);
    expect(pulls().map(({ extFields }) => extFields['sysFlag'] === heldFlag)).toEqual([false, true, false, true]);
    await reader.stop();
    expect(unreadBytes.bytes).toBe(messageBytesMax - 11);
  });

  test('makes room for as much as the last pull brought where that was much', async () => {
    parts = { ...parts, unreadBytes: new UnreadBytes(messageBytesMax) };
    const { unreadBytes } = parts;
    const large = encodeStoredMessage(storedAt(5, { body: Buffer.alloc(65_536) }));
    answer({ ...nextIs(6), body: large }, nextIs(6, ResponseCode.PULL_NOT_FOUND));
    startReader();
    await asked(3);
    expect([offsets(), unreadBytes.bytes]).toEqual([[5, 6, 6], 65_536]);
    expect(pulls().map(({ extFields }) => extFields['suspendTimeoutMillis'])).toEqual(['0', '0', '5000']);
  });

  test('stops also while it waits for room', async () => {
    parts = { ...parts, unreadBytes: new UnreadBytes(10) };
    parts.unreadBytes.openQueue(() => {}).takeIn(10);
    const reader = startReader();
    await vi.waitUntil(() => parts.unreadBytes.waitingCount === 1, 20_000);
    await reader.stop();
    expect([pulls(), parts.unreadBytes.waitingCount]).toEqual([[], 0]);
  });

  test('lets go of what nobody takes while others wait, ends its pull, and pulls again from there when there is room', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    onTestFinished(() => void vi.useRealTimers());
    parts = { ...parts, unreadBytes: new UnreadBytes(12) };
    const { unreadBytes } = parts;
    const ending = new AbortController();
    onTestFinished(() => ending.abort());
    unreadBytes.open(ending.signal, () => {});
    cluster.broker.on(PULL_MESSAGE, ({ extFields }) => (extFields['queueOffset'] === '5' ? found(5, 2) : undefined));
    const reader = startReader();
    await asked(2);
    const other = unreadBytes.openQueue(() => {});
    const reserved = other.reserve(5);
    vi.advanceTimersByTime(stalledLooks * lookIntervalMs);
    expect(await reserved).toBe(true);
    expect([reader.messages?.count, reader.messages?.nextOffset, unreadBytes.bytes]).toEqual([0, 5n, 5]);
    // It is wanted still, and there is no room.
    await vi.waitUntil(() => unreadBytes.waitingCount === 1, 20_000);
    expect(offsets()).toEqual([5, 7, 5]);
    other.release();
    await asked(5);
    expect([offsets(), reader.messages?.freshCount]).toEqual([[5, 7, 5, 5, 7], 2]);
    expect(parts.log).toMatchObject({ lines: [] });
  });

  test.each([
    ['PULL_NOT_FOUND', ResponseCode.PULL_NOT_FOUND],
    ['PULL_RETRY_IMMEDIATELY', ResponseCode.PULL_RETRY_IMMEDIATELY],
  ])('%s: goes on at the next offset, which is committed where nothing is in process', async (_, code) => {
    answer(nextIs(20, code));
    const reader = startReader();
    await asked(2);
    expect(offsets()).toEqual([5, 20]);
    expect(reader.messages?.committedOffset).toBe(20n);
  });

  test('PULL_OFFSET_MOVED: forgets what it has, goes on at the offset that the broker names, and stores that, also further back', async () => {
    answer(found(5, 2), nextIs(2, ResponseCode.PULL_OFFSET_MOVED));
    let movedCount = 0;
    const reader = startReader({
      onMoved: () => {
        movedCount += 1;
      },
    });
    await asked(3);
    expect(offsets()).toEqual([5, 7, 2]);
    expect(movedCount).toBe(1);
    expect(reader.messages?.count).toBe(0);
    expect(cluster.broker.requests(UPDATE_CONSUMER_OFFSET)[0]?.extFields).toMatchObject({ commitOffset: '2' });
  });

  test.each([
    ['ends before the place where it was', [nextIs(3, ResponseCode.PULL_OFFSET_MOVED, 3)]],
    ['had lost its topic, and is long again', [{ code: ResponseCode.TOPIC_NOT_EXIST }, found(7, 2)]],
  ])('a queue that %s goes on behind what came from it, by the time when that was stored', async (_, answers) => {
    cluster.broker.on(SEARCH_OFFSET_BY_TIMESTAMP, () => ({ extFields: { offset: '1' } }));
    answer(found(5, 2), ...answers);
    const reader = startReader();
    await asked(answers.length + 2);
    expect(offsets()).toEqual([5, ...answers.map(() => 7), 1]);
    expect(reader.messages?.count).toBe(0);
    const [search] = cluster.broker.requests(SEARCH_OFFSET_BY_TIMESTAMP);
    expect(search?.extFields).toMatchObject({ topic: 'topic', queueId: '0', timestamp: '1700000000002' });
    expect(cluster.broker.requests(UPDATE_CONSUMER_OFFSET)[0]?.extFields).toMatchObject({ commitOffset: '1' });
  });

  test('a queue that ends before the place where it was goes on where the broker says, when it may not be asked more', async () => {
    cluster.broker.on(SEARCH_OFFSET_BY_TIMESTAMP, () => ({ code: ResponseCode.NO_PERMISSION }));
    answer(found(5, 2), nextIs(3, ResponseCode.PULL_OFFSET_MOVED, 3));
    startReader();
    await asked(3);
    expect(offsets()).toEqual([5, 7, 3]);
    expect(refusals).toEqual([]);
  });

  test.each([
    ['NO_PERMISSION', ResponseCode.NO_PERMISSION],
    ['SUBSCRIPTION_GROUP_NOT_EXIST', ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST],
    ['SUBSCRIPTION_PARSE_FAILED', ResponseCode.SUBSCRIPTION_PARSE_FAILED],
  ])('%s: says so and stops', async (_, code) => {
    answer({ code });
    startReader();
    await vi.waitUntil(() => refusals.length > 0, 20_000);
    // Who may not do it is told so in our own words.
    const refusal = code === ResponseCode.NO_PERMISSION ? { kind: 'denied' } : { name: 'ResponseError', code };
    expect(refusals).toMatchObject([refusal]);
    readers[0]?.wake();
    expect(pulls()).toHaveLength(1);
  });

  test('FLOW_CONTROL: tries again soon; SYSTEM_BUSY: after a pause; both say nothing to the user', async () => {
    answer({ code: ResponseCode.FLOW_CONTROL }, { code: ResponseCode.SYSTEM_BUSY }, found(5, 1));
    const startedAtMs = performance.now();
    const reader = startReader();
    await asked(2);
    expect(performance.now() - startedAtMs).toBeLessThan(900);
    await vi.waitUntil(() => reader.messages?.count === 1, { timeout: 5_000 });
    expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(990);
    expect(refusals).toEqual([]);
    expect(cluster.log.troubles).toEqual(['pulling from a queue failed; trying again until it works']);
  });

  test('begins nowhere as long as the broker does not say where the group is', async () => {
    let code: number = ResponseCode.SYSTEM_ERROR;
    cluster.broker.on(QUERY_CONSUMER_OFFSET, () => ({ code, extFields: { offset: '8' } }));
    answer();
    startReader();
    await vi.waitUntil(() => cluster.log.troubles.length > 0, 20_000);
    expect(pulls()).toEqual([]);
    code = ResponseCode.SUCCESS;
    await asked(1);
    expect(offsets()).toEqual([8]);
  });

  test('a broker that answers at once that there is nothing is not asked as fast as it answers', async () => {
    cluster.broker.on(PULL_MESSAGE, () => nextIs(5, ResponseCode.PULL_NOT_FOUND));
    const startedAtMs = performance.now();
    startReader();
    await asked(4);
    expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(290);
  });

  test('ends while a pull is held', async () => {
    answer();
    const reader = startReader();
    await asked(1);
    await reader.stop();
    reader.wake();
    expect(pulls()).toHaveLength(1);
  });
});
