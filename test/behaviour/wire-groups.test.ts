import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { decodeOffsetMessageId } from '../../src/remoting/message-id.ts';
import { RequestCode } from '../../src/remoting/request-code.ts';
import {
  getEarliestStoreTime,
  getMaxOffset,
  getMinOffset,
  queryConsumerOffset,
  searchOffset,
  updateConsumerOffset,
} from '../../src/remoting/requests/consumer-offset.ts';
import { decodeConsumerList, getConsumerList } from '../../src/remoting/requests/get-consumer-list.ts';
import { encodeHeartbeat, heartbeat } from '../../src/remoting/requests/heartbeat.ts';
import { decodeLockedQueues, encodeLockBatch, encodeUnlockBatch } from '../../src/remoting/requests/lock-batch.ts';
import { notifyConsumerIdsChanged } from '../../src/remoting/requests/notify-consumer-ids-changed.ts';
import { pullMessage } from '../../src/remoting/requests/pull-message.ts';
import { sendMessage } from '../../src/remoting/requests/send-message.ts';
import { deadLetterDelayLevel, sendMessageBack } from '../../src/remoting/requests/send-message-back.ts';
import { unregisterClient } from '../../src/remoting/requests/unregister-client.ts';
import { ResponseCode } from '../../src/remoting/response-code.ts';
import { pullContent, sendFields } from '../support/engine-client.ts';
import { describeOnTarget, differs, startTarget, type Target } from './target.ts';
import { Wire } from './wire.ts';

const { SUCCESS, SYSTEM_ERROR, QUERY_NOT_FOUND, INVALID_PARAMETER, TOPIC_NOT_EXIST } = ResponseCode;
const { SUBSCRIPTION_GROUP_NOT_EXIST } = ResponseCode;
const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

