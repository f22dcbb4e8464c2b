import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import type { RunningBroker } from '../../../src/broker/broker.ts';
import type { Command } from '../../../src/remoting/command.ts';
import { decodeConsumerList, getConsumerList } from '../../../src/remoting/requests/get-consumer-list.ts';
import { type ConsumerHeartbeat, encodeHeartbeat, heartbeat } from '../../../src/remoting/requests/heartbeat.ts';
import { decodeLockedQueues, encodeLockBatch } from '../../../src/remoting/requests/lock-batch.ts';
import { unregisterClient } from '../../../src/remoting/requests/unregister-client.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { connectEngine, type EngineClient, startTestEngine } from '../../support/engine-client.ts';

function consumer(groupName: string, ...topics: string[]): ConsumerHeartbeat {
  return { groupName, subscriptions: topics.map((topic) => ({ topic, expression: '*', version: 1 })) };
}

function beat(client: EngineClient, clientId: string, consumers: ConsumerHeartbeat[], producerGroups: string[] = []) {
  return client.invoke(encodeHeartbeat({ clientId, consumers, producerGroups }));
}

function beatWith(client: EngineClient, body: unknown): Promise<Command> {
  const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  return client.invoke(heartbeat.encode({}, bytes));
}

async function idsIn(client: EngineClient, consumerGroup: string): Promise<readonly string[]> {
  const reply = await client.invoke(getConsumerList.encode({ consumerGroup }));
  return reply.code === 0 ? decodeConsumerList(reply, 'engine').toSorted() : [];
}

/** A client, and the requests that the engine sent it. */
async function listen(broker: RunningBroker): Promise<{ client: EngineClient; heard: Command[] }> {
  const heard: Command[] = [];
  const onServerRequest = async (request: Command) => {
    heard.push(request);
    return { code: 0 };
  };
  return { client: await connectEngine(broker.brokerAddress, { onServerRequest }), heard };
}

describe('a heartbeat', () => {
  test('makes the group and the topic of its retries, and puts the client into it', async () => {
    const broker = await startTestEngine();
    const client = await connectEngine(broker.brokerAddress);
    const reply = await beat(client, 'a', [consumer('g', 'T')]);
    expect([reply.code, { ...reply.extFields }]).toEqual([0, {}]);
    expect(broker.engine.groups.get('g')).toMatchObject({ name: 'g' });
    expect(broker.engine.topics.get('%RETRY%g')).toMatchObject({ readQueueCount: 1, writeQueueCount: 1 });
    expect(await idsIn(client, 'g')).toEqual(['a']);
    expect(broker.engine.clients.subscription('g', 'T')).toMatchObject({ expression: '*', expressionType: 'TAG' });
    expect(broker.engine.clients.consumersOf('g')[0]?.version).toBeGreaterThan(400);
  });

  test('takes names as long as Java takes them', async () => {
    const broker = await startTestEngine();
    const client = await connectEngine(broker.brokerAddress);
    const name = 'g'.repeat(255);
    expect((await beat(client, 'c'.repeat(1_024), [consumer(name, `%RETRY%${name}`)])).code).toBe(0);
    expect(broker.engine.topics.get(`%RETRY%${name}`)).toBeDefined();
    expect((await beat(client, 'c', [consumer(`${name}g`)])).code).toBe(29);
  });

  test('with a group that cannot be leaves the client in none that is not there', async () => {
    const broker = await startTestEngine();
    const client = await connectEngine(broker.brokerAddress);
    expect(await beat(client, 'a', [consumer('good'), consumer('not a group')])).toMatchObject({
      code: 29,
      remark: expect.stringContaining('a group has'),
    });
    expect(broker.engine.clients.consumerGroups()).toEqual(['good']);
  });

  test('passes over groups that nobody made, where they are not made by their consumers', async () => {
    const broker = await startTestEngine({ autoCreateGroups: false });
    const client = await connectEngine(broker.brokerAddress);
    expect((await beat(client, 'a', [consumer('g')], ['p'])).code).toBe(0);
    expect([broker.engine.groups.get('g'), await idsIn(client, 'g')]).toEqual([undefined, []]);
    expect(broker.engine.clients.producersOf('p')).toHaveLength(1);
  });

  test('without subscriptions is asked for them, keeps what was said before, and no client is told that it may leave them out', async () => {
    const broker = await startTestEngine();
    const client = await connectEngine(broker.brokerAddress);
    await beat(client, 'a', [consumer('g', 'T')]);
    const set = { clientID: 'a', consumerDataSet: [{ groupName: 'g' }], heartbeatFingerprint: 5 };
    expect({ ...(await beatWith(client, { ...set, withoutSub: true })).extFields }).toEqual({ IS_SUB_CHANGE: 'true' });
    expect(broker.engine.clients.subscription('g', 'T')).toBeDefined();
    expect({ ...(await beatWith(client, { ...set, withoutSub: false })).extFields }).toEqual({});
    expect(broker.engine.clients.subscription('g', 'T')).toBeUndefined();
  });

  test('of a producer has transactions checked that nobody could be asked about', async () => {
    const clock = new VirtualClock();
    const broker = await startTestEngine({ clock });
    const { client, heard } = await listen(broker);
    await client.send('T', 'half', { properties: { TRAN_MSG: 'true', PGROUP: 'p' }, sysFlag: 4 });
    await clock.advance(60_000);
    expect(heard).toEqual([]);
    await beat(client, 'a', [], ['p']);
    await clock.advance(0);
    await vi.waitFor(() => expect(heard.map(({ code }) => code)).toEqual([39]), 20_000);
  });
});

