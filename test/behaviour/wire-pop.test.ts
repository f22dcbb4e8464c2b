import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { popReconsumeTimes } from '../../src/remoting/pop-receipt.ts';
import { ackMessage } from '../../src/remoting/requests/ack-message.ts';
import { encodeBatchAck } from '../../src/remoting/requests/batch-ack-message.ts';
import { changeInvisibleDuration } from '../../src/remoting/requests/change-invisible-duration.ts';
import { notification } from '../../src/remoting/requests/notification.ts';
import { orderedReviveQueueId, popMessage } from '../../src/remoting/requests/pop-message.ts';
import { ResponseCode } from '../../src/remoting/response-code.ts';
import { quickRedelivery } from '../rocketmq/cluster.ts';
import { describeOnTarget, differs, startTarget, type Target } from './target.ts';
import { type Popped, Wire } from './wire.ts';

const { SUCCESS, NO_MESSAGE, MESSAGE_ILLEGAL, INVALID_PARAMETER, TOPIC_NOT_EXIST, POLLING_TIMEOUT } = ResponseCode;
const bodiesOf = (popped: readonly Popped[]): string[] => popped.map(({ body }) => body);
const timesOf = (popped: readonly Popped[]): number[] => popped.map(({ message }) => message.reconsumeTimes);