describeOnTarget('consumer groups on the wire', () => {
  let target: Target;
  let wire: Wire;
  /** Clients beside it. */
  const others: Wire[] = [];

  beforeAll(async () => {
    target = await startTarget();
    wire = await Wire.connect(target.brokerAddress);
  });

  afterAll(async () => {
    for (const one of [wire, ...others]) one?.close();
    await target?.stop();
  });

  async function topicOf(name: string, queueCount = 1): Promise<string> {
    await target.createTopic(name, { queueCount });
    return name;
  }

  /** One more client, for this test. */
  async function connect(): Promise<Wire> {
    const other = await Wire.connect(target.brokerAddress);
    others.push(other);
    return other;
  }

  const consumerOf = (groupName: string, topic: string) => ({
    groupName,
    subscriptions: [{ topic, expression: '*', version: Date.now() }],
  });

  test.concurrent('a new group of a young queue begins at 0, unless that is not wanted', async () => {
    const topic = await topicOf('young');
    for (const body of ['0', '1']) await wire.send(topic, body);
    await wire.holds(topic, 2);
    const queue = { consumerGroup: 'g-young', topic, queueId: 0 };
    const ask = async (more = {}) => {
      const reply = await wire.invoke(queryConsumerOffset.encode({ ...queue, ...more }));
      return [reply.code, reply.extFields['offset']];
    };
    expect(await ask()).toEqual([SUCCESS, '0']);
    expect(await ask({ setZeroIfNotFound: true })).toEqual([SUCCESS, '0']);
    expect(await ask({ setZeroIfNotFound: false })).toEqual([QUERY_NOT_FOUND, undefined]);
    const isMade = differs('groupByOffset', { apache: SUBSCRIPTION_GROUP_NOT_EXIST, embedded: SUCCESS });
    expect(await wire.code(updateConsumerOffset, { ...queue, commitOffset: 1n })).toBe(isMade);
    await wire.heartbeat({ clientId: 'young', consumers: [consumerOf('g-young', topic)] });
    for (const commitOffset of [2n, 1n, 0n]) {
      await wire.ask(updateConsumerOffset, { ...queue, commitOffset });
      expect(await ask({ setZeroIfNotFound: false })).toEqual([SUCCESS, String(commitOffset)]);
    }
  });

  test.concurrent('an empty queue, and one that is not there, for a new group', async () => {
    const topic = await topicOf('empty');
    const ask = async (queue: { topic: string; queueId: number }) => {
      const reply = await wire.invoke(queryConsumerOffset.encode({ consumerGroup: 'g-empty', ...queue }));
      return [reply.code, reply.extFields['offset']];
    };
    const nothing = differs('emptyQueue', { apache: [QUERY_NOT_FOUND, undefined], embedded: [SUCCESS, '0'] });
    expect(await ask({ topic, queueId: 0 })).toEqual(nothing);
    expect(await ask({ topic: 'never-made', queueId: 0 })).toEqual(nothing);
    await wire.heartbeat({ clientId: 'empty', consumers: [consumerOf('g-empty', topic)] });
    const queue = { consumerGroup: 'g-empty', topic: 'never-made', queueId: 0, commitOffset: 0n };
    expect(await wire.code(updateConsumerOffset, queue)).toBe(TOPIC_NOT_EXIST);
  });

  test.concurrent('an offset that the queue never had', async () => {
    const topic = await topicOf('wild-offset');
    const group = 'g-wild';
    await wire.heartbeat({ clientId: 'wild', consumers: [consumerOf(group, topic)] });
    for (const commitOffset of [99n, -1n]) {
      const code = wire.code(updateConsumerOffset, { consumerGroup: group, topic, queueId: 0, commitOffset });
      expect(await code).toBe(differs('wildOffset', { apache: SUCCESS, embedded: INVALID_PARAMETER }));
    }
  });

  test.concurrent('a pull stores the offset that it carries', async () => {
    const topic = await topicOf('pull-commits');
    for (const body of ['0', '1', '2']) await wire.send(topic, body);
    await wire.holds(topic, 3);
    await wire.pull(topic, { group: 'g-pull-commits', offset: 2, commitOffset: 2 });
    const queue = { consumerGroup: 'g-pull-commits', topic, queueId: 0, setZeroIfNotFound: false };
    expect(await wire.ask(queryConsumerOffset, queue)).toEqual({ offset: 2n });
  });

  test.concurrent('offsets of a queue: first, next, by time', async () => {
    const topic = await topicOf('offsets');
    const queue = { topic, queueId: 0 };
    expect(await wire.ask(getMinOffset, queue)).toEqual({ offset: 0n });
    expect(await wire.ask(getMaxOffset, queue)).toEqual({ offset: 0n });
    expect(await wire.ask(getEarliestStoreTime, queue)).toEqual({ timestampMs: -1 });
    const beforeMs = Date.now();
    expect(await wire.ask(searchOffset, { ...queue, timestampMs: beforeMs })).toEqual({ offset: 0n });
    for (const body of ['0', '1', '2']) await wire.send(topic, body);
    await wire.holds(topic, 3);
    const { messages } = await wire.pull(topic);
    const [first, , last] = messages.map(({ storeTimestampMs }) => storeTimestampMs);
    if (first === undefined || last === undefined) throw new Error('they were not stored');
    expect(await wire.ask(getMaxOffset, queue)).toEqual({ offset: 3n });
    expect(await wire.ask(getMinOffset, queue)).toEqual({ offset: 0n });
    expect(await wire.ask(getEarliestStoreTime, queue)).toEqual({ timestampMs: first });
    const search = async (timestampMs: number, boundary?: string) =>
      Number((await wire.ask(searchOffset, { ...queue, timestampMs, boundary })).offset);
    expect(await search(0)).toBe(0);
    expect(await search(first)).toBe(0);
    expect(await search(last + 60_000)).toBe(3);
    expect(await search(last + 1, 'LOWER')).toBe(3);
    expect(await search(last, 'UPPER')).toBe(2);
    expect(await search(first - 60_000, 'UPPER')).toBe(0);
    for (const definition of [getMinOffset, getMaxOffset]) {
      expect(await wire.ask(definition, { topic: 'never-made', queueId: 0 })).toEqual({ offset: 0n });
    }
  });

  test.concurrent('who is in a group is told, and the others are told when that changes', async () => {
    const topic = await topicOf('members');
    const [one, two] = [await connect(), await connect()];
    const list = async () =>
      decodeConsumerList(await wire.invoke(getConsumerList.encode({ consumerGroup: 'g-members' })), '');
    expect(await wire.code(getConsumerList, { consumerGroup: 'g-members' })).toBe(SYSTEM_ERROR);
    const consumers = [consumerOf('g-members', topic)];
    const reply = await one.heartbeat({ clientId: 'client-1', consumers });
    expect(reply.code).toBe(SUCCESS);
    expect(await list()).toEqual(['client-1']);
    const noticeCount = (): number =>
      one.asked.filter(({ code }) => code === RequestCode.NOTIFY_CONSUMER_IDS_CHANGED).length;
    const before = noticeCount();
    await two.heartbeat({ clientId: 'client-2', consumers });
    const notice = await one.askedFor(RequestCode.NOTIFY_CONSUMER_IDS_CHANGED, before + 1);
    expect(notifyConsumerIdsChanged.decode(notice)).toEqual({ consumerGroup: 'g-members' });
    expect((await list()).toSorted()).toEqual(['client-1', 'client-2']);
    // It says that it goes.
    const joined = noticeCount();
    await two.ask(unregisterClient, { clientId: 'client-2', consumerGroup: 'g-members' });
    await one.askedFor(RequestCode.NOTIFY_CONSUMER_IDS_CHANGED, joined + 1);
    expect(await list()).toEqual(['client-1']);
    // It only goes.
    await two.heartbeat({ clientId: 'client-2', consumers });
    await vi.waitFor(async () => expect(await list()).toHaveLength(2), 10_000);
    const again = noticeCount();
    two.close();
    await one.askedFor(RequestCode.NOTIFY_CONSUMER_IDS_CHANGED, again + 1);
    await vi.waitFor(async () => expect(await list()).toEqual(['client-1']), 10_000);
  });

  test.concurrent('a heartbeat makes the retry topic of its group, and its subscription holds for pulls', async () => {
    const topic = await topicOf('subscribed');
    const one = await connect();
    for (const tag of ['a', 'b']) await wire.send(topic, tag, { properties: { TAGS: tag } });
    await wire.holds(topic, 2);
    const version = Date.now();
    const consumers = [{ groupName: 'g-subscribed', subscriptions: [{ topic, expression: 'b', version }] }];
    const { body } = encodeHeartbeat({ clientId: 'subscriber', producerGroups: [], consumers });
    // Java compares by the codes, which are those of the tags as Java hashes them.
    const withCodes = String(body).replace('"tagsSet":[],"codeSet":[]', '"tagsSet":["b"],"codeSet":[98]');
    expect(await one.code(heartbeat, {}, Buffer.from(withCodes))).toBe(SUCCESS);
    const pull = { group: 'g-subscribed', sysFlag: 0, subscriptionVersion: BigInt(version) };
    expect((await one.pull(topic, pull)).bodies).toEqual(['b']);
    // What the client says is newer than what the broker knows.
    const newer = await one.invoke(pullContent(topic, { ...pull, subscriptionVersion: BigInt(version + 1) }));
    expect(newer.code).toBe(ResponseCode.SUBSCRIPTION_NOT_LATEST);
    expect(await one.ask(getMaxOffset, { topic: '%RETRY%g-subscribed', queueId: 0 })).toEqual({ offset: 0n });
    expect(await wire.code(pullMessage, { ...pullMessageFields('%RETRY%g-subscribed') })).toBe(
      ResponseCode.PULL_NOT_FOUND,
    );
  });

  const pullMessageFields = (topic: string) => ({
    consumerGroup: 'g-subscribed',
    topic,
    queueId: 0,
    queueOffset: 0n,
    messageCountMax: 1,
    sysFlag: 4,
    subscription: '*',
  });

  test.concurrent('a heartbeat that is none is refused', async () => {
    expect(await wire.code(heartbeat, {}, Buffer.from('no JSON'))).not.toBe(SUCCESS);
    expect(await wire.code(getConsumerList, { consumerGroup: 'g-none' })).toBe(SYSTEM_ERROR);
  });

  test.concurrent('a queue is locked for one client of a group until it is unlocked', async () => {
    const topic = await topicOf('locked', 3);
    const queues = (...ids: number[]) => ids.map((queueId) => ({ topic, brokerName: target.brokerName, queueId }));
    const lock = async (clientId: string, consumerGroup: string, ...ids: number[]) => {
      const reply = await wire.invoke(encodeLockBatch({ consumerGroup, clientId, queues: queues(...ids) }));
      return decodeLockedQueues(reply, '')
        .map(({ queueId }) => queueId)
        .toSorted();
    };
    expect(await lock('one', 'g-locked', 0, 1)).toEqual([0, 1]);
    expect(await lock('one', 'g-locked', 0, 1)).toEqual([0, 1]);
    expect(await lock('two', 'g-locked', 0, 1, 2)).toEqual([2]);
    expect(await lock('two', 'g-locked-other', 0, 1, 2)).toEqual([0, 1, 2]);
    // What is another's stays the other's.
    await wire.invoke(encodeUnlockBatch({ consumerGroup: 'g-locked', clientId: 'two', queues: queues(0) }));
    expect(await lock('two', 'g-locked', 0)).toEqual([]);
    await wire.invoke(encodeUnlockBatch({ consumerGroup: 'g-locked', clientId: 'one', queues: queues(0) }));
    expect(await lock('two', 'g-locked', 0, 1)).toEqual([0]);
  });

  /** Stores a message and gives back where. */
  async function stored(topic: string, properties: Readonly<Record<string, string>> = {}): Promise<bigint> {
    const { messageId } = await wire.send(topic, 'back', { properties: { UNIQ_KEY: `ID-${topic}`, ...properties } });
    await wire.holds(topic, 1);
    return decodeOffsetMessageId(messageId).commitLogOffset;
  }

  test.concurrent('a message that is given back comes again from the retry topic, after its delay', async () => {
    const topic = await topicOf('given-back');
    const group = 'g-given-back';
    const offset = await stored(topic, { TAGS: 'tag', own: 'value' });
    const [first] = (await wire.pull(topic)).messages;
    const sentAtMs = Date.now();
    await wire.ask(sendMessageBack, { offset, group, delayLevel: 1, originTopic: topic, maxReconsumeTimes: 16 });
    await wire.holds(`%RETRY%${group}`, 1);
    const [again] = (await wire.pull(`%RETRY%${group}`, { group })).messages;
    expect(again?.storeTimestampMs).toBeGreaterThanOrEqual(sentAtMs + 1_000);
    expect(again).toMatchObject({ topic: `%RETRY%${group}`, queueId: 0, reconsumeTimes: 1 });
    expect(again?.bornTimestampMs).toBe(first?.bornTimestampMs);
    expect(again?.body.toString()).toBe('back');
    expect(Object.fromEntries(again?.properties ?? [])).toMatchObject({
      UNIQ_KEY: `ID-${topic}`,
      TAGS: 'tag',
      own: 'value',
      RETRY_TOPIC: topic,
      ORIGIN_MESSAGE_ID: expect.stringMatching(/^[0-9A-F]{32}$/),
      REAL_TOPIC: `%RETRY%${group}`,
    });
  });

  test.concurrent('a message that failed too often, or is not to come again, goes to the dead letters', async () => {
    const group = 'g-dead';
    const topics = [await topicOf('dead-1'), await topicOf('dead-2')];
    const [one, two] = await Promise.all(topics.map((topic) => stored(topic)));
    if (one === undefined || two === undefined) throw new Error('they were not stored');
    await wire.ask(sendMessageBack, { offset: one, group, delayLevel: deadLetterDelayLevel, originTopic: 'dead-1' });
    await wire.ask(sendMessageBack, { offset: two, group, delayLevel: 0, originTopic: 'dead-2', maxReconsumeTimes: 0 });
    await wire.holds(`%DLQ%${group}`, 2);
    const { messages } = await wire.pull(`%DLQ%${group}`);
    expect(messages.map(({ properties }) => properties.get('UNIQ_KEY')).toSorted()).toEqual(['ID-dead-1', 'ID-dead-2']);
    expect(messages.map(({ properties }) => properties.get('RETRY_TOPIC')).toSorted()).toEqual(['dead-1', 'dead-2']);
    expect(messages.map(({ topic }) => topic)).toEqual([`%DLQ%${group}`, `%DLQ%${group}`]);
  });

  test.concurrent('what cannot be given back is refused', async () => {
    const topic = await topicOf('back-refused');
    await stored(topic);
    const back = (offset: bigint) =>
      wire.code(sendMessageBack, { offset, group: 'g-refused', delayLevel: 1, originTopic: topic });
    expect(await back(1_000_000_000n)).toBe(SYSTEM_ERROR);
    expect(await back(-1n)).toBe(SYSTEM_ERROR);
  });

  test.concurrent('what a consumer sends to its retry topic itself is stored there; what has failed too often in the dead letters', async () => {
    const group = 'g-own-retry';
    const one = await connect();
    await one.heartbeat({ clientId: 'own-retry', consumers: [consumerOf(group, await topicOf('own-retry'))] });
    for (const reconsumeTimes of numbers(4)) {
      const fields = sendFields(`%RETRY%${group}`, { reconsumeTimes, maxReconsumeTimes: 2 });
      expect(await one.code(sendMessage, fields, Buffer.from(String(reconsumeTimes)))).toBe(SUCCESS);
    }
    await one.holds(`%RETRY%${group}`, 3);
    await one.holds(`%DLQ%${group}`, 1);
    expect((await one.pull(`%RETRY%${group}`)).bodies).toEqual(['0', '1', '2']);
    expect((await one.pull(`%DLQ%${group}`)).bodies).toEqual(['3']);
  });

  test.concurrent('a queue that a topic does not have is refused everywhere alike', async () => {
    const topic = await topicOf('no-such-queue');
    expect((await wire.invoke(pullContent(topic, { queueId: 9 }))).code).toBe(INVALID_PARAMETER);
    expect(await wire.code(sendMessage, sendFields(topic, { queueId: 9 }), Buffer.from('x'))).toBe(INVALID_PARAMETER);
  });
});
