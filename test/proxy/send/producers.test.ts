import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { beforeEach, describe, expect, it } from 'vitest';
import { CleanupProducerRequestSchema, CreateProducerRequestSchema } from '../../../src/gen/rocketmq/rocketmq_pb.ts';
import { anyone } from '../../../src/proxy/access/caller.ts';
import { createProducerHandlers, type ProducerHandlers } from '../../../src/proxy/send/producers.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { type ProxyParts, patientCall, proxyParts, refusalOf } from '../../support/proxy-parts.ts';
import { routesScript, type ScriptedCluster } from '../../support/scripted-cluster.ts';
import { startTestCluster } from '../../support/started-proxy.ts';

describe('producers', () => {
  let cluster: ScriptedCluster;
  let parts: ProxyParts;
  let handlers: ProducerHandlers;

  beforeEach(async () => {
    ({ cluster } = await startTestCluster());
    parts = proxyParts(cluster);
    handlers = createProducerHandlers(parts.targets, parts.engines, parts.sessions);
  });

  const createProducer = (init: MessageInitShape<typeof CreateProducerRequestSchema>) =>
    handlers.createProducer(create(CreateProducerRequestSchema, init), patientCall());

  const cleanup = (init: MessageInitShape<typeof CleanupProducerRequestSchema>) =>
    handlers.cleanupProducer(create(CleanupProducerRequestSchema, init), patientCall());

  const idOf = async (init: MessageInitShape<typeof CreateProducerRequestSchema>): Promise<string> =>
    (await createProducer(init)).producerId ?? '';

  it('are made for a topic that is there', async () => {
    const { success, message, producerId = '' } = await createProducer({ topic: 'topic' });
    expect([success, message]).toEqual([true, 'producer for topic topic is ready']);
    expect(parts.sessions.producer(producerId, anyone)).toMatchObject({
      endpoint: cluster.nameServer.address,
      accessKeyId: '',
      accessKeySecret: '',
      topic: 'topic',
    });
  });

  it('are made with what the request names', async () => {
    cluster.nameServer.on(RequestCode.GET_ROUTEINFO_BY_TOPIC, routesScript({ 'MQ_INST_1%topic': cluster.queues }));
    const keys = { accessKeyId: 'id', accessKeySecret: 'secret' };
    const id = await idOf({
      endpoint: `http://${cluster.nameServer.address}/`,
      ...keys,
      instanceId: 'MQ_INST_1',
      topic: 'topic',
    });
    expect(parts.sessions.producer(id, anyone)).toMatchObject({ ...keys, topic: 'MQ_INST_1%topic' });
  });

  it('are not made for a topic that does not exist and that nobody would make', async () => {
    expect(await refusalOf(createProducer({ topic: 'other' }))).toEqual([
      'TOPIC_NOT_FOUND',
      'topic other does not exist, and the brokers do not create topics by themselves',
    ]);
  });

  it('are not made for a topic that takes no messages', async () => {
    cluster.nameServer.on(
      RequestCode.GET_ROUTEINFO_BY_TOPIC,
      routesScript({ topic: cluster.queues.map((queues) => ({ ...queues, permission: 4 })) }),
    );
    expect((await refusalOf(createProducer({ topic: 'topic' })))[0]).toBe('BROKER_UNREACHABLE');
  });

  it('are not made where the broker is down', async () => {
    await cluster.broker.stop();
    expect(await refusalOf(createProducer({ topic: 'topic' }))).toEqual([
      'ENDPOINT_UNREACHABLE',
      'the default endpoint of this proxy cannot be reached: is it a RocketMQ name server, and is its broker up?',
    ]);
  });

  it.each([
    [{ topic: '' }, 'topic is empty: name one'],
    [{ topic: 'a b' }, 'the topic "a b" may only have letters, digits and the characters % | _ -'],
    [{ topic: 'topic', endpoint: 'http://' }, 'malformed'],
  ])('are not made of %j', async (init, text) => {
    const [reason, message] = await refusalOf(createProducer(init));
    expect(reason).toBe('INVALID_REQUEST');
    expect(message).toContain(text);
    expect(cluster.nameServer.received).toEqual([]);
  });

  describe('that are cleaned up', () => {
    it('by id are gone', async () => {
      const id = await idOf({ topic: 'topic' });
      expect(await cleanup({ producerId: id })).toEqual({
        success: true,
        message: '1 producers were cleaned up',
        cleanedCount: 1,
      });
      expect(() => parts.sessions.producer(id, anyone)).toThrow('producer_id is unknown here');
      expect(await cleanup({ producerId: id })).toMatchObject({ success: true, cleanedCount: 0 });
    });

    it('by an id are that one only, whatever else is named', async () => {
      const ids = [await idOf({ topic: 'topic' }), await idOf({ topic: 'topic' })];
      expect((await cleanup({ producerId: ids[0] ?? '', topic: 'topic' })).cleanedCount).toBe(1);
      expect(parts.sessions.producer(ids[1] ?? '', anyone).topic).toBe('topic');
    });

    it('by topic are gone, of the endpoint where one is named in whatever spelling', async () => {
      const id = await idOf({ topic: 'topic' });
      expect((await cleanup({ topic: 'topic', endpoint: '127.0.0.1:1' })).cleanedCount).toBe(0);
      expect((await cleanup({ topic: 'other' })).cleanedCount).toBe(0);
      expect(parts.sessions.producer(id, anyone).topic).toBe('topic');
      expect((await cleanup({ topic: 'topic', endpoint: `http://${cluster.nameServer.address}/` })).cleanedCount).toBe(
        1,
      );
      expect(() => parts.sessions.producer(id, anyone)).toThrow('producer_id is unknown here');
    });

    it('by nothing, or by an endpoint alone, stay', async () => {
      const id = await idOf({ topic: 'topic' });
      for (const init of [{}, { endpoint: cluster.nameServer.address }]) {
        expect(await cleanup(init)).toEqual({
          success: true,
          message: 'nothing was cleaned up: name a producer_id or a topic',
          cleanedCount: 0,
        });
      }
      expect(parts.sessions.producer(id, anyone).topic).toBe('topic');
    });
  });
});
