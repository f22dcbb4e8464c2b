import { describe, expect, test, vi } from 'vitest';
import { newTopic, queueCountMax } from '../../../src/broker/topics.ts';
import { readJson, readJsonObject } from '../../../src/remoting/json.ts';
import { getTopicStats } from '../../../src/remoting/requests/get-topic-stats.ts';
import { encodeHeartbeat } from '../../../src/remoting/requests/heartbeat.ts';
import {
  deleteTopic,
  getAllTopicConfigs,
  getTopicConfig,
  updateTopic,
  updateTopics,
} from '../../../src/remoting/requests/topic-config.ts';
import { getSystemTopicsOfBroker } from '../../../src/remoting/requests/topic-lists.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { connectEngine, type EngineClient, startTestEngine } from '../../support/engine-client.ts';

async function start() {
  const broker = await startTestEngine();
  return { engine: broker.engine, client: await connectEngine(broker.brokerAddress) };
}

const fields = { topic: 'T', readQueueCount: 4, writeQueueCount: 2, permission: 6 };

async function update(client: EngineClient, more: Partial<Parameters<typeof updateTopic.encode>[0]> = {}) {
  const { code, remark } = await client.invoke(updateTopic.encode({ ...fields, ...more }));
  return { code, remark };
}

describe('a topic', () => {
  test('is made, told, and changed', async () => {
    const { client } = await start();
    expect(await update(client, { attributes: '+message.type=FIFO', order: true })).toEqual({ code: 0 });
    const told = async () => readJson((await client.invoke(getTopicConfig.encode({ topic: 'T' }))).body);
    const made = {
      attributes: { 'message.type': 'FIFO' },
      order: true,
      perm: 6,
      readQueueNums: 4,
      topicFilterType: 'SINGLE_TAG',
      topicName: 'T',
      topicSysFlag: 0,
      writeQueueNums: 2,
    };
    expect(await told()).toEqual(made);
    await update(client, { permission: 4, writeQueueCount: 8 });
    expect(await told()).toEqual({ ...made, order: false, perm: 4, writeQueueNums: 8 });
    await update(client, { attributes: '-message.type' });
    expect(await told()).toMatchObject({ attributes: {} });
  });

  test.each([
    [{ topic: 'bad.topic' }, 'bad.topic'],
    [{ topic: '' }, 'empty'],
    [{ topic: 'TBW102' }, 'TBW102'],
    [{ topic: 'rmq_sys_ENGINE_STATE' }, 'rmq_sys_ENGINE_STATE'],
    [{ topic: 'broker-a' }, 'broker-a'],
    [{ permission: 8 }, 'permission 8'],
    [{ permission: -1 }, 'permission -1'],
    [{ readQueueCount: 0 }, '0'],
    [{ writeQueueCount: queueCountMax + 1 }, String(queueCountMax + 1)],
    [{ attributes: '+message.type=WRONG' }, 'WRONG'],
    [{ attributes: 'message.type=FIFO' }, 'message.type'],
    [{ attributes: '+cleanup.policy=COMPACTION' }, 'cleanup.policy'],
  ])('is refused with %j', async (more, named) => {
    const { client, engine } = await start();
    const before = [...engine.topics.all()];
    expect(await update(client, more)).toEqual({ code: 29, remark: expect.stringContaining(named) });
    expect([...engine.topics.all()]).toEqual(before);
  });

  test('may have as many queues and any permission that there is', async () => {
    const { client } = await start();
    expect(await update(client, { readQueueCount: queueCountMax, writeQueueCount: 1, permission: 0 })).toEqual({
      code: 0,
    });
    expect(await update(client, { permission: 7 })).toEqual({ code: 0 });
  });
});

test('many topics are made at once, up to one that cannot be', async () => {
  const { client, engine } = await start();
  const config = (topicName: string) => ({ topicName, readQueueNums: 1, writeQueueNums: 1, perm: 6 });
  const body = Buffer.from(JSON.stringify({ topicConfigList: ['A', 'B', 'no good', 'C'].map(config) }));
  expect((await client.invoke(updateTopics.encode({}, body))).code).toBe(29);
  expect(['A', 'B', 'C'].map((name) => engine.topics.get(name)?.readQueueCount)).toEqual([1, 1, undefined]);
});

test('all topics are told with their number', async () => {
  const { client, engine } = await start();
  await update(client);
  const reply = await client.invoke(getAllTopicConfigs.encode({}));
  const { topicCount } = getAllTopicConfigs.decodeReply(reply, 'h:1');
  const body = readJsonObject(reply.body, 'topics');
  expect(body['dataVersion']).toEqual({ counter: 1, stateVersion: 0, timestamp: engine.startedMs });
  expect(Object.keys(body['topicConfigTable'] ?? {})).toHaveLength(topicCount);
  expect(body['topicConfigTable']).toMatchObject({ T: { topicName: 'T', readQueueNums: 4 }, TBW102: { perm: 7 } });
});

test('an unknown topic has neither settings nor a state', async () => {
  const { client } = await start();
  expect((await client.invoke(getTopicConfig.encode({ topic: 'unknown' }))).code).toBe(17);
  expect((await client.invoke(getTopicStats.encode({ topic: 'unknown' }))).code).toBe(17);
});

