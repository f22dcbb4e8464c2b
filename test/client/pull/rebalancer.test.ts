import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { RunningBroker } from '../../../src/broker/broker.ts';
import { type AllocationStrategy, averageAllocation } from '../../../src/client/pull/allocation.ts';
import { queueLocksDefaults } from '../../../src/client/pull/queue-locks.ts';
import { Rebalancer } from '../../../src/client/pull/rebalancer.ts';
import type { Answer } from '../../../src/remoting/command.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { consumerListAnswer } from '../../../src/remoting/requests/get-consumer-list.ts';
import { decodeLockedQueues, encodeLockBatch, lockedQueuesAnswer } from '../../../src/remoting/requests/lock-batch.ts';
import { updateTopic } from '../../../src/remoting/requests/topic-config.ts';
import { connectEngine, type EngineClient, startTestEngine } from '../../support/engine-client.ts';
import { everythingOf, type GroupMember, GroupMembers } from '../../support/group-members.ts';
import { deferred } from '../../support/scripted-peer.ts';

function keys(topic: string, from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, index) => `${topic} broker-a ${from + index}`).sort();
}

function makeTopic(client: EngineClient, topic: string, queueCount: number): Promise<unknown> {
  const counts = { readQueueCount: queueCount, writeQueueCount: queueCount };
  return client.ask(updateTopic, { topic, permission: 6, ...counts });
}

