import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Engines } from '../../../src/proxy/engines.ts';
import { ConsumerSession } from '../../../src/proxy/receive/consumer-session.ts';
import type { ConsumerFields } from '../../../src/proxy/session/session-specs.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import {
  bodies,
  consumerDefaults,
  read,
  releasedOffsets,
  routeBody,
  type ScriptedCluster,
  ScriptedPop,
  startScriptedCluster,
} from '../../support/scripted-cluster.ts';
import { deferred } from '../../support/scripted-peer.ts';

const { GET_ROUTEINFO_BY_TOPIC, HEART_BEAT, UNREGISTER_CLIENT } = RequestCode;
const soon = (signal?: AbortSignal): Deadline => Deadline.after(10_000, signal);

describe('ConsumerSession', () => {
  let cluster: ScriptedCluster;
  let pop: ScriptedPop;
  let engines: Engines;
  let ending: AbortController;

  beforeEach(async () => {
    cluster = await startScriptedCluster();
    pop = new ScriptedPop(cluster.broker);
    engines = new Engines({ vendor: 'auto', checkEndpoint: () => {}, brokerAllowed: () => true, log: cluster.log });
    ending = new AbortController();
  });

  afterEach(async () => {
    ending.abort();
    await engines.close();
    await cluster.stop();
  });

  function sessionOf(change: Partial<ConsumerFields> = {}): ConsumerSession {
    const { subscriber, invisibleDurationMs, renewalDurationMs, pollDurationMs } = consumerDefaults;
    const target = { endpoint: cluster.nameServer.address, accessKeyId: '', accessKeySecret: '', owner: '' };
    return new ConsumerSession({ ...target, ...subscriber, tagExpression: '*', ...change }, engines, {
      invisibleDurationMs,
      renewalDurationMs,
      pollDurationMs,
    });
  }

  const streamOf = (session: ConsumerSession) => session.consumer.stream({ messagesMax: 10, signal: ending.signal });

  /** Lets nobody open a consumer until the returned function is called. */
  function holdRoutes(): () => void {
    const released = deferred<undefined>();
    cluster.nameServer.on(GET_ROUTEINFO_BY_TOPIC, async () => {
      await released.promise;
      return { body: routeBody(cluster.queues) };
    });
    return () => released.resolve(undefined);
  }

  const routeRequests = (): number => cluster.nameServer.requests(GET_ROUTEINFO_BY_TOPIC).length;

  it('opens its consumer, once for all', async () => {
    const session = sessionOf();
    const opened = await Promise.all([session.open(soon()), session.open(soon()), session.open(soon())]);
    expect(opened.map(({ topicExists }) => topicExists)).toEqual([true, true, true]);
    expect(new Set(opened.map(({ consumer }) => consumer))).toEqual(new Set([session.consumer]));
    expect(routeRequests()).toBe(1);
    await session.open(soon());
    expect(routeRequests()).toBe(1);
  });

  it('says that a topic does not exist yet', async () => {
    cluster.nameServer.on(GET_ROUTEINFO_BY_TOPIC, ({ extFields }) =>
      extFields['topic'] === 'TBW102' ? { body: routeBody(cluster.queues) } : { code: 17 },
    );
    expect((await sessionOf().open(soon())).topicExists).toBe(false);
  });

  describe('when several callers open it at once', () => {
    it('each waits under a deadline of its own, whoever came first', async () => {
      const release = holdRoutes();
      const session = sessionOf();
      const first = session.open(Deadline.after(1));
      const second = session.open(soon());
      await expect(first).rejects.toMatchObject({ kind: 'timeout' });
      release();
      expect((await second).topicExists).toBe(true);
    });

    it('each may give up, whoever came first', async () => {
      const release = holdRoutes();
      const session = sessionOf();
      const caller = new AbortController();
      const first = session.open(soon(caller.signal));
      const second = session.open(soon());
      caller.abort();
      await expect(first).rejects.toMatchObject({ kind: 'cancelled' });
      release();
      expect((await second).topicExists).toBe(true);
    });

    it('all see it fail, and the next tries again', async () => {
      cluster.nameServer.on(GET_ROUTEINFO_BY_TOPIC, () => ({ code: 17 }));
      const session = sessionOf();
      const both = await Promise.allSettled([session.open(soon()), session.open(soon())]);
      expect(both).toMatchObject([{ reason: { kind: 'noRoute' } }, { reason: { kind: 'noRoute' } }]);
      cluster.nameServer.on(GET_ROUTEINFO_BY_TOPIC, () => ({ body: routeBody(cluster.queues) }));
      expect((await session.open(soon())).topicExists).toBe(true);
    });
  });

  describe('that is released', () => {
    it('while it is being opened fails who waits, joins no group, and can be opened again', async () => {
      const release = holdRoutes();
      const session = sessionOf();
      const opening = session.open(soon());
      await cluster.nameServer.request(GET_ROUTEINFO_BY_TOPIC);
      session.release();
      expect(session.isReceiving).toBe(true);
      release();
      await expect(opening).rejects.toMatchObject({ kind: 'closed' });
      expect(session.isReceiving).toBe(false);
      await session.open(soon());
      session.release();
      // Only the second one had joined the group.
      await cluster.broker.request(UNREGISTER_CLIENT);
      const groups = cluster.broker.requests(HEART_BEAT).map(({ body }) => JSON.parse(body.toString()).consumerDataSet);
      expect(groups.every((group: unknown[]) => group.length === 0)).toBe(true);
      expect(cluster.broker.requests(UNREGISTER_CLIENT)).toHaveLength(1);
    });

    it('ends its streams and gives back their messages', async () => {
      const session = sessionOf();
      await session.open(soon());
      const stream = streamOf(session);
      pop.arriveOffsets(1, 2);
      expect(bodies(await read(stream, 1))).toEqual(['1']);
      session.release();
      expect(await stream.next()).toEqual({ done: true, value: undefined });
      expect(releasedOffsets(cluster.broker)).toEqual([1, 2]);
    });

    it('lets go of its engine', async () => {
      const session = sessionOf();
      await session.open(soon());
      const client = engines.get(session.fields);
      expect(client.consumerCount).toBe(1);
      session.release();
      session.release();
      await cluster.broker.request(UNREGISTER_CLIENT);
      await engines.close();
      expect(client.consumerCount).toBe(0);
    });
  });

  describe('is receiving', () => {
    it('while it is being opened', async () => {
      const release = holdRoutes();
      const session = sessionOf();
      const opening = session.open(soon());
      expect(session.isReceiving).toBe(true);
      release();
      await opening;
      expect(session.isReceiving).toBe(false);
    });

    it('not any more when opening failed', async () => {
      cluster.nameServer.on(GET_ROUTEINFO_BY_TOPIC, () => ({ code: 17 }));
      const session = sessionOf();
      await expect(session.open(soon())).rejects.toThrow();
      expect(session.isReceiving).toBe(false);
    });

    it('from the moment that a stream is asked for its first message until it has ended', async () => {
      const session = sessionOf();
      await session.open(soon());
      const stream = streamOf(session);
      const next = stream.next();
      expect(session.isReceiving).toBe(true);
      pop.arriveOffsets(1);
      await next;
      expect(session.isReceiving).toBe(true);
      await stream.return();
      expect(session.isReceiving).toBe(false);
    });
  });

  it('is a member of its group from when it is open', async () => {
    const session = sessionOf({ tagExpression: 'a || b' });
    await session.open(soon());
    pop.arrive([{ properties: new Map([['TAGS', 'b']]), body: Buffer.from('wanted') }]);
    expect(bodies(await read(streamOf(session), 1))).toEqual(['wanted']);
    expect(cluster.broker.requests(RequestCode.POP_MESSAGE)[0]?.extFields['exp']).toBe('a || b');
  });

  describe('receives as its maker chose', () => {
    const askedFor = (session: ConsumerSession) => {
      void streamOf(session).next();
      return cluster.broker.request(RequestCode.POP_MESSAGE);
    };

    it('or as the settings say', async () => {
      const session = sessionOf();
      await session.open(soon());
      expect((await askedFor(session)).extFields).toMatchObject({
        ...{ invisibleTime: '30000', order: 'false', expType: 'TAG', exp: '*' },
      });
      expect(cluster.broker.requests(RequestCode.CHECK_CLIENT_CONFIG)).toEqual([]);
      expect(cluster.broker.requests(RequestCode.GET_MIN_OFFSET)).toEqual([]);
    });

    it('what its condition wants, in order, for its own time', async () => {
      const session = sessionOf({ choices: { sqlCondition: 'a > 1', orderly: true, invisibleDurationMs: 1_234 } });
      await session.open(soon());
      expect((await askedFor(session)).extFields).toMatchObject({
        ...{ invisibleTime: '1234', order: 'true', expType: 'SQL92', exp: 'a > 1' },
      });
      expect(cluster.broker.requests(RequestCode.CHECK_CLIENT_CONFIG)).toHaveLength(1);
    });

    it('also when it was idle, and is opened again', async () => {
      const session = sessionOf({ choices: { orderly: true, invisibleDurationMs: 1_234 } });
      await session.open(soon());
      session.release();
      await session.open(soon());
      expect((await askedFor(session)).extFields).toMatchObject({ invisibleTime: '1234', order: 'true' });
    });

    it('from the place that it names', async () => {
      cluster.broker.on(RequestCode.QUERY_CONSUMER_OFFSET, () => ({ code: ResponseCode.QUERY_NOT_FOUND }));
      cluster.broker.on(RequestCode.GET_MIN_OFFSET, () => ({ extFields: { offset: '5' } }));
      await sessionOf({ choices: { consumeFrom: { kind: 'first' } } }).open(soon());
      const stored = cluster.broker.requests(RequestCode.UPDATE_CONSUMER_OFFSET);
      expect(new Set(stored.map(({ extFields }) => extFields['commitOffset']))).toEqual(new Set(['5']));
    });

    it('by the way that it names', async () => {
      const session = sessionOf({ choices: { consumeMode: 'pull' } });
      await session.open(soon());
      const stream = streamOf(session);
      void stream.next();
      // Only members of groups that pull ask for each other.
      await cluster.broker.request(RequestCode.GET_CONSUMER_LIST_BY_GROUP);
      expect(cluster.broker.requests(RequestCode.POP_MESSAGE)).toEqual([]);
    });
  });

  it('has receipts of its own for each cluster, group and topic', () => {
    const owners = [{}, { endpoint: 'other:1' }, { group: 'h' }, { topic: 'u' }].map(
      (change) => sessionOf(change).receiptOwner,
    );
    expect(new Set(owners).size).toBe(4);
    const choices = { sqlCondition: 'a', orderly: true, invisibleDurationMs: 1_000, consumeMode: 'pull' } as const;
    for (const change of [{ tagExpression: 'a', accessKeyId: 'x' }, { choices }])
      expect(sessionOf(change).receiptOwner).toBe(owners[0]);
  });
});
