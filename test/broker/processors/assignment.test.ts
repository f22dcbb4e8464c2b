import { expect, test } from 'vitest';
import type { RunningBroker } from '../../../src/broker/broker.ts';
import type { BrokerOptions } from '../../../src/broker/options.ts';
import { newTopic } from '../../../src/broker/topics.ts';
import { encodeHeartbeat } from '../../../src/remoting/requests/heartbeat.ts';
import {
  type AssignmentQuery,
  decodeAssignment,
  encodeAssignmentQuery,
} from '../../../src/remoting/requests/query-assignment.ts';
import {
  encodeMessageRequestMode,
  type MessageRequestModeSetting,
} from '../../../src/remoting/requests/set-message-request-mode.ts';
import { connectEngine, type EngineClient, startTestEngine } from '../../support/engine-client.ts';

/** An engine with a topic of 4 queues, and clients of one group. */
async function start(
  clientCount: number,
  options: Partial<BrokerOptions> = {},
): Promise<{ broker: RunningBroker; client: EngineClient }> {
  const broker = await startTestEngine(options);
  await broker.engine.topics.put(newTopic('T', 4), broker.engine.state);
  const client = await connectEngine(broker.brokerAddress);
  for (let index = 0; index < clientCount; index += 1) {
    const consumers = [{ groupName: 'g', subscriptions: [] }];
    await client.invoke(encodeHeartbeat({ clientId: `c${index}`, consumers, producerGroups: [] }));
  }
  return { broker, client };
}

/** Queue ids and modes; undefined where the engine cannot say. */
async function assigned(client: EngineClient, more: Partial<AssignmentQuery> = {}): Promise<string[] | undefined> {
  const query = {
    topic: 'T',
    consumerGroup: 'g',
    clientId: 'c0',
    strategyName: 'AVG',
    messageModel: 'CLUSTERING',
  } as const;
  const reply = await client.invoke(encodeAssignmentQuery({ ...query, ...more }));
  return decodeAssignment(reply, 'engine')?.map(
    ({ queue, mode }) => `${queue.topic} ${queue.brokerName} ${queue.queueId} ${mode}`,
  );
}

function set(client: EngineClient, more: Partial<MessageRequestModeSetting>) {
  const setting = { topic: 'T', consumerGroup: 'g', mode: 'POP', popShareQueueCount: 0, ...more } as const;
  return client.invoke(encodeMessageRequestMode(setting));
}

test('each client of a group has its part, for pull, unless it is said otherwise', async () => {
  const { client } = await start(3);
  expect(await assigned(client)).toEqual(['T broker-a 0 PULL', 'T broker-a 1 PULL']);
  expect(await assigned(client, { clientId: 'c2' })).toEqual(['T broker-a 3 PULL']);
  const circle = await assigned(client, { strategyName: 'AVG_BY_CIRCLE' });
  expect(circle).toEqual(['T broker-a 0 PULL', 'T broker-a 3 PULL']);
  expect(await assigned(client, { topic: '%RETRY%g' })).toEqual(['%RETRY%g broker-a 0 PULL']);
});

test('who broadcasts has all queues, heartbeat or not', async () => {
  const { client } = await start(0);
  expect(await assigned(client, { messageModel: 'BROADCASTING' })).toHaveLength(4);
});

test('what cannot be said leaves a client as it is; who is not in the group has nothing', async () => {
  const { broker, client } = await start(1);
  expect(await assigned(client, { consumerGroup: 'none' })).toBeUndefined();
  expect(await assigned(client, { topic: 'none' })).toBeUndefined();
  expect(await assigned(client, { strategyName: 'CONSISTENT_HASH' })).toBeUndefined();
  await broker.engine.topics.put({ ...newTopic('T', 4), permission: 2 }, broker.engine.state);
  expect(await assigned(client)).toBeUndefined();
  await broker.engine.topics.put(newTopic('T', 4), broker.engine.state);
  expect(await assigned(client, { clientId: 'x' })).toEqual([]);
});

test('the mode is set for a topic and a group', async () => {
  const { client } = await start(4);
  expect((await set(client, {})).code).toBe(0);
  expect(await assigned(client)).toEqual(['T broker-a -1 POP']);
  await set(client, { popShareQueueCount: 1 });
  expect(await assigned(client)).toEqual(['T broker-a 0 POP', 'T broker-a 1 POP']);
  await set(client, { mode: 'PULL' });
  expect(await assigned(client)).toEqual(['T broker-a 0 PULL']);
});

test('the mode is set before the group is there, where groups are made by their consumers', async () => {
  const { broker, client } = await start(0);
  expect((await set(client, { consumerGroup: 'new' })).code).toBe(0);
  expect(broker.engine.groups.get('new')).toBeDefined();
});

test('the mode is not set for a retry topic, nor for what does not exist', async () => {
  const { client } = await start(0, { autoCreateGroups: false });
  expect((await set(client, { topic: '%RETRY%g' })).code).toBe(16);
  expect((await set(client, { topic: 'none' })).code).toBe(17);
  expect((await set(client, { consumerGroup: 'none' })).code).toBe(26);
});
