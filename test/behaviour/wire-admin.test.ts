import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { isJsonObject, type Json, type JsonObject, readJsonObject } from '../../src/remoting/json.ts';
import { RequestCode } from '../../src/remoting/request-code.ts';
import { getConsumerConnections, getProducerConnections } from '../../src/remoting/requests/client-connections.ts';
import { queryConsumerOffset, updateConsumerOffset } from '../../src/remoting/requests/consumer-offset.ts';
import { getConsumeStats } from '../../src/remoting/requests/get-consume-stats.ts';
import { getSubscriptionGroup } from '../../src/remoting/requests/get-subscription-group.ts';
import { getTopicStats } from '../../src/remoting/requests/get-topic-stats.ts';
import { resetOffset } from '../../src/remoting/requests/reset-offset.ts';
import { sendMessage } from '../../src/remoting/requests/send-message.ts';
import {
  deleteSubscriptionGroup,
  getAllSubscriptionGroups,
  updateSubscriptionGroup,
} from '../../src/remoting/requests/subscription-groups.ts';
import { deleteTopic, getAllTopicConfigs, getTopicConfig } from '../../src/remoting/requests/topic-config.ts';
import { ResponseCode } from '../../src/remoting/response-code.ts';
import { sendFields } from '../support/engine-client.ts';
import { describeOnTarget, differs, startTarget, type Target } from './target.ts';
import { Wire } from './wire.ts';

const {
  SUCCESS,
  SYSTEM_ERROR,
  INVALID_PARAMETER,
  TOPIC_NOT_EXIST,
  CONSUMER_NOT_ONLINE,
  PULL_OFFSET_MOVED,
  NO_PERMISSION,
} = ResponseCode;
const { GET_ROUTEINFO_BY_TOPIC, GET_BROKER_CLUSTER_INFO, GET_ALL_TOPIC_LIST_FROM_NAMESERVER } = RequestCode;
const { GET_BROKER_RUNTIME_INFO } = RequestCode;

/** What a field of a body holds. */
function objectAt(json: JsonObject, name: string): JsonObject {
  const value = json[name];
  if (!isJsonObject(value)) throw new Error(`${name} is no object: ${JSON.stringify(value)}`);
  return value;
}

/** Keys that are objects come as text: what they say, without the order of their fields. */
const keyOf = (key: string): Json => (key.startsWith('{') ? JSON.parse(key) : key);

