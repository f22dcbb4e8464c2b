import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { newGroup } from '../../../src/broker/groups.ts';
import type { BrokerOptions } from '../../../src/broker/options.ts';
import { invisibleDurationMsMax, popProcessors } from '../../../src/broker/processors/pop.ts';
import { newTopic } from '../../../src/broker/topics.ts';
import { emptyBody } from '../../../src/remoting/command.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { peekMessage } from '../../../src/remoting/requests/peek-message.ts';
import { PopInitMode, popMessage } from '../../../src/remoting/requests/pop-message.ts';
import { decodeStoredMessages } from '../../../src/remoting/stored-message.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { connectEngine, startTestEngine } from '../../support/engine-client.ts';
import { blankCommand } from '../../support/loopback-server.ts';
import { memoryConnection } from '../../support/memory-connection.ts';
import { ack, changeInvisible, only, pop, popContent, popGroup, popTopic } from '../../support/pop-client.ts';

async function start(options: Partial<BrokerOptions> = {}) {
  const clock = new VirtualClock(1_700_000_000_000);
  const broker = await startTestEngine({ clock, ...options });
  const { engine } = broker;
  await engine.topics.put(newTopic(popTopic, 2), engine.state);
  const client = await connectEngine(broker.brokerAddress);
  const held = async (): Promise<void> => {
    while (engine.held.count === 0) await sleep(1);
  };
  return { clock, broker, engine, client, held };
}