test('the state of a topic tells of all its queues', async () => {
  const { client, engine } = await start();
  await update(client);
  await client.send('T', 'one', { queueId: 1 });
  await client.send('T', 'two', { queueId: 1 });
  const stats = readJsonObject((await client.invoke(getTopicStats.encode({ topic: 'T' }))).body, 'stats');
  const key = (queueId: number) => JSON.stringify({ brokerName: 'broker-a', queueId, topic: 'T' });
  const empty = { lastUpdateTimestamp: 0, maxOffset: 0, minOffset: 0 };
  expect(stats['offsetTable']).toEqual({
    [key(0)]: empty,
    [key(1)]: { lastUpdateTimestamp: engine.store.storeTimestamp('T', 1, 1), maxOffset: 2, minOffset: 0 },
    [key(2)]: empty,
    [key(3)]: empty,
  });
  expect(stats['topicPutTps']).toBeCloseTo(2 / 60, 1);
});

describe('to delete a topic', () => {
  const subscription = { topic: 'T', expressionType: 'TAG', expression: '*', version: 1 };
  const heartbeat = encodeHeartbeat({
    clientId: 'reader',
    producerGroups: [],
    consumers: [{ groupName: 'group', subscriptions: [subscription] }],
  });

  test('has those who read it begin with the first message of a new one of its name, and lose none', async () => {
    const { engine, client } = await start();
    const reader = await connectEngine(client.channel.address);
    await reader.invoke(heartbeat);
    for (const body of ['old 1', 'old 2', 'old 3']) await client.send('T', body);
    await reader.pull('T', { offset: 3, commitOffset: 3 });
    const held = reader.pull('T', { offset: 3, suspendMs: 30_000 });
    await vi.waitUntil(() => engine.held.count === 1, 20_000);
    await client.ask(deleteTopic, { topic: 'T' });
    // It hears of it at once.
    expect(await held).toMatchObject({ code: ResponseCode.PULL_OFFSET_MOVED, nextBeginOffset: 0 });
    for (const body of ['new 1', 'new 2']) await client.send('T', body);
    expect((await reader.pull('T', { offset: 0 })).bodies).toEqual(['new 1', 'new 2']);
  });

  test('has those who come back after it begin again, too, whatever they remember', async () => {
    const { engine, client } = await start();
    await client.invoke(heartbeat);
    for (const body of ['old 1', 'old 2', 'old 3']) await client.send('T', body);
    await client.ask(deleteTopic, { topic: 'T' });
    for (const body of ['new 1', 'new 2', 'new 3', 'new 4']) await client.send('T', body);
    const moved = await client.pull('T', { offset: 3, commitOffset: 3 });
    expect(moved).toMatchObject({ code: ResponseCode.PULL_OFFSET_MOVED, nextBeginOffset: 0 });
    expect(engine.offsets.get({ group: 'group', topic: 'T', queueId: 0 })).toBeUndefined();
    expect((await client.pull('T', { offset: 0 })).bodies).toHaveLength(4);
  });

  test('loses nothing that is sent to a new one of its name meanwhile', async () => {
    const { client } = await start();
    await client.send('T', 'old');
    for (let round = 0; round < 50; round += 1) {
      const deleted = client.ask(deleteTopic, { topic: 'T' });
      const sent = await Promise.all([client.send('T', 'new'), deleted]);
      expect(sent[0].queueOffset).toBe(0n);
      expect((await client.pull('T', { group: `${round}` })).bodies).toEqual(['new']);
    }
  });

  test('takes its messages, offsets and POPs with it, and the topics of its retries', async () => {
    const { client, engine } = await start();
    const { topics, offsets, pops, store, state } = engine;
    await update(client);
    for (const name of ['%RETRY%g_T', '%RETRY%g+T', '%RETRY%g']) await topics.ensure(newTopic(name, 1), state);
    await client.send('T', 'one');
    await client.send('other', 'one');
    for (const topic of ['T', 'other']) await offsets.set({ group: 'g', topic, queueId: 0 }, 1, state);
    const popped = { popTimeMs: 1, visibleAtMs: Date.now() + 60_000, invisibleDurationMs: 60_000 };
    await pops.pop(
      { group: 'g', topic: 'T', queueId: 0 },
      { ...popped, offsets: [0], reconsumeTimes: [0], attemptId: '' },
    );
    expect((await client.invoke(deleteTopic.encode({ topic: 'T' }))).code).toBe(0);
    expect(['T', '%RETRY%g_T', '%RETRY%g+T'].map((name) => topics.get(name))).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect([...offsets.all()]).toEqual([{ group: 'g', topic: 'other', queueId: 0, offset: 1 }]);
    expect([store.maxOffset('T', 0), pops.inFlightCount('g', 'T')]).toEqual([0, 0]);
    expect([topics.get('%RETRY%g')?.name, store.maxOffset('other', 0)]).toEqual(['%RETRY%g', 1]);
  });

  test('works again and again, and never for topics of the system', async () => {
    const { client, engine } = await start();
    expect((await client.invoke(deleteTopic.encode({ topic: 'T' }))).code).toBe(0);
    for (const topic of ['', 'TBW102', 'rmq_sys_ENGINE_STATE', 'DefaultCluster']) {
      expect((await client.invoke(deleteTopic.encode({ topic }))).code).toBe(29);
    }
    expect(engine.topics.get('TBW102')?.name).toBe('TBW102');
  });
});

test('the broker names the topics of the system', async () => {
  const { client } = await start();
  await update(client);
  const { topicList } = readJsonObject((await client.invoke(getSystemTopicsOfBroker.encode({}))).body, 'topics');
  expect(topicList).toContain('TBW102');
  expect(topicList).not.toContain('T');
});