describeOnTarget('POP on the wire', () => {
  let target: Target;
  let wire: Wire;
  /** Clients beside it. */
  const others: Wire[] = [];

  beforeAll(async () => {
    target = await startTarget({ apache: quickRedelivery });
    wire = await Wire.connect(target.brokerAddress);
  });

  afterAll(async () => {
    for (const one of [wire, ...others]) one?.close();
    await target?.stop();
  });

  /** A topic with these messages in its queue 0. */
  async function topicWith(topic: string, bodies: readonly string[], queueCount = 1): Promise<string> {
    await target.createTopic(topic, { queueCount });
    for (const body of bodies) await wire.send(topic, body, { properties: { TAGS: `t${body}` } });
    await wire.holds(topic, bodies.length);
    return topic;
  }

  /** What says which message of which group is meant. */
  function placeOf(group: string, { message, receipt, extraInfo }: Popped) {
    // Apache's messages that come again lie in a topic of their own, which some of its answers name and some do not.
    const retryPrefix = `%RETRY%${group}_`;
    const plain = message.topic.startsWith(retryPrefix) ? message.topic.slice(retryPrefix.length) : message.topic;
    return {
      consumerGroup: group,
      topic: receipt.retry === '0' ? plain : `${retryPrefix}${plain}`,
      queueId: receipt.queueId,
      extraInfo,
      offset: receipt.queueOffset,
    };
  }
  const ack = (group: string, popped: Popped) => wire.code(ackMessage, placeOf(group, popped));

  function first([popped]: readonly Popped[]): Popped {
    if (popped === undefined) throw new Error('nothing was popped');
    return popped;
  }

  test.concurrent('a POP hands messages out once, with what acknowledges them', async () => {
    const topic = await topicWith('popped', ['0', '1', '2']);
    const reply = await wire.pop(topic, 'g-popped', { messageCountMax: 2 });
    expect(reply.code).toBe(SUCCESS);
    expect(popMessage.decodeReply(reply, '')).toMatchObject({
      popTimeMs: expect.any(Number),
      invisibleDurationMs: 60_000,
      reviveQueueId: expect.any(Number),
      restCount: 1n,
      startOffsetInfo: '0 0 0',
      msgOffsetInfo: '0 0 0,1',
    });
    const popped = wire.taken(reply);
    expect(bodiesOf(popped)).toEqual(['0', '1']);
    expect(timesOf(popped)).toEqual([0, 0]);
    expect(popped[0]?.message.properties.get('1ST_POP_TIME')).toBeUndefined();
    expect(bodiesOf(await wire.popped(topic, 'g-popped', 1))).toEqual(['2']);
    const nothing = await wire.pop(topic, 'g-popped');
    expect(nothing.code).toBe(POLLING_TIMEOUT);
    expect(nothing.body.length).toBe(0);
    // Another group has its own.
    expect(bodiesOf(await wire.popped(topic, 'g-popped-other', 3))).toEqual(['0', '1', '2']);
  });

  test.concurrent('a POP that makes no sense is refused', async () => {
    const topic = await topicWith('pop-refused', []);
    const code = async (fields: Parameters<Wire['pop']>[2], to = topic) =>
      (await wire.pop(to, 'g-refused', fields)).code;
    expect(await code({}, 'never-made')).toBe(TOPIC_NOT_EXIST);
    expect(await code({ queueId: 1 })).toBe(INVALID_PARAMETER);
    expect(await code({ messageCountMax: 33 })).toBe(INVALID_PARAMETER);
    expect(await code({ expressionType: 'SQL92', expression: 'a >' })).toBe(ResponseCode.SUBSCRIPTION_PARSE_FAILED);
  });

  test.concurrent('a POP takes the tags that it wants', async () => {
    const topic = await topicWith('pop-tags', ['0', '1', '2']);
    const tags = { expressionType: 'TAG', expression: 't0||t2' };
    expect(bodiesOf(await wire.popped(topic, 'g-pop-tags', 2, tags))).toEqual(['0', '2']);
    expect((await wire.pop(topic, 'g-pop-tags', tags)).code).toBe(POLLING_TIMEOUT);
  });

  test.concurrent('a POP that waits is woken by a message, and by the end of its time', async () => {
    const topic = await topicWith('pop-waited', []);
    const other = await Wire.connect(target.brokerAddress);
    others.push(other);
    const waiting = wire.pop(topic, 'g-waited', { pollDurationMs: 20_000 });
    expect((await wire.pop(topic, 'g-waited-other')).code).toBe(POLLING_TIMEOUT);
    await other.send(topic, 'wakes');
    expect(bodiesOf(wire.taken(await waiting))).toEqual(['wakes']);
    const startMs = performance.now();
    expect((await wire.pop(topic, 'g-waited', { pollDurationMs: 500 })).code).toBe(POLLING_TIMEOUT);
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(400);
  });

  test.concurrent('a notification says whether there is something, and takes nothing', async () => {
    const topic = await topicWith('notified', []);
    const ask = (pollDurationMs: number) =>
      wire.ask(notification, {
        consumerGroup: 'g-notified',
        topic,
        queueId: -1,
        pollDurationMs,
        bornTimeMs: Date.now(),
      });
    expect(await ask(0)).toMatchObject({ hasMessage: false });
    expect(await ask(300)).toMatchObject({ hasMessage: false });
    const waiting = ask(20_000);
    const other = await Wire.connect(target.brokerAddress);
    others.push(other);
    await other.send(topic, 'there');
    expect(await waiting).toMatchObject({ hasMessage: true });
    expect(await ask(0)).toMatchObject({ hasMessage: true });
    expect(bodiesOf(await wire.popped(topic, 'g-notified', 1))).toEqual(['there']);
    expect(await ask(0)).toMatchObject({ hasMessage: false });
  });

  test.concurrent('what is acknowledged does not come again, what is not does', async () => {
    const topic = await topicWith('acked', ['done', 'left']);
    const group = 'g-acked';
    const popped = await wire.popped(topic, group, 2, { invisibleDurationMs: 3_000 });
    const [done, left] = popped;
    if (done === undefined || left === undefined) throw new Error('they were not popped');
    expect(await ack(group, done)).toBe(SUCCESS);
    // A second one harms nobody.
    expect(await ack(group, done)).toBe(SUCCESS);
    const again = first(await wire.popped(topic, group, 1, { pollDurationMs: 5_000 }));
    expect(again).toMatchObject({ body: 'left', message: { reconsumeTimes: 1 } });
    expect(again.message.properties.get('UNIQ_KEY')).toBe(left.message.properties.get('UNIQ_KEY'));
    expect(again.message.properties.get('TAGS')).toBe('tleft');
    expect(again.receipt.retry === '0').toBe(differs('sameQueue', { apache: false, embedded: true }));
    expect(again.extraInfo).not.toBe(left.extraInfo);
    // The receipt of the first time is over.
    expect(await ack(group, left)).toBe(differs('lateAck', { apache: SUCCESS, embedded: NO_MESSAGE }));
    expect(await ack(group, again)).toBe(SUCCESS);
    expect((await wire.pop(topic, group)).code).toBe(POLLING_TIMEOUT);
  });

  test.concurrent('an ack of what was never there, or with the receipt of nobody, is refused', async () => {
    const topic = await topicWith('ack-refused', ['0']);
    const popped = first(await wire.popped(topic, 'g-ack-refused', 1));
    const place = placeOf('g-ack-refused', popped);
    const code = (changes: object) => wire.code(ackMessage, { ...place, ...changes });
    expect(await code({ topic: 'never-made' })).toBe(TOPIC_NOT_EXIST);
    expect(await code({ queueId: 7 })).toBe(MESSAGE_ILLEGAL);
    expect(await code({ offset: 99n })).toBe(NO_MESSAGE);
    const believed = { apache: SUCCESS, embedded: NO_MESSAGE };
    expect(await code({ consumerGroup: 'g-ack-foreign' })).toBe(differs('foreignAck', believed));
    expect(await code({})).toBe(SUCCESS);
  });

  test.concurrent('many are acknowledged at once', async () => {
    const topic = await topicWith('batch-acked', ['0', '1', '2', 'left']);
    const group = 'g-batch-acked';
    const popped = await wire.popped(topic, group, 4, { invisibleDurationMs: 3_000 });
    const { receipt } = first(popped);
    const range = { ...receipt, consumerGroup: group, topic, queueOffsets: [0n, 1n, 2n] };
    expect((await wire.invoke(encodeBatchAck(target.brokerName, [range]))).code).toBe(SUCCESS);
    expect((await wire.invoke(encodeBatchAck(target.brokerName, []))).code).toBe(NO_MESSAGE);
    expect(bodiesOf(await wire.popped(topic, group, 1, { pollDurationMs: 5_000 }))).toEqual(['left']);
    expect((await wire.pop(topic, group)).code).toBe(POLLING_TIMEOUT);
  });

  test.concurrent('a changed invisible duration makes a new receipt; 0 makes the message come at once', async () => {
    const topic = await topicWith('changed', ['0']);
    const group = 'g-changed';
    const popped = first(await wire.popped(topic, group, 1));
    const longer = await wire.ask(changeInvisibleDuration, { ...placeOf(group, popped), invisibleDurationMs: 120_000 });
    expect(longer).toMatchObject({ invisibleDurationMs: 120_000, reviveQueueId: expect.any(Number) });
    expect(longer.popTimeMs).toBeGreaterThanOrEqual(popped.receipt.popTimeMs);
    const extraInfo = [
      popped.receipt.queueOffset,
      longer.popTimeMs,
      longer.invisibleDurationMs,
      longer.reviveQueueId,
      popped.receipt.retry,
      target.brokerName,
      popped.receipt.queueId,
      popped.receipt.queueOffset,
    ].join(' ');
    expect((await wire.pop(topic, group)).code).toBe(POLLING_TIMEOUT);
    await wire.ask(changeInvisibleDuration, { ...placeOf(group, popped), extraInfo, invisibleDurationMs: 0 });
    const again = first(await wire.popped(topic, group, 1, { pollDurationMs: 5_000 }));
    expect(again).toMatchObject({ body: '0', message: { reconsumeTimes: 1 } });
    expect(await ack(group, again)).toBe(SUCCESS);
  });

  test.concurrent('an ordered POP gives nothing more of a queue until all that it gave is acknowledged', async () => {
    const topic = await topicWith('ordered', ['0', '1', '2', '3']);
    const group = 'g-ordered';
    const order = { order: true, messageCountMax: 2, queueId: 0 };
    const reply = await wire.pop(topic, group, { ...order, attemptId: 'one' });
    const popped = wire.taken(reply);
    expect(bodiesOf(popped)).toEqual(['0', '1']);
    expect(popped[0]?.receipt.reviveQueueId).toBe(orderedReviveQueueId);
    expect((await wire.pop(topic, group, { ...order, attemptId: 'two' })).code).toBe(POLLING_TIMEOUT);
    // Who asks again because the answer got lost gets the same.
    const same = wire.taken(await wire.pop(topic, group, { ...order, attemptId: 'one' }));
    expect(bodiesOf(same)).toEqual(['0', '1']);
    const [zero, one] = same;
    if (zero === undefined || one === undefined) throw new Error('they were not popped');
    expect(await ack(group, one)).toBe(SUCCESS);
    expect((await wire.pop(topic, group, { ...order, attemptId: 'two' })).code).toBe(POLLING_TIMEOUT);
    expect(await ack(group, zero)).toBe(SUCCESS);
    expect(bodiesOf(wire.taken(await wire.pop(topic, group, { ...order, attemptId: 'two' })))).toEqual(['2', '3']);
  });

  test.concurrent('what an ordered POP gave and nobody acknowledged comes again, in order and counted', async () => {
    const topic = await topicWith('order-again', ['0', '1', '2']);
    const group = 'g-order-again';
    const order = { order: true, queueId: 0, invisibleDurationMs: 3_000 };
    const popped = wire.taken(await wire.pop(topic, group, { ...order, messageCountMax: 2 }));
    expect(bodiesOf(popped)).toEqual(['0', '1']);
    expect(await ack(group, first(popped))).toBe(SUCCESS);
    let reply = await wire.pop(topic, group, order);
    expect(reply.code).toBe(POLLING_TIMEOUT);
    const comesAgain = async (): Promise<boolean> => {
      reply = await wire.pop(topic, group, order);
      return reply.code === SUCCESS;
    };
    await vi.waitUntil(comesAgain, { timeout: 10_000, interval: 20 });
    const again = wire.taken(reply);
    expect(bodiesOf(again)).toEqual(['1', '2']);
    const receipts = again.map(({ receipt }) => receipt);
    const messages = again.map(({ message }) => message);
    expect(popReconsumeTimes(popMessage.decodeReply(reply, ''), messages, receipts)).toEqual([1, 0]);
  });
});