describeOnTarget('administration on the wire', () => {
  let target: Target;
  let wire: Wire;

  beforeAll(async () => {
    target = await startTarget();
    wire = await Wire.connect(target.brokerAddress);
  });

  afterAll(async () => {
    wire?.close();
    await target?.stop();
  });

  async function topicWith(topic: string, bodies: readonly string[]): Promise<string> {
    await target.createTopic(topic, { queueCount: 1 });
    for (const body of bodies) await wire.send(topic, body);
    await wire.holds(topic, bodies.length);
    return topic;
  }

  /** The reply to UPDATE_AND_CREATE_TOPIC, with all that Java wants in it. */
  const update = (topic: string, changes: Readonly<Record<string, string>> = {}) =>
    target.brokerCall(RequestCode.UPDATE_AND_CREATE_TOPIC, {
      topic,
      defaultTopic: 'TBW102',
      readQueueNums: '2',
      writeQueueNums: '3',
      perm: '6',
      topicFilterType: 'SINGLE_TAG',
      topicSysFlag: '0',
      order: 'false',
      ...changes,
    });

  test('a topic is made, shown, changed and deleted', async () => {
    const topic = 'administered';
    const config = async () => {
      const reply = await wire.invoke(getTopicConfig.encode({ topic }));
      return reply.code === SUCCESS ? readJsonObject(reply.body, 'a topic') : reply.code;
    };
    expect(await config()).toBe(TOPIC_NOT_EXIST);
    expect((await update(topic, { attributes: '+message.type=FIFO' })).code).toBe(SUCCESS);
    expect(await config()).toMatchObject({
      topicName: topic,
      readQueueNums: 2,
      writeQueueNums: 3,
      perm: 6,
      topicFilterType: 'SINGLE_TAG',
      topicSysFlag: 0,
      order: false,
      attributes: { 'message.type': 'FIFO' },
    });
    expect((await update(topic, { readQueueNums: '4', perm: '4' })).code).toBe(SUCCESS);
    expect(await config()).toMatchObject({ readQueueNums: 4, perm: 4, attributes: { 'message.type': 'FIFO' } });
    const toReadOnly = differs('readOnlyTopic', { apache: SUCCESS, embedded: NO_PERMISSION });
    expect(await wire.code(sendMessage, sendFields(topic), Buffer.from('x'))).toBe(toReadOnly);
    const all = readJsonObject((await wire.invoke(getAllTopicConfigs.encode({}))).body, 'topics');
    const table = objectAt(all, 'topicConfigTable');
    expect(table[topic]).toMatchObject({ topicName: topic, readQueueNums: 4 });
    expect(table['TBW102']).toMatchObject({ topicName: 'TBW102', perm: 7 });
    await wire.ask(deleteTopic, { topic });
    expect(await config()).toBe(TOPIC_NOT_EXIST);
  });

  test('a topic that cannot be is refused', async () => {
    const code = async (topic: string, more = {}) => (await update(topic, more)).code;
    for (const illegal of ['a b', 'a.b', 'x'.repeat(128), 'TBW102', 'SCHEDULE_TOPIC_XXXX']) {
      expect(await code(illegal), illegal).toBe(INVALID_PARAMETER);
    }
    expect(await code('bad-type', { attributes: '+message.type=OTHER' })).not.toBe(SUCCESS);
    expect(await wire.code(deleteTopic, { topic: 'SCHEDULE_TOPIC_XXXX' })).toBe(INVALID_PARAMETER);
    expect(await wire.code(getTopicConfig, { topic: 'bad-type' })).toBe(TOPIC_NOT_EXIST);
  });

  test('name server: the route of a topic, the cluster, all topics', async () => {
    await target.createTopic('routed', { queueCount: 3 });
    const body = async (code: number, extFields = {}) => {
      const reply = await target.nameServerCall(code, extFields);
      expect(reply.code).toBe(SUCCESS);
      return readJsonObject(reply.body, 'a reply');
    };
    const route = await body(GET_ROUTEINFO_BY_TOPIC, { topic: 'routed' });
    expect(route).toMatchObject({
      brokerDatas: [
        { brokerName: target.brokerName, cluster: target.clusterName, brokerAddrs: { 0: target.brokerAddress } },
      ],
      queueDatas: [{ brokerName: target.brokerName, readQueueNums: 3, writeQueueNums: 3, perm: 6 }],
    });
    const cluster = await body(GET_BROKER_CLUSTER_INFO);
    expect(cluster).toMatchObject({
      brokerAddrTable: {
        [target.brokerName]: { brokerAddrs: { 0: target.brokerAddress }, cluster: target.clusterName },
      },
      clusterAddrTable: { [target.clusterName]: [target.brokerName] },
    });
    const topics = (await body(GET_ALL_TOPIC_LIST_FROM_NAMESERVER))['topicList'];
    expect(topics).toEqual(expect.arrayContaining(['routed', 'TBW102', target.brokerName, target.clusterName]));
    expect((await target.nameServerCall(GET_ROUTEINFO_BY_TOPIC, { topic: 'never-made' })).code).toBe(TOPIC_NOT_EXIST);
  });

  test('what tools show of a broker', async () => {
    // Apache fails at it until it has counted for a second.
    const reply = await vi.waitUntil(
      async () => {
        const answer = await target.brokerCall(GET_BROKER_RUNTIME_INFO);
        return answer.code === SUCCESS ? answer : undefined;
      },
      { timeout: 20_000, interval: 50 },
    );
    const table = objectAt(readJsonObject(reply.body, 'runtime info'), 'table');
    for (const name of [
      'brokerVersionDesc',
      'bootTimestamp',
      'putTps',
      'getTotalTps',
      'msgPutTotalTodayNow',
      'runtime',
    ]) {
      expect(table[name], name).toEqual(expect.any(String));
    }
  });

  test('a group is made, shown, changed and deleted', async () => {
    const settings = {
      groupName: 'g-administered',
      retryMaxTimes: 3,
      retryQueueNums: 1,
      consumeEnable: true,
      brokerId: 0,
    };
    const update = (changes: object) =>
      wire.code(updateSubscriptionGroup, {}, Buffer.from(JSON.stringify({ ...settings, ...changes })));
    const show = async (group: string) => {
      const reply = await wire.invoke(getSubscriptionGroup.encode({ group }));
      return reply.code === SUCCESS ? readJsonObject(reply.body, 'a group') : reply.code;
    };
    expect(await update({})).toBe(SUCCESS);
    expect(await show('g-administered')).toMatchObject({
      groupName: 'g-administered',
      retryMaxTimes: 3,
      retryQueueNums: 1,
      consumeEnable: true,
      consumeBroadcastEnable: true,
      consumeMessageOrderly: false,
      brokerId: 0,
    });
    expect(await update({ retryMaxTimes: 5 })).toBe(SUCCESS);
    const all = readJsonObject((await wire.invoke(getAllSubscriptionGroups.encode({}))).body, 'groups');
    expect(objectAt(all, 'subscriptionGroupTable')['g-administered']).toMatchObject({ retryMaxTimes: 5 });
    await wire.ask(deleteSubscriptionGroup, { groupName: 'g-administered' });
    // It is made anew by who asks for it.
    expect(await show('g-administered')).toMatchObject({ retryMaxTimes: 16 });
  });

  test('a group that is switched off gets nothing', async () => {
    const topic = await topicWith('switched-off', ['0']);
    const settings = { groupName: 'g-off', consumeEnable: false, retryQueueNums: 1, retryMaxTimes: 16, brokerId: 0 };
    await wire.ask(updateSubscriptionGroup, {}, Buffer.from(JSON.stringify(settings)));
    await expect(wire.pull(topic, { group: 'g-off' })).rejects.toMatchObject({ code: NO_PERMISSION });
    expect((await wire.pop(topic, 'g-off')).code).toBe(NO_PERMISSION);
  });

  test('statistics: what a topic holds, and how far a group is', async () => {
    const topic = await topicWith('measured', ['0', '1', '2']);
    const queue = { topic, brokerName: target.brokerName, queueId: 0 };
    const tableOf = (json: JsonObject) => {
      const [entry, ...more] = Object.entries(objectAt(json, 'offsetTable'));
      return [entry === undefined ? undefined : [keyOf(entry[0]), entry[1]], more.length];
    };
    const stats = await wire.invoke(getTopicStats.encode({ topic }));
    const [last] = (await wire.pull(topic, { offset: 2 })).messages;
    const held = { minOffset: 0, maxOffset: 3, lastUpdateTimestamp: last?.storeTimestampMs };
    expect(tableOf(readJsonObject(stats.body, 'stats'))).toEqual([[queue, expect.objectContaining(held)], 0]);
    expect(await wire.code(getTopicStats, { topic: 'never-made' })).toBe(TOPIC_NOT_EXIST);
    const subscriptions = [{ topic, expression: '*', version: 1 }];
    await wire.heartbeat({ clientId: 'measured', consumers: [{ groupName: 'g-measured', subscriptions }] });
    await wire.ask(updateConsumerOffset, { consumerGroup: 'g-measured', topic, queueId: 0, commitOffset: 2n });
    const consumed = await wire.invoke(getConsumeStats.encode({ consumerGroup: 'g-measured', topic }));
    const progress = { brokerOffset: 3, consumerOffset: 2 };
    expect(tableOf(readJsonObject(consumed.body, 'stats'))).toEqual([[queue, expect.objectContaining(progress)], 0]);
  });

  test('who is connected', async () => {
    const topic = await topicWith('connected', []);
    const client = await Wire.connect(target.brokerAddress);
    onTestFinished(() => client.close());
    const subscriptions = [{ topic, expression: 'a||b', version: 1 }];
    await client.heartbeat({
      clientId: 'connected-client',
      producerGroups: ['p-connected'],
      consumers: [{ groupName: 'g-connected', subscriptions }],
    });
    const consumers = await wire.invoke(getConsumerConnections.encode({ consumerGroup: 'g-connected' }));
    const found = readJsonObject(consumers.body, 'connections');
    expect(found).toMatchObject({
      connectionSet: [{ clientId: 'connected-client', clientAddr: expect.stringMatching(/^127\.0\.0\.1:\d+$/) }],
      consumeType: 'CONSUME_POP',
      messageModel: 'CLUSTERING',
    });
    expect(objectAt(objectAt(found, 'subscriptionTable'), topic)).toMatchObject({ topic, subString: 'a||b' });
    const producers = await wire.invoke(getProducerConnections.encode({ producerGroup: 'p-connected' }));
    expect(readJsonObject(producers.body, 'connections')).toMatchObject({
      connectionSet: [{ clientId: 'connected-client' }],
    });
    expect(await wire.code(getConsumerConnections, { consumerGroup: 'g-none' })).toBe(CONSUMER_NOT_ONLINE);
    expect(await wire.code(getProducerConnections, { producerGroup: 'p-none' })).toBe(SYSTEM_ERROR);
  });

  test('a group is moved: its next pull is told where to go on', async () => {
    const topic = await topicWith('reset', ['0', '1', '2']);
    const group = 'g-reset';
    await wire.heartbeat({
      clientId: 'reset',
      consumers: [{ groupName: group, subscriptions: [{ topic, expression: '*', version: 1 }] }],
    });
    const queue = { consumerGroup: group, topic, queueId: 0 };
    await wire.ask(updateConsumerOffset, { ...queue, commitOffset: 3n });
    const reply = await wire.invoke(resetOffset.encode({ topic, group, timestamp: 0n }));
    expect(reply.code).toBe(SUCCESS);
    expect(Object.values(objectAt(readJsonObject(reply.body, 'offsets'), 'offsetTable'))).toEqual([0]);
    // What the consumer commits before it knows does not count.
    await wire.code(updateConsumerOffset, { ...queue, commitOffset: 3n });
    const moved = await wire.pull(topic, { group, offset: 3 });
    expect(moved).toMatchObject({ code: PULL_OFFSET_MOVED, nextBeginOffset: 0 });
    expect((await wire.pull(topic, { group, offset: 0 })).bodies).toEqual(['0', '1', '2']);
    await wire.ask(updateConsumerOffset, { ...queue, commitOffset: 1n });
    expect(await wire.ask(queryConsumerOffset, queue)).toEqual({ offset: 1n });
  });

  test('a topic that is deleted and made again begins anew', async () => {
    const topic = await topicWith('again', ['old']);
    await wire.ask(deleteTopic, { topic });
    await target.createTopic(topic, { queueCount: 1 });
    await wire.send(topic, 'new');
    await wire.holds(topic, 1);
    expect((await wire.pull(topic)).bodies).toEqual(['new']);
  });
});