describe('the members of a group', () => {
  let engine: RunningBroker;
  let client: EngineClient;
  let members: GroupMembers;

  beforeEach(async () => {
    engine = await startTestEngine();
    client = await connectEngine(engine.brokerAddress);
    members = new GroupMembers(engine.nameServer);
    // After the engine in the other order: what is closed last was started first.
    onTestFinished(() => members.stop());
    await makeTopic(client, 'orders', 8);
  });

  async function joined(clientId: string): Promise<GroupMember> {
    const member = members.start({ clientId });
    member.rebalancer.subscribe(everythingOf('orders'));
    await members.until(() => member.queues.length > 0);
    return member;
  }

  test('one takes all queues of what it reads, and of its retry topic', async () => {
    const member = members.start({ clientId: 'c1' });
    await makeTopic(client, 'bills', 2);
    member.rebalancer.subscribe(everythingOf('orders'));
    member.rebalancer.subscribe(everythingOf('bills'));
    await members.until(() => member.rebalancer.queues.length === 11);
    expect(member.queues).toEqual([...keys('bills', 0, 2), ...keys('orders', 0, 8)]);
    expect(member.rebalancer.queues.find(({ queueId, topic }) => queueId === 0 && topic.startsWith('%'))?.topic).toBe(
      '%RETRY%readers',
    );
    expect(member.log.troubles).toEqual([]);
  });

  test('share the queues as they come, and take those of one that leaves within a second', async () => {
    const one = await joined('c1');
    const two = await joined('c2');
    const three = await joined('c3');
    const counts = () => [one, two, three].map(({ queues }) => queues.length);
    await members.until(() => counts().toString() === '3,3,2');
    expect([...one.queues, ...two.queues, ...three.queues]).toEqual(keys('orders', 0, 8));
    const leftMs = performance.now();
    await two.rebalancer.close();
    expect(two.history.filter((entry) => entry.startsWith('-'))).toHaveLength(
      two.history.filter((entry) => entry.startsWith('+')).length,
    );
    await members.until(() => counts().toString() === '4,0,4');
    expect([...one.queues, ...three.queues]).toEqual(keys('orders', 0, 8));
    expect(performance.now() - leftMs).toBeLessThan(1_500);
  });

  test('take the queues of one that is killed', async () => {
    const one = await joined('c1');
    const two = await joined('c2');
    await members.until(() => one.queues.length === 4);
    two.kill();
    await members.until(() => one.queues.length === 8);
  });

  test('each have all queues of a broadcast, and no retry topic', async () => {
    const messageModel = 'BROADCASTING';
    const [one, two] = ['c1', 'c2'].map((clientId) => members.start({ clientId, messageModel, orderly: true }));
    for (const member of [one, two]) member?.rebalancer.subscribe(everythingOf('orders'));
    await members.until(() => one?.queues.length === 8 && two?.queues.length === 8);
    expect(one?.rebalancer.queues).toHaveLength(8);
  });

  test('who drives its pulls itself reads no retry topic', async () => {
    const one = members.start({ clientId: 'c1', consumeType: 'CONSUME_ACTIVELY' });
    one.rebalancer.subscribe(everythingOf('orders'));
    await members.until(() => one.queues.length === 8);
    expect(await topicsByGroup()).toEqual({ readers: ['orders'] });
  });

  test('follow the queue count of a topic, as soon as the route tells', async () => {
    const one = await joined('c1');
    await makeTopic(client, 'orders', 10);
    await one.routes.refresh();
    await members.until(() => one.queues.length === 10);
    await makeTopic(client, 'orders', 3);
    await one.routes.refresh();
    await members.until(() => one.queues.length === 3);
    expect(one.queues).toEqual(keys('orders', 0, 3));
  });

  test('a topic that is made later is read from then on, and left again', async () => {
    const one = await joined('c1');
    one.rebalancer.subscribe(everythingOf('bills'));
    await one.rebalancer.rebalance();
    expect(one.queues).toHaveLength(8);
    await makeTopic(client, 'bills', 2);
    await members.until(() => one.queues.length === 10);
    await one.rebalancer.unsubscribe('bills');
    await one.rebalancer.unsubscribe('bills');
    expect(one.queues).toEqual(keys('orders', 0, 8));
    expect(one.history.slice(-2).toSorted()).toEqual(['-bills broker-a 0', '-bills broker-a 1']);
    const { readers } = await topicsByGroup();
    expect(readers).toEqual(['%RETRY%readers', 'orders']);
  });

  /** What the engine has heard of groups. */
  async function topicsByGroup(): Promise<Record<string, string[]>> {
    const { clients } = engine.engine;
    const topics = (group: string) => [...(clients.groupInfo(group)?.subscriptions.keys() ?? [])].sort();
    return Object.fromEntries(clients.consumerGroups().map((group) => [group, topics(group)]));
  }

  test('a queue is not taken again while it is still being given', async () => {
    const held = deferred<void>();
    const one = members.start({ clientId: 'c1', onGiven: () => held.promise });
    one.rebalancer.subscribe(everythingOf('orders'));
    await members.until(() => one.queues.length === 8);
    const unsubscribed = one.rebalancer.unsubscribe('orders');
    one.rebalancer.subscribe(everythingOf('orders'));
    await one.rebalancer.rebalance();
    expect(one.queues).toEqual([]);
    held.resolve();
    await unsubscribed;
    await members.until(() => one.queues.length === 8);
  });

  test('locked queues change hands when their reader is done with them, and are never at two', async () => {
    const done = deferred<void>();
    const one = members.start({ clientId: 'c1', orderly: true, onGiven: () => done.promise });
    one.rebalancer.subscribe(everythingOf('orders'));
    await members.until(() => one.queues.length === 8);
    const other = members.start({ clientId: 'c2', orderly: true });
    other.rebalancer.subscribe(everythingOf('orders'));
    // One is told, and drops half; the other may not have it before it is read no more.
    await expect.poll(() => one.queues.length).toBe(4);
    await other.rebalancer.rebalance();
    expect(other.queues).toEqual([]);
    done.resolve();
    await members.until(() => other.queues.length === 4);
    expect([...one.queues, ...other.queues].sort()).toEqual(keys('orders', 0, 8));
    // What one still has nobody else can lock; what it gives is free at once.
    const lock = encodeLockBatch({ consumerGroup: 'readers', clientId: 'c3', queues: one.rebalancer.queues });
    const locked = async () => decodeLockedQueues(await client.invoke(lock), engine.brokerAddress).length;
    expect(await locked()).toBe(0);
    await one.rebalancer.close();
    expect(await locked()).toBeGreaterThan(0);
  });

  test('one that closes gives all, leaves the group at the broker, and takes part no more', async () => {
    const one = await joined('c1');
    const closed = one.rebalancer.close();
    expect(one.rebalancer.close()).toBe(closed);
    await closed;
    expect(one.rebalancer.queues).toEqual([]);
    expect(await topicsByGroup()).toEqual({});
    await one.rebalancer.rebalance();
    one.rebalancer.membersChanged();
    expect(one.rebalancer.queues).toEqual([]);
    expect(() => one.rebalancer.subscribe(everythingOf('orders'))).toThrow(expect.objectContaining({ kind: 'closed' }));
  });

  test("a reader that fails to start or to end well stands in nobody's way", async () => {
    const fail = (): never => {
      throw new Error('no reader');
    };
    const one = members.start({ clientId: 'c1', onTaken: fail, onGiven: async () => fail() });
    one.rebalancer.subscribe(everythingOf('orders'));
    await one.rebalancer.rebalance();
    expect(one.queues).toHaveLength(8);
    await one.rebalancer.close();
    expect(new Set(one.log.troubles)).toEqual(
      new Set([
        'a queue was taken, and its reader failed to start',
        'a queue was given, and its reader failed to end well',
      ]),
    );
  });
});