describe('members of a group', () => {
  test('hear of each other, and of an end without a word', async () => {
    const broker = await startTestEngine();
    const [a, b] = [await listen(broker), await listen(broker)];
    await beat(a.client, 'a', [consumer('g')]);
    await beat(b.client, 'b', [consumer('g')]);
    await vi.waitFor(() => expect([a.heard.length, b.heard.length]).toEqual([2, 1]), 20_000);
    expect(a.heard[0]).toMatchObject({ code: 40, flag: 2, extFields: { consumerGroup: 'g' } });
    b.client.channel.close();
    await vi.waitFor(() => expect(a.heard).toHaveLength(3), 20_000);
    expect(await idsIn(a.client, 'g')).toEqual(['a']);
  });

  test('hear nothing where the group says so', async () => {
    const broker = await startTestEngine();
    const { client, heard } = await listen(broker);
    const { groups, state } = broker.engine;
    const group = await groups.getOrCreate('quiet', state);
    await groups.put({ ...group, notifyConsumerIdsChanged: false }, state);
    await beat(client, 'a', [consumer('quiet')]);
    await beat(client, 'a', [consumer('loud')]);
    await vi.waitFor(() => expect(heard).toHaveLength(1), 20_000);
    expect(heard[0]?.extFields).toMatchObject({ consumerGroup: 'loud' });
  });

  test('may be a thousand', async () => {
    const broker = await startTestEngine();
    const all = await Promise.all(Array.from({ length: 1_000 }, () => listen(broker)));
    const replies = await Promise.all(all.map(({ client }, index) => beat(client, `c${index}`, [consumer('g', 'T')])));
    expect(new Set(replies.map(({ code }) => code))).toEqual(new Set([0]));
    const [first] = all;
    if (first === undefined) throw new Error('there are a thousand');
    expect(await idsIn(first.client, 'g')).toEqual(all.map((_, index) => `c${index}`).toSorted());
    await vi.waitFor(() => expect(all.filter(({ heard }) => heard.length === 0)).toEqual([]), 30_000);
    for (const { client } of all.slice(1)) client.channel.close();
    await vi.waitFor(async () => expect(await idsIn(first.client, 'g')).toEqual(['c0']), 30_000);
  }, 120_000);
});

