import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { CleanupConsumerRequestSchema, CreateConsumerRequestSchema } from '../../../src/gen/rocketmq/rocketmq_pb.ts';
import { anyone } from '../../../src/proxy/access/caller.ts';
import { type ConsumerHandlers, createConsumerHandlers } from '../../../src/proxy/receive/consumers.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { type ProxyParts, patientCall, proxyParts, refusalOf } from '../../support/proxy-parts.ts';
import { routeBody, routesScript, type ScriptedCluster, startScriptedCluster } from '../../support/scripted-cluster.ts';
import { peerVersions } from '../../support/scripted-peer.ts';
import { startTestCluster } from '../../support/started-proxy.ts';

const { GET_ROUTEINFO_BY_TOPIC, GET_SUBSCRIPTION_GROUP_CONFIG, UNREGISTER_CLIENT } = RequestCode;

describe('consumers', () => {
  let cluster: ScriptedCluster;
  let parts: ProxyParts;
  let handlers: ConsumerHandlers;

  beforeEach(async () => {
    ({ cluster } = await startTestCluster());
    parts = proxyParts(cluster);
    handlers = createConsumerHandlers(parts.targets, parts.sessions);
  });

  const wanted = { topic: 'topic', groupId: 'g' };

  const createConsumer = (init: MessageInitShape<typeof CreateConsumerRequestSchema>, call = patientCall()) =>
    handlers.createConsumer(create(CreateConsumerRequestSchema, init), call);

  const cleanup = (init: MessageInitShape<typeof CleanupConsumerRequestSchema>) =>
    handlers.cleanupConsumer(create(CleanupConsumerRequestSchema, init), patientCall());

  const idOf = async (init: MessageInitShape<typeof CreateConsumerRequestSchema>): Promise<string> =>
    (await createConsumer(init)).consumerId ?? '';

  /** Consumers that this proxy holds at the cluster. */
  const heldCount = (): number =>
    parts.engines.get({ endpoint: cluster.nameServer.address, accessKeyId: '', accessKeySecret: '' }).consumerCount;

  it('are made for a topic that is there', async () => {
    const { success, message, consumerId = '' } = await createConsumer({ ...wanted, tagExpression: ' a||b ' });
    expect([success, message]).toEqual([true, 'consumer of group g for topic topic is ready']);
    expect(parts.sessions.consumer(consumerId, anyone).fields).toMatchObject({
      endpoint: cluster.nameServer.address,
      topic: 'topic',
      group: 'g',
      tagExpression: 'a || b',
    });
    expect(heldCount()).toBe(1);
  });

  it('are made for a topic that does not exist yet where brokers make topics', async () => {
    cluster.nameServer.on(GET_ROUTEINFO_BY_TOPIC, ({ extFields }) =>
      extFields['topic'] === 'TBW102' ? { body: routeBody(cluster.queues) } : { code: ResponseCode.TOPIC_NOT_EXIST },
    );
    expect((await createConsumer(wanted)).message).toBe(
      'topic topic does not exist yet; the consumer of group g receives from it as soon as it does',
    );
  });

  it('have topic and group in their namespace', async () => {
    cluster.nameServer.on(GET_ROUTEINFO_BY_TOPIC, routesScript({ 'MQ_INST_1%topic': cluster.queues }));
    const id = await idOf({ ...wanted, instanceId: 'MQ_INST_1' });
    expect(parts.sessions.consumer(id, anyone).fields).toMatchObject({
      topic: 'MQ_INST_1%topic',
      group: 'MQ_INST_1%g',
    });
  });

  it.each([
    [{ groupId: 'g' }, 'topic is empty'],
    [{ topic: 'topic' }, 'group_id is empty'],
    [{ ...wanted, groupId: 'a%b' }, 'group_id "a%b" has a %'],
    [{ ...wanted, tagExpression: 'a||' }, 'has a || without a tag beside it'],
    [{ ...wanted, tagExpression: 'x'.repeat(4_097) }, 'at most 4096 are allowed'],
    [{ ...wanted, endpoint: 'http://' }, 'malformed'],
  ])('are not made of %j', async (init, text) => {
    const [reason, message] = await refusalOf(createConsumer(init));
    expect(reason).toBe('INVALID_REQUEST');
    expect(message).toContain(text);
    expect(cluster.nameServer.received).toEqual([]);
  });

  it('receive by pull where a broker runs RocketMQ 4.x, by POP elsewhere', async () => {
    const old = await startScriptedCluster(1, peerVersions.v4);
    await createConsumer({ ...wanted, endpoint: old.nameServer.address });
    expect(old.broker.requests(GET_SUBSCRIPTION_GROUP_CONFIG)).toEqual([]);
    await createConsumer(wanted);
    expect(cluster.broker.requests(GET_SUBSCRIPTION_GROUP_CONFIG)).toHaveLength(1);
    await old.stop();
  });

  describe('leave nothing behind', () => {
    it('when the topic does not exist', async () => {
      expect((await refusalOf(createConsumer({ ...wanted, topic: 'other' })))[0]).toBe('TOPIC_NOT_FOUND');
      await vi.waitUntil(() => heldCount() === 0, 20_000);
    });

    it('when the brokers refuse the group', async () => {
      cluster.broker.on(GET_SUBSCRIPTION_GROUP_CONFIG, () => ({ code: ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST }));
      expect((await refusalOf(createConsumer(wanted)))[0]).toBe('GROUP_NOT_FOUND');
      await vi.waitUntil(() => heldCount() === 0, 20_000);
    });

    it('when their caller has gone', async () => {
      cluster.broker.on(GET_SUBSCRIPTION_GROUP_CONFIG, () => undefined);
      const caller = new AbortController();
      const creating = refusalOf(createConsumer(wanted, patientCall(caller.signal)));
      await cluster.broker.request(GET_SUBSCRIPTION_GROUP_CONFIG);
      caller.abort();
      expect((await creating)[0]).toBe('CANCELLED');
      await vi.waitUntil(() => heldCount() === 0, 20_000);
    });

    it('when nobody answers', async () => {
      await cluster.nameServer.stop();
      expect((await refusalOf(createConsumer(wanted)))[0]).toBe('ENDPOINT_UNREACHABLE');
      await vi.waitUntil(() => heldCount() === 0, 20_000);
    });
  });

  describe('that are cleaned up', () => {
    it('by id are gone, from the brokers too', async () => {
      const id = await idOf(wanted);
      expect(await cleanup({ consumerId: id })).toEqual({
        success: true,
        message: '1 consumers were cleaned up',
        cleanedCount: 1,
      });
      await cluster.broker.request(UNREGISTER_CLIENT);
      expect(() => parts.sessions.consumer(id, anyone)).toThrow('consumer_id is unknown here');
      expect((await cleanup({ consumerId: id })).cleanedCount).toBe(0);
    });

    it('by group are gone, and their group can be used at once', async () => {
      const ids = [await idOf(wanted), await idOf(wanted), await idOf({ ...wanted, groupId: 'h' })];
      expect((await cleanup({ groupId: 'g', topic: 'other' })).cleanedCount).toBe(0);
      expect((await cleanup({ groupId: 'g', topic: 'topic' })).cleanedCount).toBe(2);
      const known = (id: string): boolean => {
        try {
          return parts.sessions.consumer(id, anyone) !== undefined;
        } catch {
          return false;
        }
      };
      expect(ids.map(known)).toEqual([false, false, true]);
      expect(known(await idOf(wanted))).toBe(true);
    });

    it('by nothing, or by a topic alone, stay', async () => {
      const id = await idOf(wanted);
      for (const init of [{}, { topic: 'topic' }]) {
        expect(await cleanup(init)).toEqual({
          success: true,
          message: 'nothing was cleaned up: name a consumer_id or a group_id',
          cleanedCount: 0,
        });
      }
      expect(parts.sessions.consumer(id, anyone).fields.topic).toBe('topic');
    });
  });
});
