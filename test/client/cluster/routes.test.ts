import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Channels } from '../../../src/client/cluster/channels.ts';
import { NameServers } from '../../../src/client/cluster/name-servers.ts';
import { Routes, routeDoubt } from '../../../src/client/cluster/routes.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import { RemotingError, ResponseError } from '../../../src/remoting/errors.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { noRoute, routeBody, routesScript } from '../../support/scripted-cluster.ts';
import { deferred, ScriptedPeer } from '../../support/scripted-peer.ts';

const { GET_ROUTEINFO_BY_TOPIC, GET_BROKER_CLUSTER_INFO } = RequestCode;
const soon = (): Deadline => Deadline.after(10_000);
const brokerA = { brokerName: 'broker-a', address: '10.0.0.1:10911' };
const brokerB = { brokerName: 'broker-b', address: '10.0.0.2:10911' };

describe('Routes', () => {
  let peer: ScriptedPeer;
  let channels: Channels;
  let routes: Routes;

  beforeEach(async () => {
    peer = await ScriptedPeer.start();
    peer.on(GET_ROUTEINFO_BY_TOPIC, routesScript({ topic: [brokerA] }));
    channels = new Channels({ connectTimeoutMs: 3_000 });
    routes = new Routes(new NameServers([peer.address], channels), 3);
  });

  afterEach(async () => {
    channels.close();
    await peer.stop();
  });

  const lookUpCount = () => peer.requests(GET_ROUTEINFO_BY_TOPIC).length;
  const findBrokers = async (topic = 'topic') => {
    const route = await routes.find(topic, soon());
    return route === undefined ? undefined : [...route.readQueueCounts.keys()];
  };

  test('looks up once for all who ask at once, and remembers', async () => {
    const held = deferred<void>();
    peer.on(GET_ROUTEINFO_BY_TOPIC, async () => {
      await held.promise;
      return { body: routeBody([brokerA]) };
    });
    const many = Array.from({ length: 20 }, () => findBrokers());
    await peer.request(GET_ROUTEINFO_BY_TOPIC);
    held.resolve();
    expect(new Set((await Promise.all(many)).flat())).toEqual(new Set(['broker-a']));
    expect(await findBrokers()).toEqual(['broker-a']);
    expect(lookUpCount()).toBe(1);
  });

  test('a caller that gives up leaves the look-up to the others', async () => {
    const held = deferred<void>();
    peer.on(GET_ROUTEINFO_BY_TOPIC, async () => {
      await held.promise;
      return { body: routeBody([brokerA]) };
    });
    const caller = new AbortController();
    const impatient = routes.find('topic', Deadline.after(10_000, caller.signal));
    const patient = findBrokers();
    await peer.request(GET_ROUTEINFO_BY_TOPIC);
    caller.abort();
    await expect(impatient).rejects.toMatchObject({ kind: 'cancelled' });
    held.resolve();
    expect(await patient).toEqual(['broker-a']);
  });

  test('who watches hears of every route that is read, until it does not want to any more', async () => {
    const heard: string[] = [];
    const stop = routes.watch(({ readQueueCounts }) => heard.push([...readQueueCounts.keys()].toString()));
    await findBrokers();
    await findBrokers();
    peer.on(GET_ROUTEINFO_BY_TOPIC, routesScript({ topic: [brokerA, brokerB] }));
    await routes.refresh();
    expect(heard).toEqual(['broker-a', 'broker-a,broker-b']);
    stop();
    await routes.refresh();
    expect(heard).toHaveLength(2);
  });

  test('a topic that does not exist is asked for each time', async () => {
    expect(await findBrokers('new')).toBeUndefined();
    peer.on(GET_ROUTEINFO_BY_TOPIC, routesScript({ new: [brokerB] }));
    expect(await findBrokers('new')).toEqual(['broker-b']);
  });

  test('sends go to the topic, else to where it would be created, else nowhere', async () => {
    peer.on(GET_ROUTEINFO_BY_TOPIC, routesScript({ topic: [brokerA], TBW102: [brokerB] }));
    expect(await routes.findForSend('topic', soon())).toMatchObject({ topic: 'topic', autoCreated: false });
    const created = await routes.findForSend('new', soon());
    expect(created).toMatchObject({ topic: 'new', autoCreated: true });
    expect(created.writeQueues[0]).toEqual({ topic: 'new', brokerName: 'broker-b', queueId: 0 });
    // The template has no queue to write to.
    peer.on(GET_ROUTEINFO_BY_TOPIC, routesScript({ TBW102: [{ ...brokerB, permission: 4 }] }));
    const other = new Routes(new NameServers([peer.address], channels), 3);
    await expect(other.findForSend('new', soon())).rejects.toMatchObject({ name: 'ClientError', kind: 'noRoute' });
    peer.on(GET_ROUTEINFO_BY_TOPIC, () => noRoute);
    await expect(other.findForSend('newer', soon())).rejects.toMatchObject({
      kind: 'noRoute',
      message: expect.stringContaining('newer'),
    });
  });

  test('without any broker nothing is said of topics', async () => {
    peer.on(GET_ROUTEINFO_BY_TOPIC, () => noRoute);
    peer.on(GET_BROKER_CLUSTER_INFO, () => ({ body: Buffer.from('{"brokerAddrTable":{},"clusterAddrTable":{}}') }));
    const noBroker = { name: 'ClientError', kind: 'noBroker' };
    await expect(routes.findForSend('topic', soon())).rejects.toMatchObject(noBroker);
    const table = '{"brokerAddrTable":{"broker-a":{"brokerAddrs":{0:"10.0.0.1:10911"}}},"clusterAddrTable":{}}';
    peer.on(GET_BROKER_CLUSTER_INFO, () => ({ body: Buffer.from(table) }));
    await expect(routes.findForSend('topic', soon())).rejects.toMatchObject({ kind: 'noRoute' });
  });

  test('a route in doubt is looked up again, once for all who ask', async () => {
    await findBrokers();
    peer.on(GET_ROUTEINFO_BY_TOPIC, routesScript({ topic: [brokerB] }));
    routes.doubt('topic', 'brokerGone');
    expect(await Promise.all([findBrokers(), findBrokers()])).toEqual([['broker-b'], ['broker-b']]);
    expect(await findBrokers()).toEqual(['broker-b']);
    expect(lookUpCount()).toBe(2);
  });

  test('a route in doubt is still good while no name server answers', async () => {
    await findBrokers();
    await peer.stop();
    routes.doubt('topic', 'topicGone');
    expect(await findBrokers()).toEqual(['broker-a']);
    await expect(routes.find('other', soon())).rejects.toMatchObject({ kind: 'connect' });
  });

  test('a topic whose brokers are gone is no topic that does not exist: name servers forget it with the last of them', async () => {
    await findBrokers();
    peer.on(GET_ROUTEINFO_BY_TOPIC, () => noRoute);
    routes.doubt('topic', 'brokerGone');
    expect(await findBrokers()).toEqual(['broker-a']);
    // Still in doubt.
    peer.on(GET_ROUTEINFO_BY_TOPIC, routesScript({ topic: [brokerB] }));
    expect(await findBrokers()).toEqual(['broker-b']);
  });

  test.each([
    ['TOPIC_NOT_EXIST', new ResponseError(17, 'why', 'broker'), 'topicGone'],
    ['NOT_LEADER_FOR_QUEUE', new ResponseError(501, 'why', 'broker'), 'brokerGone'],
    ['SYSTEM_ERROR', new ResponseError(1, 'why', 'broker'), undefined],
    ['connect', new RemotingError('connect', 'why'), 'brokerGone'],
    ['closed', new RemotingError('closed', 'why'), 'brokerGone'],
    ['timeout', new RemotingError('timeout', 'why'), undefined],
    ['something else', new TypeError('why'), undefined],
  ])('the doubt that %s raises', (_, error, doubt) => {
    expect(routeDoubt(error)).toBe(doubt);
  });

  test('a route in doubt is gone when the topic is', async () => {
    await findBrokers();
    peer.on(GET_ROUTEINFO_BY_TOPIC, () => noRoute);
    routes.doubt('topic', 'topicGone');
    expect(await findBrokers()).toBeUndefined();
    expect(await findBrokers()).toBeUndefined();
    expect(lookUpCount()).toBe(3);
  });

  test('refresh brings what has changed, and keeps what cannot be had now', async () => {
    peer.on(GET_ROUTEINFO_BY_TOPIC, routesScript({ topic: [brokerA], other: [brokerA] }));
    await Promise.all([findBrokers(), findBrokers('other')]);
    peer.on(GET_ROUTEINFO_BY_TOPIC, routesScript({ topic: [brokerB] }));
    await routes.refresh();
    expect(lookUpCount()).toBe(4);
    expect(await findBrokers()).toEqual(['broker-b']);
    expect(await findBrokers('other')).toEqual(['broker-a']);
    await peer.stop();
    await routes.refresh();
    expect(await findBrokers()).toEqual(['broker-b']);
  });

  test('what nobody asks for is forgotten after 120 s, refreshed or not; what is asked for is not', async () => {
    let nowMs = 1_000;
    routes = new Routes(new NameServers([peer.address], channels), 3, () => nowMs);
    peer.on(GET_ROUTEINFO_BY_TOPIC, routesScript({ used: [brokerA], idle: [brokerA] }));
    await Promise.all([findBrokers('used'), findBrokers('idle')]);
    for (let minutes = 0; minutes < 10; minutes += 1) {
      nowMs += 59_000;
      await findBrokers('used');
      await routes.refresh();
    }
    const requests = peer.requests(GET_ROUTEINFO_BY_TOPIC).map(({ extFields }) => extFields['topic']);
    expect(requests.filter((topic) => topic === 'used').length).toBe(11);
    expect(requests.filter((topic) => topic === 'idle').length).toBeLessThanOrEqual(4);
  });

  test('remembers no more topics than it may', async () => {
    peer.on(GET_ROUTEINFO_BY_TOPIC, () => ({ body: routeBody([brokerA]) }));
    for (const topic of ['a', 'b', 'c', 'd']) await findBrokers(topic);
    expect(lookUpCount()).toBe(4);
    await findBrokers('d');
    await findBrokers('b');
    expect(lookUpCount()).toBe(4);
    await findBrokers('a');
    expect(lookUpCount()).toBe(5);
  });
});