describe('POP_MESSAGE', () => {
  test('brings messages with all that a receipt takes', async () => {
    const { client, clock } = await start();
    for (const body of ['a', 'b']) await client.send(popTopic, body, { queueId: 1 });
    const answer = await pop(client);
    expect(answer).toMatchObject({
      code: 0,
      bodies: ['a', 'b'],
      fields: {
        popTime: String(clock.now()),
        invisibleTime: '30000',
        reviveQid: '0',
        restNum: '0',
        startOffsetInfo: '0 1 0',
        msgOffsetInfo: '0 1 0,1',
      },
    });
    expect(answer.fields['orderCountInfo']).toBeUndefined();
    expect(answer.messages.map(({ receipt }) => receipt)).toMatchObject([
      { startOffset: 0n, queueId: 1, queueOffset: 0n, retry: '0', popTimeMs: clock.now(), invisibleDurationMs: 30_000 },
      { queueOffset: 1n },
    ]);
  });

  test('lists messages that come again beside new ones, with their counts in the messages', async () => {
    const { client, clock } = await start();
    for (const body of ['a', 'b', 'c']) await client.send(popTopic, body);
    const first = await pop(client, { messageCountMax: 3 });
    await ack(client, first.messages[1]?.receipt ?? only(first).receipt);
    await client.send(popTopic, 'd');
    await clock.advance(30_000);
    const again = await pop(client);
    expect(again.fields).toMatchObject({ startOffsetInfo: '0 0 0', msgOffsetInfo: '0 0 0,2,3' });
    expect(again.messages.map(({ body, reconsumeTimes }) => [body, reconsumeTimes])).toEqual([
      ['a', 1],
      ['c', 1],
      ['d', 0],
    ]);
  });

  test('in order blocks its queue, and counts in its own list', async () => {
    const { client, clock } = await start();
    for (const body of ['a', 'b', 'c']) await client.send(popTopic, body);
    const first = await pop(client, { order: true, messageCountMax: 2, attemptId: 'one' });
    expect(first.fields).toMatchObject({ reviveQid: '999', orderCountInfo: '0 0 0', msgOffsetInfo: '0 0 0,1' });
    expect((await pop(client, { order: true, attemptId: 'two' })).code).toBe(210);
    const repeated = await pop(client, { order: true, attemptId: 'one' });
    expect(repeated.fields).toMatchObject({ orderCountInfo: '0 0 0', msgOffsetInfo: '0 0 0,1' });
    await ack(client, repeated.messages[0]?.receipt ?? only(repeated).receipt);
    await clock.advance(30_000);
    const again = await pop(client, { order: true, attemptId: 'three' });
    expect(again.fields).toMatchObject({ orderCountInfo: '0 qo0%1 1;0 0 0', msgOffsetInfo: '0 0 1,2' });
    expect(again.messages.map(({ body, reconsumeTimes }) => [body, reconsumeTimes])).toEqual([
      ['b', 1],
      ['c', 0],
    ]);
  });

  test('takes messages of a retry topic by its name', async () => {
    const { client, engine } = await start();
    await engine.topics.put(newTopic('%RETRY%eaters', 1), engine.state);
    await engine.store.append([
      {
        topic: '%RETRY%eaters',
        queueId: 0,
        flag: 0,
        sysFlag: 0,
        bornTimestampMs: 0,
        bornHost: '127.0.0.1:1',
        reconsumeTimes: 2,
        replaces: 0,
        body: Buffer.from('back'),
        properties: new Map([['RETRY_TOPIC', popTopic]]),
      },
    ]);
    expect((await pop(client)).code).toBe(210);
    const answer = await pop(client, { topic: '%RETRY%eaters' });
    expect(answer.fields).toMatchObject({ startOffsetInfo: '1 0 0', msgOffsetInfo: '1 0 0' });
    const { receipt, reconsumeTimes } = only(answer);
    expect([receipt.retry, reconsumeTimes]).toEqual(['1', 2]);
    await changeInvisible(client, receipt, 0, { topic: '%RETRY%eaters' });
    expect(only(await pop(client, { topic: '%RETRY%eaters' })).reconsumeTimes).toBe(3);
  });

  test('that finds nothing has all fields of an answer', async () => {
    const { client, clock } = await start();
    expect(await pop(client)).toMatchObject({
      code: 210,
      messages: [],
      fields: { popTime: String(clock.now()), invisibleTime: '30000', reviveQid: '0', restNum: '0' },
    });
  });

  test('takes no notice of when it was born', async () => {
    const { client } = await start();
    await client.send(popTopic, 'a');
    expect((await pop(client, { bornTimeMs: 0 })).bodies).toEqual(['a']);
    expect((await pop(client, { bornTimeMs: undefined })).code).toBe(210);
  });

  test('starts where its init mode says', async () => {
    const { client } = await start({ segmentBytes: 4_096, retentionBytes: 8_192 });
    for (let at = 0; at < 40; at += 1) await client.send(popTopic, 'x'.repeat(1_000));
    expect((await pop(client, { consumerGroup: 'g1', initMode: PopInitMode.MAX })).code).toBe(210);
    expect((await pop(client, { consumerGroup: 'g2', initMode: PopInitMode.MIN })).code).toBe(0);
    await client.send(popTopic, 'new');
    expect((await pop(client, { consumerGroup: 'g1', initMode: PopInitMode.MAX })).bodies).toEqual(['new']);
  });

  test('filters by tag and by property', async () => {
    const { client } = await start();
    for (const tag of ['A', 'B']) await client.send(popTopic, tag, { properties: { TAGS: tag, size: tag } });
    const byTag = { consumerGroup: 'g1', expressionType: 'TAG', expression: 'B || C' };
    expect((await pop(client, byTag)).bodies).toEqual(['B']);
    const bySql = { consumerGroup: 'g2', expressionType: 'SQL92', expression: "size = 'A'" };
    expect((await pop(client, bySql)).bodies).toEqual(['A']);
    expect((await pop(client, { expressionType: 'SQL92', expression: 'size =' })).code).toBe(23);
  });

  test.each([
    ['no message', 29, { messageCountMax: 0 }],
    ['more than 32 messages', 29, { messageCountMax: 33 }],
    ['no invisible time', 29, { invisibleDurationMs: 0 }],
    ['too long an invisible time', 29, { invisibleDurationMs: invisibleDurationMsMax + 1 }],
    ['a queue that is not there', 29, { queueId: 2 }],
    ['too long an attempt', 29, { attemptId: 'a'.repeat(129) }],
    ['a topic that is not there', 17, { topic: 'nowhere' }],
    ['a group that cannot be', 29, { consumerGroup: 'a b' }],
  ])('is refused for %s', async (_, code, changes) => {
    const { client } = await start();
    expect((await pop(client, changes)).code).toBe(code);
  });

  test.each([
    ['32 messages', { messageCountMax: 32 }],
    ['one millisecond', { invisibleDurationMs: 1 }],
    ['the longest invisible time', { invisibleDurationMs: invisibleDurationMsMax }],
    ['the last queue', { queueId: 1 }],
    ['any queue, however it is said', { queueId: -2 }],
    ['the longest attempt', { attemptId: 'a'.repeat(128), order: true }],
  ])('may ask for %s', async (_, changes) => {
    const { client } = await start();
    expect((await pop(client, changes)).code).toBe(210);
  });

  test('is refused where the topic or the group may not be read', async () => {
    const { client, engine } = await start();
    await engine.topics.put({ ...newTopic('closed', 1), permission: 2 }, engine.state);
    expect((await pop(client, { topic: 'closed' })).code).toBe(16);
    await engine.groups.put({ ...newGroup('hungry'), consumeEnable: false }, engine.state);
    expect((await pop(client, { consumerGroup: 'hungry' })).code).toBe(16);
  });

  test('makes its group, where groups may be made', async () => {
    const { client, engine } = await start();
    await pop(client);
    expect(engine.groups.get(popGroup)).toBeDefined();
    const strict = await start({ autoCreateGroups: false });
    expect((await pop(strict.client)).code).toBe(26);
  });

  test('without a required field names it', async () => {
    const { client } = await start();
    const { extFields, code } = popContent();
    const { invisibleTime: _, ...rest } = extFields;
    const reply = await client.invoke({ code, extFields: rest });
    expect(reply.code).toBe(29);
    expect(reply.remark).toContain('invisibleDurationMs');
  });
});