describe('UNREGISTER_CLIENT', () => {
  test('takes the client out of its groups, which frees what it had locked', async () => {
    const broker = await startTestEngine();
    const [a, b] = [await connectEngine(broker.brokerAddress), await connectEngine(broker.brokerAddress)];
    await a.send('T', 'x');
    await beat(a, 'a', [consumer('g', 'T')], ['p']);
    const queues = [{ topic: 'T', brokerName: 'broker-a', queueId: 0 }];
    const lock = async (client: EngineClient, clientId: string) =>
      decodeLockedQueues(await client.invoke(encodeLockBatch({ consumerGroup: 'g', clientId, queues })), 'engine');
    expect(await lock(a, 'a')).toEqual(queues);
    await b.ask(unregisterClient, { clientId: 'a', consumerGroup: 'g', producerGroup: 'p' });
    expect([await idsIn(a, 'g'), broker.engine.clients.producersOf('p').length]).toEqual([['a'], 1]);
    expect(await lock(b, 'b')).toEqual([]);
    await a.ask(unregisterClient, { clientId: 'a', consumerGroup: 'g' });
    expect([await idsIn(a, 'g'), broker.engine.clients.producersOf('p').length]).toEqual([[], 1]);
    expect(await lock(b, 'b')).toEqual(queues);
    await a.ask(unregisterClient, { clientId: 'a', producerGroup: 'p' });
    expect(broker.engine.clients.producersOf('p')).toEqual([]);
  });

  test('is not overtaken by the heartbeat before it, which makes a group', async () => {
    const broker = await startTestEngine();
    const client = await connectEngine(broker.brokerAddress);
    const both = [
      beat(client, 'a', [consumer('g')]),
      client.ask(unregisterClient, { clientId: 'a', consumerGroup: 'g' }),
    ];
    await Promise.all(both);
    expect(await idsIn(client, 'g')).toEqual([]);
  });

  test('leaves the locks of a client whose connection is lost: it may go on for a while', async () => {
    const broker = await startTestEngine();
    const [a, b] = [await connectEngine(broker.brokerAddress), await connectEngine(broker.brokerAddress)];
    await a.send('T', 'x');
    await beat(a, 'a', [consumer('g', 'T')]);
    const queues = [{ topic: 'T', brokerName: 'broker-a', queueId: 0 }];
    await a.invoke(encodeLockBatch({ consumerGroup: 'g', clientId: 'a', queues }));
    a.channel.close();
    await vi.waitFor(async () => expect(await idsIn(b, 'g')).toEqual([]), 20_000);
    const reply = await b.invoke(encodeLockBatch({ consumerGroup: 'g', clientId: 'b', queues }));
    expect(decodeLockedQueues(reply, 'engine')).toEqual([]);
  });
});

test('whatever a body holds, it is answered, and the connection lives', async () => {
  const broker = await startTestEngine();
  const client = await connectEngine(broker.brokerAddress);
  const value = fc.jsonValue({ maxDepth: 3 });
  const group = fc.record({ groupName: value, consumeType: value, messageModel: value, subscriptionDataSet: value });
  const body = fc.oneof(
    fc.string(),
    value.map((any) => JSON.stringify(any)),
    fc
      .record({
        clientID: fc.oneof(fc.string(), value),
        producerDataSet: value,
        consumerDataSet: fc.array(group),
        withoutSub: value,
      })
      .map((any) => JSON.stringify(any)),
  );
  await fc.assert(
    fc.asyncProperty(body, async (text) => {
      expect([0, 29]).toContain((await beatWith(client, text)).code);
    }),
    { numRuns: 500, examples: [['{"__proto__":{"clientID":"x"}}'], ['['.repeat(100_000)], ['{"clientID":"c"']] },
  );
  expect((await beat(client, 'a', [consumer('g')])).code).toBe(0);
  expect(await idsIn(client, 'g')).toEqual(['a']);
});
