import { describe, expect, test } from 'vitest';
import type { BrokerOptions } from '../../../src/broker/options.ts';
import { readJson, readJsonObject } from '../../../src/remoting/json.ts';
import { getSubscriptionGroup } from '../../../src/remoting/requests/get-subscription-group.ts';
import { encodeHeartbeat } from '../../../src/remoting/requests/heartbeat.ts';
import {
  deleteSubscriptionGroup,
  getAllSubscriptionGroups,
  updateSubscriptionGroup,
  updateSubscriptionGroups,
} from '../../../src/remoting/requests/subscription-groups.ts';
import { getGroupsOfTopic, getTopicsOfGroup } from '../../../src/remoting/requests/topic-lists.ts';
import { capturedCommand } from '../../support/captured-command.ts';
import { connectEngine, startTestEngine } from '../../support/engine-client.ts';

async function start(options: Partial<BrokerOptions> = {}) {
  const broker = await startTestEngine(options);
  return { broker, engine: broker.engine, client: await connectEngine(broker.brokerAddress) };
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

/** As a real broker 5.5.0 tells of a new group. */
const fresh = readJsonObject(capturedCommand('subscription-group-5.5.0').body, 'a group');

describe('a group', () => {
  test('is made when it is asked for, and told as Java tells it', async () => {
    const { client, engine } = await start();
    const reply = await client.invoke(getSubscriptionGroup.encode({ group: 'GID_fixture' }));
    expect(readJson(reply.body)).toEqual(fresh);
    expect(engine.groups.get('GID_fixture')?.name).toBe('GID_fixture');
  });

  test('is not made where groups have to be made before', async () => {
    const { client } = await start({ autoCreateGroups: false });
    expect((await client.invoke(getSubscriptionGroup.encode({ group: 'g' }))).code).toBe(26);
  });

  test('keeps the settings that it is given', async () => {
    const { client } = await start();
    const settings = {
      groupName: 'GID_fixture',
      consumeEnable: false,
      consumeFromMinEnable: false,
      consumeBroadcastEnable: false,
      consumeMessageOrderly: true,
      notifyConsumerIdsChangedEnable: false,
      retryMaxTimes: 3,
      retryQueueNums: 2,
    };
    expect((await client.invoke(updateSubscriptionGroup.encode({}, json(settings)))).code).toBe(0);
    const told = await client.invoke(getSubscriptionGroup.encode({ group: 'GID_fixture' }));
    expect(readJson(told.body)).toEqual({ ...fresh, ...settings });
  });

  test.each([
    ['', 'not JSON'],
    ['{}', 'groupName'],
    ['{"groupName":"no good"}', 'letters'],
    ['{"groupName":"g","retryMaxTimes":-2}', 'retryMaxTimes'],
    ['{"groupName":"g","retryQueueNums":"1"}', 'retryQueueNums'],
    ['{"groupName":"g","attributes":{"+any":"thing"}}', 'any'],
  ])('is refused as %j', async (body, named) => {
    const { client, engine } = await start();
    const reply = await client.invoke(updateSubscriptionGroup.encode({}, Buffer.from(body)));
    expect([reply.code, reply.remark]).toEqual([29, expect.stringMatching(new RegExp(named, 'i'))]);
    expect([...engine.groups.all()]).toEqual([]);
  });
});

test('many groups are made at once, up to one that cannot be, and told with their number', async () => {
  const { client } = await start();
  const body = json({ groupConfigList: ['a', 'b', 'no good', 'c'].map((groupName) => ({ groupName })) });
  expect((await client.invoke(updateSubscriptionGroups.encode({}, body))).code).toBe(29);
  const reply = await client.invoke(getAllSubscriptionGroups.encode({}));
  expect(getAllSubscriptionGroups.decodeReply(reply, 'h:1')).toEqual({ groupCount: 2 });
  expect(readJson(reply.body)).toMatchObject({
    dataVersion: { counter: 1 },
    forbiddenTable: {},
    subscriptionGroupTable: { a: { groupName: 'a' }, b: { ...fresh, groupName: 'b' } },
  });
});

describe('to delete a group', () => {
  test.each([
    [{}, 7],
    [{ cleanOffset: true }, undefined],
    [{ removeOffset: true }, undefined],
    [{ cleanOffset: false, removeOffset: false }, 7],
  ])('with %j leaves the offset %s', async (more, offset) => {
    const { client, engine } = await start();
    const { groups, offsets, pops, state } = engine;
    await groups.getOrCreate('g', state);
    const queue = { group: 'g', topic: 'T', queueId: 0 };
    await offsets.set(queue, 7, state);
    await offsets.set({ ...queue, group: 'other' }, 8, state);
    const popped = { popTimeMs: 1, visibleAtMs: Date.now() + 60_000, invisibleDurationMs: 60_000 };
    await pops.pop(queue, { ...popped, offsets: [6], reconsumeTimes: [0], attemptId: '' });
    expect((await client.invoke(deleteSubscriptionGroup.encode({ groupName: 'g', ...more }))).code).toBe(0);
    expect(groups.get('g')).toBeUndefined();
    expect([offsets.get(queue), offsets.get({ ...queue, group: 'other' })]).toEqual([offset, 8]);
    expect(pops.inFlightCount('g', 'T')).toBe(offset === undefined ? 0 : 1);
  });

  test('that is not there is no error', async () => {
    const { client } = await start();
    expect((await client.invoke(deleteSubscriptionGroup.encode({ groupName: 'g' }))).code).toBe(0);
  });
});

test('who consumes a topic: whoever reads it, or has read it', async () => {
  const { broker, client, engine } = await start();
  await engine.offsets.set({ group: 'was-there', topic: 'T', queueId: 0 }, 7, engine.state);
  const subscriptions = [{ topic: 'T', expression: '*', version: 1 }];
  const consumers = ['is-there', 'was-there'].map((groupName) => ({ groupName, subscriptions }));
  await client.invoke(encodeHeartbeat({ clientId: 'c', producerGroups: [], consumers: consumers.slice(0, 1) }));
  const groups = await client.invoke(getGroupsOfTopic.encode({ topic: 'T' }));
  expect(readJson(groups.body)).toEqual({ groupList: ['is-there', 'was-there'] });
  const topics = await client.invoke(getTopicsOfGroup.encode({ group: 'was-there' }));
  expect(readJson(topics.body)).toEqual({ brokerAddr: broker.brokerAddress, topicList: ['T'] });
});
