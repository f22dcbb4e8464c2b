import { describe, expect, test } from 'vitest';
import { ackProcessors } from '../../../src/broker/processors/ack.ts';
import { invisibleDurationMsMax } from '../../../src/broker/processors/pop.ts';
import { newTopic } from '../../../src/broker/topics.ts';
import { encodePopReceipt, type PopReceipt } from '../../../src/remoting/pop-receipt.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { type AckedRange, encodeBatchAck } from '../../../src/remoting/requests/batch-ack-message.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { connectEngine, startTestEngine } from '../../support/engine-client.ts';
import { ack, changeInvisible, only, type PopAnswer, pop, popGroup, popTopic } from '../../support/pop-client.ts';

async function start() {
  const clock = new VirtualClock(1_700_000_000_000);
  const broker = await startTestEngine({ clock });
  const { engine } = broker;
  await engine.topics.put(newTopic(popTopic, 2), engine.state);
  const client = await connectEngine(broker.brokerAddress);
  const popped = async (bodies: readonly string[] = ['a'], topic = popTopic): Promise<PopAnswer> => {
    for (const body of bodies) await client.send(topic, body);
    return pop(client, { topic });
  };
  const batch = async (ranges: readonly AckedRange[]) => client.invoke(encodeBatchAck('broker-a', ranges));
  return { clock, engine, client, popped, batch };
}

test('the table has all that ends a receipt', () => {
  expect(ackProcessors.map(([code]) => code)).toEqual([
    RequestCode.ACK_MESSAGE,
    RequestCode.BATCH_ACK_MESSAGE,
    RequestCode.CHANGE_MESSAGE_INVISIBLE_TIME,
  ]);
});

describe('ACK_MESSAGE', () => {
  test('ends a message, and says so twice', async () => {
    const { client, clock, popped } = await start();
    const { receipt } = only(await popped());
    expect(await ack(client, receipt)).toBe(0);
    expect(await ack(client, receipt)).toBe(0);
    await clock.advance(30_000);
    expect((await pop(client)).code).toBe(210);
    expect(await ack(client, receipt)).toBe(208);
  });

  test('is refused when its time is over, and the message comes again', async () => {
    const { client, clock, popped } = await start();
    const { receipt } = only(await popped());
    await clock.advance(30_000);
    expect(await ack(client, receipt)).toBe(208);
    const again = only(await pop(client));
    expect(await ack(client, receipt)).toBe(208);
    expect(await ack(client, again.receipt)).toBe(0);
  });

  test('takes the ninth part that the Java proxy adds to a receipt', async () => {
    const { client, popped } = await start();
    const { receipt } = only(await popped());
    expect(await ack(client, receipt, { extraInfo: `${encodePopReceipt(receipt)} 1234` })).toBe(0);
  });

  test.each([
    ['another group', 208, { consumerGroup: 'others' }],
    ['another queue', 208, { queueId: 1 }],
    ['a queue that is not there', 13, { queueId: 2 }],
    ['a queue that cannot be', 13, { queueId: -1 }],
    ['a topic that is not there', 17, { topic: 'nowhere' }],
    ['an offset that is not there', 208, { offset: 99n }],
    ['an offset that cannot be', 208, { offset: -1n }],
    ['the largest offset', 208, { offset: 2n ** 63n - 1n }],
    ['no receipt', 29, { extraInfo: '' }],
    ['half a receipt', 29, { extraInfo: '0 1 2 3' }],
    ['more than a receipt', 29, { extraInfo: '0 1 2 0 0 b 0 0 1 1' }],
  ])('is refused for %s', async (_, code, changes) => {
    const { client, popped, engine } = await start();
    const { receipt } = only(await popped());
    expect(await ack(client, receipt, changes)).toBe(code);
    expect(engine.pops.inFlightCount(popGroup, popTopic)).toBe(1);
  });

  test('is refused for another time of delivery', async () => {
    const { client, popped } = await start();
    const { receipt } = only(await popped());
    for (const popTimeMs of [0, receipt.popTimeMs - 1, receipt.popTimeMs + 1]) {
      expect(await ack(client, { ...receipt, popTimeMs })).toBe(208);
    }
  });

  test('finds a message of a retry topic, by the name that clients make of its receipt', async () => {
    const { client, engine, popped } = await start();
    const topic = '%RETRY%eaters';
    await engine.topics.put(newTopic(topic, 1), engine.state);
    const [first, second] = (await popped(['a', 'b'], topic)).messages;
    if (first === undefined || second === undefined) throw new Error('nothing popped');
    expect(await ack(client, first.receipt, { topic: `%RETRY%eaters_${topic}` })).toBe(0);
    expect(await ack(client, second.receipt, { topic })).toBe(0);
    expect(engine.pops.inFlightCount(popGroup, topic)).toBe(0);
  });
});