describe('a POP that waits', () => {
  const waiting = { pollDurationMs: 20_000 };

  test('gets a message as it comes, in any queue that it wants', async () => {
    const { client, held, engine } = await start();
    const answers = [pop(client, waiting), pop(client, { ...waiting, queueId: 0 })] as const;
    while (engine.held.count < 2) await held();
    await client.send(popTopic, 'b', { queueId: 1 });
    expect((await answers[0]).bodies).toEqual(['b']);
    await client.send(popTopic, 'a', { queueId: 0 });
    expect((await answers[1]).bodies).toEqual(['a']);
    expect(engine.held.count).toBe(0);
  });

  test('is woken by what is visible again', async () => {
    const { client, held, clock } = await start();
    await client.send(popTopic, 'a');
    await pop(client);
    const answer = pop(client, waiting);
    await held();
    await clock.advance(30_000);
    expect(only(await answer)).toMatchObject({ body: 'a', reconsumeTimes: 1 });
  });

  test('is woken at once by what is given back', async () => {
    const { client, held } = await start();
    await client.send(popTopic, 'a');
    const { receipt } = only(await pop(client));
    const answer = pop(client, waiting);
    await held();
    await changeInvisible(client, receipt, 0);
    expect((await answer).bodies).toEqual(['a']);
  });

  test('in order is woken by the last ack of the batch before', async () => {
    const { client, held } = await start();
    for (const body of ['a', 'b']) await client.send(popTopic, body);
    const { receipt } = only(await pop(client, { order: true, messageCountMax: 1 }));
    const answer = pop(client, { ...waiting, order: true });
    await held();
    await ack(client, receipt);
    expect((await answer).bodies).toEqual(['b']);
  });

  test('goes on through what it does not want', async () => {
    const { client, held, engine } = await start();
    const answer = pop(client, { ...waiting, expression: 'A' });
    await held();
    const drafts = Array.from({ length: 40_000 }, (_, at) => ({
      topic: popTopic,
      queueId: 0,
      flag: 0,
      sysFlag: 0,
      bornTimestampMs: 0,
      bornHost: '127.0.0.1:1',
      reconsumeTimes: 0,
      replaces: 0,
      body: Buffer.from('x'),
      properties: new Map([['TAGS', at === 39_999 ? 'A' : 'B']]),
    }));
    await engine.store.append(drafts);
    expect((await answer).bodies).toEqual(['x']);
  });

  test('ends on time with nothing', async () => {
    const { client } = await start();
    const startedMs = performance.now();
    expect((await pop(client, { pollDurationMs: 300 })).code).toBe(210);
    const tookMs = performance.now() - startedMs;
    expect(tookMs).toBeGreaterThanOrEqual(295);
    expect(tookMs).toBeLessThan(2_000);
  });

  test('does not wait where too many do already', async () => {
    const { client, held } = await start({ heldRequestCountMax: 1 });
    const answer = pop(client, waiting);
    await held();
    expect(await pop(client, waiting)).toMatchObject({ code: 209, fields: { reviveQid: '0', restNum: '0' } });
    await client.send(popTopic, 'a');
    expect((await answer).bodies).toEqual(['a']);
  });

  test('takes nothing once its client is gone', async () => {
    const { client, engine, held } = await start();
    const gone = memoryConnection().connection;
    const [, processor] = popProcessors.find(([code]) => code === RequestCode.POP_MESSAGE) ?? [];
    const answer = processor?.({ ...blankCommand, ...popContent(waiting), body: emptyBody }, gone, engine);
    await held();
    gone.close();
    await client.send(popTopic, 'a');
    expect(await answer).toMatchObject({ code: 210 });
    expect(engine.pops.inFlightCount(popGroup, popTopic)).toBe(0);
    expect((await pop(client)).bodies).toEqual(['a']);
  });
});