describe('a member of a group', () => {
  /** What the engine answers to requests of a code, instead of what it would. */
  const answers = new Map<number, () => Answer>();
  let members: GroupMembers;
  let one: GroupMember;

  beforeEach(async () => {
    answers.clear();
    const engine = await startTestEngine({
      intercept: async (request, proceed) => answers.get(request.code)?.() ?? proceed(),
    });
    await makeTopic(await connectEngine(engine.brokerAddress), 'orders', 4);
    members = new GroupMembers(engine.nameServer);
    onTestFinished(() => members.stop());
    const locks = { ...queueLocksDefaults, renewAgeMs: 20, checkIntervalMs: 5 };
    one = members.start({ clientId: 'c1', orderly: true, locks });
    one.rebalancer.subscribe(everythingOf('orders'));
    await members.until(() => one.queues.length === 4);
  });

  test.each([
    ['is empty', consumerListAnswer([])],
    ['lacks it', consumerListAnswer(['c0', 'c2'])],
    ['is refused', { code: 1, remark: 'no consumer for this group' }],
    ['makes no sense', { code: 0, body: Buffer.from('?') }],
  ])('keeps what it has while the list of members %s', async (_, answer) => {
    const before = [...one.history];
    answers.set(RequestCode.GET_CONSUMER_LIST_BY_GROUP, () => answer);
    await one.rebalancer.rebalance();
    expect(one.history).toEqual(before);
    expect(one.queues).toHaveLength(4);
  });

  test('drops a queue whose lock is lost, and takes it again when it is granted again', async () => {
    answers.set(RequestCode.LOCK_BATCH_MQ, () => lockedQueuesAnswer([]));
    await members.until(() => one.queues.length === 0);
    expect(new Set(one.log.troubles)).toEqual(
      new Set(['the lock of a queue is lost: it is not read here until it is locked again']),
    );
    answers.delete(RequestCode.LOCK_BATCH_MQ);
    await members.until(() => one.queues.length === 4);
  });

  test('keeps what it has while its strategy fails, says so once, and goes on when it works again', async () => {
    let isBroken = false;
    const allocate: AllocationStrategy['allocate'] = (request) => {
      if (isBroken) throw new Error('nowhere');
      return averageAllocation.allocate(request);
    };
    const two = members.start({ clientId: 'c2', group: 'others', strategy: { name: 'OURS', allocate } });
    two.rebalancer.subscribe({ topic: 'orders', expression: '*', version: 1 });
    await members.until(() => two.queues.length === 4);
    isBroken = true;
    await two.rebalancer.rebalance();
    await two.rebalancer.rebalance();
    expect(two.queues).toHaveLength(4);
    const trouble = 'the queues of a topic could not be shared out; trying again until it works';
    // Once for the topic, once for the retry topic.
    expect(two.log.troubles).toEqual([trouble, trouble]);
    isBroken = false;
    await two.rebalancer.rebalance();
    isBroken = true;
    await two.rebalancer.rebalance();
    expect(two.log.troubles).toHaveLength(4);
  });

  test('may not be twice in one client', async () => {
    const twin = new Rebalancer(one.cluster, one.log, one.options);
    expect(() => twin.subscribe(everythingOf('orders'))).toThrow(expect.objectContaining({ kind: 'invalid' }));
    await one.rebalancer.close();
    twin.subscribe(everythingOf('orders'));
    await twin.close();
  });
});
