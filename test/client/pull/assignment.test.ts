import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Route } from '../../../src/client/cluster/route.ts';
import { averageAllocation } from '../../../src/client/pull/allocation.ts';
import { assignedQueues } from '../../../src/client/pull/assignment.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import type { MessageModel } from '../../../src/remoting/requests/heartbeat.ts';
import { everythingOf, type GroupMember, GroupMembers } from '../../support/group-members.ts';
import { brokerNames, type ScriptedCluster, startScriptedCluster } from '../../support/scripted-cluster.ts';

const { GET_CONSUMER_LIST_BY_GROUP, HEART_BEAT } = RequestCode;

describe('the queues that a member is assigned', () => {
  let cluster: ScriptedCluster;
  let members: GroupMembers;
  let member: GroupMember;
  let route: Route;

  beforeEach(async () => {
    cluster = await startScriptedCluster(2);
    members = new GroupMembers(cluster.nameServer.address);
    member = members.start({ clientId: 'me' });
    const membership = { ...member.options, subscription: everythingOf('topic') };
    member.cluster.heartbeats.join(membership);
    route = {
      topic: 'topic',
      writeQueues: [],
      readQueueCounts: new Map(brokerNames.slice(0, 2).map((name) => [name, 2])),
      masters: new Map(cluster.brokers.map(({ address }, index) => [brokerNames[index] ?? '', address])),
      autoCreated: false,
    };
    for (const broker of cluster.brokers) broker.on(GET_CONSUMER_LIST_BY_GROUP, () => listOf('you', 'me'));
  });

  afterEach(async () => {
    await members.stop();
    await cluster.stop();
  });

  const listOf = (...clientIds: string[]) => ({ body: Buffer.from(JSON.stringify({ consumerIdList: clientIds })) });

  async function assigned(messageModel: MessageModel = 'CLUSTERING', deadline = Deadline.after(10_000)) {
    const { log } = member;
    const parts = { cluster: member.cluster, log, group: 'readers', messageModel, strategy: averageAllocation };
    const queues = await assignedQueues(parts, route, deadline);
    return queues?.map(({ brokerName, queueId }) => `${brokerName} ${queueId}`);
  }

  test('follow from the members that the first broker names, after all brokers have heard of this one', async () => {
    expect(await assigned()).toEqual(['broker-a 0', 'broker-a 1']);
    const [first, second] = cluster.brokers;
    const { code } = (await first?.request(HEART_BEAT)) ?? {};
    expect(code).toBe(HEART_BEAT);
    const own = first?.received.map((request) => request.code) ?? [];
    expect(own.indexOf(HEART_BEAT)).toBeLessThan(own.indexOf(GET_CONSUMER_LIST_BY_GROUP));
    await second?.request(HEART_BEAT);
    expect(second?.requests(GET_CONSUMER_LIST_BY_GROUP)).toEqual([]);
  });

  test.each([
    ['refuses', () => ({ code: 1 })],
    ['answers nonsense', () => ({ body: Buffer.from('{"consumerIdList":1}') })],
    ['does not answer', () => undefined],
  ])('follow from the second broker where the first %s', async (_, answer) => {
    cluster.broker.on(GET_CONSUMER_LIST_BY_GROUP, answer);
    cluster.brokers[1]?.on(GET_CONSUMER_LIST_BY_GROUP, () => listOf('me'));
    expect(await assigned()).toHaveLength(4);
  });

  test('follow from the second broker where the first cannot be reached', async () => {
    await cluster.broker.stop();
    expect(await assigned()).toHaveLength(2);
  });

  test('are not known where no broker tells, or the list lacks this member', async () => {
    cluster.broker.on(GET_CONSUMER_LIST_BY_GROUP, () => listOf('you'));
    expect(await assigned()).toBeUndefined();
    for (const broker of cluster.brokers) broker.on(GET_CONSUMER_LIST_BY_GROUP, () => ({ code: 1 }));
    expect(await assigned()).toBeUndefined();
  });

  test('are not waited for once nobody wants them any more', async () => {
    const caller = new AbortController();
    cluster.broker.on(GET_CONSUMER_LIST_BY_GROUP, () => {
      caller.abort();
      return undefined;
    });
    expect(await assigned('CLUSTERING', Deadline.after(10_000, caller.signal))).toBeUndefined();
    expect(cluster.brokers[1]?.requests(GET_CONSUMER_LIST_BY_GROUP)).toEqual([]);
  });

  test('are all queues in a broadcast, whoever else is there', async () => {
    expect(await assigned('BROADCASTING')).toEqual(['broker-a 0', 'broker-a 1', 'broker-b 0', 'broker-b 1']);
    for (const broker of cluster.brokers) await broker.request(HEART_BEAT);
    expect(cluster.broker.requests(GET_CONSUMER_LIST_BY_GROUP)).toEqual([]);
  });

  test('are none where there is nothing to read', async () => {
    route = { ...route, readQueueCounts: new Map() };
    expect(await assigned()).toEqual([]);
  });
});