describe('PEEK_MESSAGE', () => {
  const place = { consumerGroup: popGroup, topic: popTopic, queueId: -1, messageCountMax: 32 };

  test('reads what comes next, and leaves it', async () => {
    const { client } = await start();
    for (const body of ['a', 'b', 'c']) await client.send(popTopic, body);
    await pop(client, { messageCountMax: 1 });
    for (let times = 0; times < 2; times += 1) {
      const reply = await client.invoke(peekMessage.encode({ ...place, messageCountMax: 1 }));
      expect(reply.code).toBe(0);
      expect(decodeStoredMessages(reply.body).map(({ body }) => body.toString())).toEqual(['b']);
      expect(reply.extFields).toMatchObject({ popTime: '0', invisibleTime: '0', reviveQid: '0', restNum: '2' });
    }
    expect((await pop(client)).bodies).toEqual(['b', 'c']);
  });

  test('finds nothing at the end, and refuses what it cannot read', async () => {
    const { client } = await start();
    const codeOf = async (changes: Partial<typeof place>): Promise<number> =>
      (await client.invoke(peekMessage.encode({ ...place, ...changes }))).code;
    expect(await codeOf({})).toBe(19);
    expect(await codeOf({ messageCountMax: 33 })).toBe(29);
    expect(await codeOf({ messageCountMax: 0 })).toBe(29);
    expect(await codeOf({ queueId: 2 })).toBe(29);
    expect(await codeOf({ topic: 'nowhere' })).toBe(17);
  });
});

test('an answer that is decoded by our client has what it wrote', async () => {
  const { client } = await start();
  await client.send(popTopic, 'a');
  const reply = popMessage.decodeReply(await client.invoke(popContent()), 'engine');
  expect(reply).toMatchObject({ reviveQueueId: 0, restCount: 0n, startOffsetInfo: '0 0 0', msgOffsetInfo: '0 0 0' });
});
