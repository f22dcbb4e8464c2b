import { create } from '@bufbuild/protobuf';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  GetConsumerLagRequestSchema,
  ListConsumersRequestSchema,
  ListProducersRequestSchema,
} from '../../../src/gen/rocketmq/rocketmq_pb.ts';
import { anyone, Caller } from '../../../src/proxy/access/caller.ts';
import { createListingHandlers, type ListingHandlers, listedIdCharsMax } from '../../../src/proxy/session/listings.ts';
import { listedMax } from '../../../src/proxy/session/sessions.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { encodeTopicStats } from '../../../src/remoting/requests/get-topic-stats.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { type ProxyParts, patientCall, proxyParts, refusalOf } from '../../support/proxy-parts.ts';
import { routesScript, type ScriptedCluster, ScriptedPop } from '../../support/scripted-cluster.ts';
import { startTestCluster } from '../../support/started-proxy.ts';

const everything = { publish: ['*'], subscribe: ['*'], groups: ['*'] };

describe('listings', () => {
  let cluster: ScriptedCluster;
  let parts: ProxyParts;
  let handlers: ListingHandlers;

  beforeEach(async () => {
    ({ cluster } = await startTestCluster());
    parts = proxyParts(cluster);
    handlers = createListingHandlers(parts.targets, parts.engines, parts.sessions);
  });

  const fields = (change: object = {}) => ({
    ...{ endpoint: cluster.nameServer.address, accessKeyId: '', accessKeySecret: '', owner: '', topic: 'topic' },
    ...change,
  });
  const addProducer = (change?: object): string => parts.sessions.createProducer(fields(change));
  const addConsumer = (change?: object): string =>
    parts.sessions.register(parts.sessions.prepareConsumer({ group: 'g', tagExpression: '*', ...fields(change) }));

  const producers = async (topic = '', caller = anyone) =>
    (await handlers.listProducers(create(ListProducersRequestSchema, { topic }), { ...patientCall(), caller }))
      .producers;
  const consumers = async (groupId = '', topic = '', caller = anyone) =>
    (
      await handlers.listConsumers(create(ListConsumersRequestSchema, { groupId, topic }), {
        ...patientCall(),
        caller,
      })
    ).consumers;

  describe('of producers', () => {
    it('are of all, or of a topic by its name with or without namespace, which is not shown', async () => {
      const ids = [addProducer(), addProducer({ topic: 'MQ_INST_1%topic' }), addProducer({ topic: 'other' })];
      const idsOf = async (topic?: string) => (await producers(topic))?.map(({ producerId }) => producerId).toSorted();
      expect(await idsOf()).toEqual(ids.toSorted());
      expect(await idsOf('topic')).toEqual(ids.slice(0, 2).toSorted());
      expect(await idsOf('MQ_INST_1%topic')).toEqual([ids[1]]);
      expect(await idsOf('x'.repeat(1_000_000))).toEqual([]);
      expect((await producers('MQ_INST_1%topic'))?.[0]?.topic).toBe('topic');
    });

    it('say when each was made and when it was used', async () => {
      const startedMs = BigInt(Date.now());
      const id = addProducer();
      const [made] = (await producers()) ?? [];
      expect(made?.createdTimestamp).toBeGreaterThanOrEqual(startedMs);
      expect(made?.lastUsedTimestamp).toBeGreaterThanOrEqual(made?.createdTimestamp ?? 0n);
      while (BigInt(Date.now()) <= (made?.lastUsedTimestamp ?? 0n) + 1n) await Deadline.after(10_000).sleep(1);
      parts.sessions.producer(id, anyone);
      const [used] = (await producers()) ?? [];
      expect(used?.createdTimestamp).toBe(made?.createdTimestamp);
      expect(used?.lastUsedTimestamp).toBeGreaterThan(made?.lastUsedTimestamp ?? 0n);
    });

    it('are at most so many, and so long', async () => {
      for (let count = 0; count < listedMax + 1; count += 1) addProducer();
      const all = await handlers.listProducers(create(ListProducersRequestSchema), patientCall());
      expect(all.producers).toHaveLength(listedMax);
      expect(all.message).toBe(`${listedMax} of ${listedMax + 1} producers`);
      for (let count = 0; count < 300; count += 1) addProducer({ topic: 'long', endpoint: 'x'.repeat(12_000) });
      const long = (await producers('long')) ?? [];
      const charCount = long.reduce((sum, { producerId = '' }) => sum + producerId.length, 0);
      expect(charCount).toBeLessThanOrEqual(listedIdCharsMax);
      expect(charCount).toBeGreaterThan(listedIdCharsMax - 20_000);
    });
  });

  it('of consumers say what each has under way', async () => {
    const pop = new ScriptedPop(cluster.broker);
    const id = addConsumer();
    const { consumer } = await parts.sessions.consumer(id, anyone).open(Deadline.after(10_000));
    const stream = consumer.stream({ messagesMax: 10, signal: new AbortController().signal });
    pop.arriveOffsets(1);
    await stream.next();
    addConsumer({ group: 'MQ_INST_1%h', topic: 'MQ_INST_1%topic' });
    const counts = { streamCount: 1, inFlightCount: 1 };
    expect(await consumers('g')).toMatchObject([{ consumerId: id, topic: 'topic', groupId: 'g', ...counts }]);
    const idle = { topic: 'topic', groupId: 'h', streamCount: 0, inFlightCount: 0 };
    expect(await consumers('h', 'topic')).toMatchObject([idle]);
    expect(await consumers('', 'topic')).toHaveLength(2);
    expect(await consumers('g', 'other')).toEqual([]);
    await stream.return();
  });

  it('are of their caller, and end with what a clean-up ends', async () => {
    const [one, two] = [new Caller('one', everything), new Caller('two', everything)];
    const ids = [addConsumer({ owner: 'one' }), addConsumer({ owner: 'two' })];
    const producer = addProducer({ owner: 'one' });
    expect(await consumers('', '', one)).toMatchObject([{ consumerId: ids[0] }]);
    expect(await consumers('', '', two)).toMatchObject([{ consumerId: ids[1] }]);
    expect([await consumers(), await producers('', two)]).toEqual([[], []]);
    expect(await producers('', one)).toMatchObject([{ producerId: producer }]);
    parts.sessions.cleanUpConsumers('g', undefined, one);
    parts.sessions.cleanUpProducer(producer, one);
    expect([await consumers('', '', one), await producers('', one)]).toEqual([[], []]);
  });

  it('show no id to others that stands for its maker’s access keys', async () => {
    const keys = { accessKeyId: 'id', accessKeySecret: 'secret' };
    addConsumer(keys);
    addProducer(keys);
    expect(await consumers()).toMatchObject([{ consumerId: '', groupId: 'g' }]);
    expect(await producers()).toMatchObject([{ producerId: '', topic: 'topic' }]);
    const id = addProducer({ ...keys, owner: 'one' });
    expect(await producers('', new Caller('one', everything))).toMatchObject([{ producerId: id }]);
  });

  describe('of the lag of a group', () => {
    const wanted = { topic: 'topic', groupId: 'g' };
    const lag = (change: object = {}, call = patientCall()) =>
      handlers.getConsumerLag(create(GetConsumerLagRequestSchema, { ...wanted, ...change }), call);

    /** The only broker has one queue of each topic with three messages, and nobody is connected. */
    function fill(...topics: readonly string[]): void {
      cluster.broker
        .on(RequestCode.GET_TOPIC_STATS_INFO, ({ extFields: { topic = '' } }) => {
          if (!topics.includes(topic)) return { code: ResponseCode.TOPIC_NOT_EXIST };
          const queue = { topic, brokerName: 'broker-a', queueId: 0 };
          return { body: encodeTopicStats([{ queue, minOffset: 0, maxOffset: 3, lastUpdateTimestampMs: 0 }], 0) };
        })
        .on(RequestCode.QUERY_CONSUMER_OFFSET, ({ extFields: { topic } }) =>
          topic === 'topic' ? { extFields: { offset: '1' } } : { code: ResponseCode.QUERY_NOT_FOUND },
        )
        .on(RequestCode.GET_CONSUMER_CONNECTION_LIST, () => ({
          body: Buffer.from('{"connectionSet":[{"clientId":"c","clientAddr":"10.0.0.1:1","language":"GO"}]}'),
        }));
    }

    it('say how far it is behind in each queue, and who is in it', async () => {
      fill('topic', '%RETRY%g_topic');
      expect(await lag()).toEqual({
        success: true,
        message: 'group g is 5 messages behind in topic topic',
        lag: 5n,
        queues: [
          { brokerName: 'broker-a', queueId: 0, maxOffset: 3n, committedOffset: -1n, lag: 3n, retry: true },
          { brokerName: 'broker-a', queueId: 0, maxOffset: 3n, committedOffset: 1n, lag: 2n, retry: false },
        ],
        members: [{ clientId: 'c', language: 'GO' }],
      });
    });

    it('are of the names in their namespace', async () => {
      cluster.nameServer.on(RequestCode.GET_ROUTEINFO_BY_TOPIC, routesScript({ 'MQ_INST_1%topic': cluster.queues }));
      fill('MQ_INST_1%topic');
      expect((await lag({ instanceId: 'MQ_INST_1' })).message).toBe('group g is 3 messages behind in topic topic');
      expect(cluster.broker.requests(RequestCode.QUERY_CONSUMER_OFFSET)[0]?.extFields).toMatchObject({
        consumerGroup: 'MQ_INST_1%g',
      });
    });

    it.each([
      [{ topic: '' }, 'INVALID_REQUEST', 'topic is empty: name one'],
      [{ groupId: '' }, 'INVALID_REQUEST', 'group_id is empty: name one'],
      [{ groupId: 'x'.repeat(121) }, 'INVALID_REQUEST', expect.stringContaining('at most 120')],
      [{ endpoint: 'http://' }, 'INVALID_REQUEST', expect.stringContaining('malformed')],
      [{ topic: 'other' }, 'TOPIC_NOT_FOUND', 'topic other does not exist'],
    ])('are refused for %j', async (change, reason, message) => {
      expect(await refusalOf(lag(change))).toEqual([reason, message]);
    });

    it('are for those who may receive', async () => {
      fill('topic');
      const reader = new Caller('reader', { publish: [], subscribe: ['topic'], groups: ['g'] });
      expect(await lag({}, { ...patientCall(), caller: reader })).toMatchObject({ lag: 2n });
      for (const change of [{ topic: 'other' }, { groupId: 'h' }])
        expect((await refusalOf(lag(change, { ...patientCall(), caller: reader })))[0]).toBe('TOKEN_DENIED');
    });

    it('fail as the first broker that fails', async () => {
      fill('topic');
      cluster.broker.on(RequestCode.QUERY_CONSUMER_OFFSET, () => ({ code: ResponseCode.SYSTEM_BUSY }));
      expect(await refusalOf(lag())).toEqual(['BROKER_BUSY', 'the broker is too busy']);
      await cluster.nameServer.stop();
      expect((await refusalOf(lag({ topic: 'unknown' })))[0]).toBe('ENDPOINT_UNREACHABLE');
    });

    it('are asked for no longer than their caller waits', async () => {
      fill('topic');
      cluster.broker.on(RequestCode.QUERY_CONSUMER_OFFSET, () => undefined);
      const caller = new AbortController();
      const asking = refusalOf(lag({}, patientCall(caller.signal)));
      await cluster.broker.request(RequestCode.QUERY_CONSUMER_OFFSET);
      caller.abort();
      expect((await asking)[0]).toBe('CANCELLED');
    });
  });
});
