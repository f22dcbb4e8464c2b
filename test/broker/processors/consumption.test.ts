import { describe, expect, test } from 'vitest';
import { statsQueueCountMax } from '../../../src/broker/processors/consumption.ts';
import { newTopic, queueCountMax } from '../../../src/broker/topics.ts';
import { readJson, readJsonObject } from '../../../src/remoting/json.ts';
import { getConsumerConnections, getProducerConnections } from '../../../src/remoting/requests/client-connections.ts';
import { getConsumeStats } from '../../../src/remoting/requests/get-consume-stats.ts';
import { encodeHeartbeat } from '../../../src/remoting/requests/heartbeat.ts';
import { claimedVersion } from '../../../src/remoting/version.ts';
import { connectEngine, type EngineClient, startTestEngine } from '../../support/engine-client.ts';

async function start() {
  const { engine, brokerAddress } = await startTestEngine();
  return { engine, client: await connectEngine(brokerAddress) };
}

function beat(client: EngineClient, topics: readonly string[]) {
  const subscriptions = topics.map((topic) => ({ topic, expression: 'a || b', version: 7 }));
  const consumers = [{ groupName: 'g', subscriptions }];
  return client.invoke(encodeHeartbeat({ clientId: 'me', producerGroups: ['p'], consumers }));
}

describe('connections', () => {
  const connection = {
    clientAddr: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    clientId: 'me',
    language: expect.stringMatching(/^[A-Z_]+$/),
    version: claimedVersion,
  };

  test('of consumers tell how the group receives', async () => {
    const { client } = await start();
    await beat(client, ['T']);
    const reply = await client.invoke(getConsumerConnections.encode({ consumerGroup: 'g' }));
    expect(readJson(reply.body)).toEqual({
      connectionSet: [connection],
      consumeFromWhere: 'CONSUME_FROM_LAST_OFFSET',
      consumeType: 'CONSUME_POP',
      messageModel: 'CLUSTERING',
      subscriptionTable: {
        T: {
          classFilterMode: false,
          codeSet: [],
          expressionType: 'TAG',
          subString: 'a || b',
          subVersion: 7,
          tagsSet: [],
          topic: 'T',
        },
      },
    });
  });

  test('of producers', async () => {
    const { client } = await start();
    await beat(client, []);
    const reply = await client.invoke(getProducerConnections.encode({ producerGroup: 'p' }));
    expect(readJson(reply.body)).toEqual({ connectionSet: [connection] });
  });

  test('are not found where nobody is', async () => {
    const { client } = await start();
    expect((await client.invoke(getConsumerConnections.encode({ consumerGroup: 'g' }))).code).toBe(206);
    expect((await client.invoke(getProducerConnections.encode({ producerGroup: 'p' }))).code).toBe(1);
  });
});

describe('progress', () => {
  const key = (topic: string, queueId: number) => JSON.stringify({ brokerName: 'broker-a', queueId, topic });
  const none = { brokerOffset: 0, consumerOffset: 0, lastTimestamp: 0, pullOffset: 0 };

  async function progress(client: EngineClient, more: { topic?: string; topics?: string } = {}) {
    const reply = await client.invoke(getConsumeStats.encode({ consumerGroup: 'g', ...more }));
    return readJsonObject(reply.body, 'progress');
  }

  async function startReading() {
    const { engine, client } = await start();
    for (const topic of ['T', 'U']) await engine.topics.put(newTopic(topic, 2), engine.state);
    for (const body of ['one', 'two', 'three']) await client.send('T', body);
    await engine.offsets.set({ group: 'g', topic: 'T', queueId: 0 }, 2, engine.state);
    return { engine, client };
  }

  test('is told of each queue of each topic that the group has an offset of', async () => {
    const { engine, client } = await startReading();
    expect(await progress(client)).toEqual({
      consumeTps: 0,
      offsetTable: {
        [key('T', 0)]: {
          brokerOffset: 3,
          consumerOffset: 2,
          lastTimestamp: engine.store.storeTimestamp('T', 0, 1),
          pullOffset: 2,
        },
        [key('T', 1)]: none,
      },
    });
    engine.statistics.got('g', 'T', 60);
    expect((await progress(client))['consumeTps']).toBeCloseTo(1, 0);
  });

  test('counts what was popped and not acknowledged as not consumed', async () => {
    const { engine, client } = await startReading();
    const popped = { popTimeMs: 1, visibleAtMs: Date.now() + 60_000, invisibleDurationMs: 60_000, attemptId: '' };
    await engine.pops.pop({ group: 'g', topic: 'T', queueId: 0 }, { ...popped, offsets: [1], reconsumeTimes: [0] });
    expect((await progress(client))['offsetTable']).toMatchObject({
      [key('T', 0)]: { brokerOffset: 3, consumerOffset: 1, pullOffset: 2 },
    });
  });

  test('is told of one topic, or of some, also of those without an offset', async () => {
    const { client } = await startReading();
    expect((await progress(client, { topic: 'U' }))['offsetTable']).toEqual({
      [key('U', 0)]: none,
      [key('U', 1)]: none,
    });
    expect(Object.keys((await progress(client, { topics: 'T;U;unknown' }))['offsetTable'] ?? {})).toHaveLength(4);
    expect((await progress(client, { topic: 'unknown' }))['offsetTable']).toEqual({});
  });

  test('leaves out topics that a group which is connected no longer reads', async () => {
    const { client } = await startReading();
    await beat(client, ['U']);
    expect((await progress(client))['offsetTable']).toEqual({});
    expect(Object.keys((await progress(client, { topics: 'T' }))['offsetTable'] ?? {})).toHaveLength(2);
  });

  test('is refused of more queues than an answer may have', async () => {
    const { engine, client } = await start();
    const topics = Array.from({ length: Math.ceil(statsQueueCountMax / queueCountMax) }, (_, at) => `t${at}`);
    for (const topic of topics) await engine.topics.put(newTopic(topic, queueCountMax), engine.state);
    const few = statsQueueCountMax - (topics.length - 1) * queueCountMax;
    await engine.topics.put(newTopic('t0', few), engine.state);
    expect(Object.keys((await progress(client, { topics: topics.join(';') }))['offsetTable'] ?? {})).toHaveLength(
      statsQueueCountMax,
    );
    await engine.topics.put(newTopic('t0', few + 1), engine.state);
    const reply = await client.invoke(getConsumeStats.encode({ consumerGroup: 'g', topics: topics.join(';') }));
    expect([reply.code, reply.remark]).toEqual([29, expect.stringContaining('name a topic')]);
  });
});