describe('CHANGE_MESSAGE_INVISIBLETIME', () => {
  test('makes a new receipt, and the old one is good for nothing', async () => {
    const { client, clock, popped } = await start();
    const { receipt } = only(await popped());
    await clock.advance(20_000);
    const changed = await changeInvisible(client, receipt, 60_000);
    expect(changed).toMatchObject({
      code: 0,
      fields: { popTime: String(clock.now()), invisibleTime: '60000', reviveQid: '0' },
    });
    expect(await ack(client, receipt)).toBe(208);
    expect((await changeInvisible(client, receipt, 60_000)).code).toBe(208);
    await clock.advance(59_999);
    expect(await ack(client, changed.receipt)).toBe(0);
  });

  test.each([0, -1])('of %i ms gives the message back', async (durationMs) => {
    const { client, popped } = await start();
    const { receipt } = only(await popped());
    expect(await changeInvisible(client, receipt, durationMs)).toMatchObject({
      code: 0,
      fields: { invisibleTime: '0' },
    });
    expect(only(await pop(client)).reconsumeTimes).toBe(1);
  });

  test('keeps an ordered message ordered', async () => {
    const { client, clock } = await start();
    for (const body of ['a', 'b']) await client.send(popTopic, body);
    const { receipt } = only(await pop(client, { order: true, messageCountMax: 1 }));
    const changed = await changeInvisible(client, receipt, 60_000);
    expect(changed.fields).toMatchObject({ reviveQid: '999' });
    await clock.advance(59_999);
    expect((await pop(client, { order: true })).code).toBe(210);
    await clock.advance(1);
    expect((await pop(client, { order: true })).bodies).toEqual(['a', 'b']);
  });

  test.each([
    ['an offset that nobody popped', 208, { offset: 99n }],
    ['another group', 208, { consumerGroup: 'others' }],
  ])('is refused for %s with all fields of an answer, for Java clients', async (_, code, changes) => {
    const { client, popped } = await start();
    const { receipt } = only(await popped());
    const { fields, ...refused } = await changeInvisible(client, receipt, 1_000, changes);
    expect(refused.code).toBe(code);
    expect(fields).toMatchObject({ popTime: '0', invisibleTime: '0', reviveQid: '0' });
  });

  test('is refused for a place that is not there, and for too long a time', async () => {
    const { client, popped } = await start();
    const { receipt } = only(await popped());
    expect((await changeInvisible(client, receipt, 1_000, { topic: 'nowhere' })).code).toBe(17);
    expect((await changeInvisible(client, receipt, 1_000, { queueId: 2 })).code).toBe(13);
    expect((await changeInvisible(client, receipt, invisibleDurationMsMax + 1)).code).toBe(29);
    expect((await changeInvisible(client, receipt, invisibleDurationMsMax)).code).toBe(0);
  });
});

function rangeOf(receipt: PopReceipt, changes: Partial<AckedRange> = {}): AckedRange {
  const { retry, startOffset, queueId, reviveQueueId, popTimeMs, invisibleDurationMs, queueOffset } = receipt;
  return {
    consumerGroup: popGroup,
    topic: popTopic,
    retry,
    startOffset,
    queueId,
    reviveQueueId,
    popTimeMs,
    invisibleDurationMs,
    queueOffsets: [queueOffset],
    ...changes,
  };
}

describe('BATCH_ACK_MESSAGE', () => {
  test('ends every message that it may', async () => {
    const { popped, batch, engine } = await start();
    const { messages } = await popped(['a', 'b', 'c']);
    const [first] = messages;
    if (first === undefined) throw new Error('nothing popped');
    const queueOffsets = messages.map(({ receipt }) => receipt.queueOffset);
    expect((await batch([rangeOf(first.receipt, { queueOffsets })])).code).toBe(0);
    expect(engine.pops.inFlightCount(popGroup, popTopic)).toBe(0);
    expect((await batch([rangeOf(first.receipt, { queueOffsets })])).code).toBe(0);
  });

  test('says yes where one of them is good', async () => {
    const { popped, batch, engine } = await start();
    const { receipt } = only(await popped());
    const ranges = [
      rangeOf(receipt, { topic: 'nowhere' }),
      rangeOf(receipt, { queueId: 7 }),
      rangeOf(receipt, { consumerGroup: 'others' }),
      rangeOf(receipt, { popTimeMs: 1 }),
      rangeOf(receipt, { queueOffsets: [receipt.queueOffset, 99n] }),
    ];
    expect((await batch(ranges)).code).toBe(0);
    expect(engine.pops.inFlightCount(popGroup, popTopic)).toBe(0);
  });

  test('is refused where none is good, or there is none', async () => {
    const { popped, batch, client, clock } = await start();
    const { receipt } = only(await popped());
    expect((await batch([rangeOf(receipt, { popTimeMs: 1 }), rangeOf(receipt, { queueId: -1 })])).code).toBe(208);
    expect((await batch([])).code).toBe(208);
    expect((await client.invoke({ code: RequestCode.BATCH_ACK_MESSAGE, extFields: {} })).code).toBe(208);
    await clock.advance(30_000);
    expect((await batch([rangeOf(receipt)])).code).toBe(208);
  });

  test('finds messages of a retry topic', async () => {
    const { popped, batch, engine } = await start();
    const topic = '%RETRY%eaters';
    await engine.topics.put(newTopic(topic, 1), engine.state);
    const { receipt } = only(await popped(['a'], topic));
    expect(receipt.retry).toBe('1');
    expect((await batch([rangeOf(receipt, { topic })])).code).toBe(0);
  });

  test('is refused as a whole where it makes no sense', async () => {
    const { client } = await start();
    const body = Buffer.from('{"acks":[{}]}');
    expect((await client.invoke({ code: RequestCode.BATCH_ACK_MESSAGE, extFields: {}, body })).code).toBe(29);
  });
});
