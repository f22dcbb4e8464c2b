import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Channels } from '../../../src/client/cluster/channels.ts';
import { NameServers } from '../../../src/client/cluster/name-servers.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { noRoute, routeBody } from '../../support/scripted-cluster.ts';
import { deferred, type Script, ScriptedPeer } from '../../support/scripted-peer.ts';

const { GET_ROUTEINFO_BY_TOPIC, GET_BROKER_CLUSTER_INFO } = RequestCode;
const knows: Script = () => ({ body: routeBody([{ brokerName: 'broker-a', address: '10.0.0.1:10911' }]) });
const knowsNot: Script = () => noRoute;
const silent: Script = () => undefined;
const notReady: Script = () => ({ code: 1, remark: 'name server not ready' });
const route = { brokers: [{ brokerName: 'broker-a' }] };

describe('NameServers', () => {
  let first: ScriptedPeer;
  let second: ScriptedPeer;
  let channels: Channels;
  let servers: NameServers;

  beforeEach(async () => {
    [first, second] = await Promise.all([ScriptedPeer.start(), ScriptedPeer.start()]);
    first.on(GET_ROUTEINFO_BY_TOPIC, knows);
    second.on(GET_ROUTEINFO_BY_TOPIC, knows);
    channels = new Channels({ connectTimeoutMs: 3_000 });
    servers = new NameServers([first.address, second.address], channels);
  });

  afterEach(async () => {
    channels.close();
    await Promise.all([first.stop(), second.stop()]);
  });

  const ask = (durationMs = 10_000) => servers.route('topic', Deadline.after(durationMs));
  const askedCounts = () => [first, second].map((peer) => peer.requests(GET_ROUTEINFO_BY_TOPIC).length);

  test('stays with the first that answers', async () => {
    expect(await ask()).toMatchObject(route);
    expect(await ask()).toMatchObject(route);
    expect(askedCounts()).toEqual([2, 0]);
    expect((await first.request(GET_ROUTEINFO_BY_TOPIC)).extFields).toEqual({
      topic: 'topic',
      acceptStandardJsonOnly: 'true',
    });
  });

  test('asks another than the one whose route led astray, and stays with that', async () => {
    await ask();
    expect(await servers.route('topic', Deadline.after(10_000), true)).toMatchObject(route);
    expect(askedCounts()).toEqual([1, 1]);
    await ask();
    expect(askedCounts()).toEqual([1, 2]);
    await servers.route('topic', Deadline.after(10_000), true);
    expect(askedCounts()).toEqual([2, 2]);
    await second.stop();
    expect(await servers.route('topic', Deadline.after(10_000), true)).toMatchObject(route);
  });

  test('asks the next where the first does not answer, whatever is asked', async () => {
    first.on(GET_BROKER_CLUSTER_INFO, notReady);
    const content = { code: GET_BROKER_CLUSTER_INFO, extFields: {} };
    const answer = await servers.invoke(content, Deadline.after(10_000));
    expect(answer).toMatchObject({ address: first.address, reply: { code: 1 } });
    await first.stop();
    expect(await servers.invoke(content, Deadline.after(10_000))).toMatchObject({ address: second.address });
    await second.stop();
    await expect(servers.invoke(content, Deadline.after(10_000))).rejects.toMatchObject({ kind: 'connect' });
  });

  test('asks all of them, and tells who did not answer', async () => {
    await first.stop();
    const content = { code: GET_BROKER_CLUSTER_INFO, extFields: {} };
    const answers = await servers.invokeAll(content, Deadline.after(10_000));
    expect([...answers.keys()]).toEqual([first.address, second.address]);
    await expect(answers.get(first.address)).rejects.toMatchObject({ kind: 'connect' });
    await expect(answers.get(second.address)).resolves.toMatchObject({ code: 0 });
  });

  test('tells whether any of them has a broker, as far as they answer', async () => {
    const brokers =
      (names: object): Script =>
      () => ({ body: Buffer.from(JSON.stringify({ brokerAddrTable: names })) });
    const hasBrokers = () => servers.hasBrokers(Deadline.after(10_000));
    first.on(GET_BROKER_CLUSTER_INFO, brokers({}));
    second.on(GET_BROKER_CLUSTER_INFO, brokers({ 'broker-a': {} }));
    expect(await hasBrokers()).toBe(true);
    second.on(GET_BROKER_CLUSTER_INFO, notReady);
    expect(await hasBrokers()).toBe(false);
    first.on(GET_BROKER_CLUSTER_INFO, notReady);
    expect(await hasBrokers()).toBeUndefined();
  });

  test('goes on to the next when one refuses connections, and stays there', async () => {
    await first.stop();
    expect(await ask()).toMatchObject(route);
    expect(await ask()).toMatchObject(route);
    expect(askedCounts()).toEqual([0, 2]);
  });

  test('goes on to the next when one ends the connection', async () => {
    first.on(GET_ROUTEINFO_BY_TOPIC, (_, { socket }) => {
      socket.destroy();
      return undefined;
    });
    expect(await ask()).toMatchObject(route);
  });

  test('goes on to the next when one is silent for 3 s', async () => {
    first.on(GET_ROUTEINFO_BY_TOPIC, silent);
    const startedMs = performance.now();
    expect(await ask()).toMatchObject(route);
    const elapsedMs = performance.now() - startedMs;
    expect(elapsedMs).toBeGreaterThanOrEqual(2_990);
    expect(await ask()).toMatchObject(route);
    expect(askedCounts()).toEqual([1, 2]);
  });

  test('goes on to the next when one is not ready', async () => {
    first.on(GET_ROUTEINFO_BY_TOPIC, notReady);
    expect(await ask()).toMatchObject(route);
  });

  test('goes on to the next when one sends a body that is no route', async () => {
    first.on(GET_ROUTEINFO_BY_TOPIC, () => ({ body: Buffer.from('<html>') }));
    expect(await ask()).toMatchObject(route);
  });

  test('a topic that one does not know may be known to another', async () => {
    first.on(GET_ROUTEINFO_BY_TOPIC, knowsNot);
    expect(await ask()).toMatchObject(route);
    expect(askedCounts()).toEqual([1, 1]);
  });

  test('a topic that none knows does not exist, also while another cannot be reached', async () => {
    first.on(GET_ROUTEINFO_BY_TOPIC, knowsNot);
    second.on(GET_ROUTEINFO_BY_TOPIC, knowsNot);
    expect(await ask()).toBeUndefined();
    await second.stop();
    expect(await ask()).toBeUndefined();
  });

  test('look-ups that fail side by side each reach every name server', async () => {
    const bothAsked = deferred<void>();
    let askedCount = 0;
    // Answers nobody before both have asked, then ends the connection under both.
    first.on(GET_ROUTEINFO_BY_TOPIC, async (_, { socket }) => {
      askedCount += 1;
      if (askedCount === 2) bothAsked.resolve();
      await bothAsked.promise;
      socket.destroy();
      return undefined;
    });
    const one = servers.route('one', Deadline.after(10_000));
    const other = servers.route('other', Deadline.after(10_000));
    expect(await Promise.all([one, other])).toMatchObject([route, route]);
  });

  test('none can be reached: the error names them all', async () => {
    await Promise.all([first.stop(), second.stop()]);
    const endpoint = `${first.address};${second.address}`;
    await expect(ask()).rejects.toMatchObject({
      name: 'RemotingError',
      kind: 'connect',
      message: expect.stringContaining(`no name server answers at ${endpoint}: `),
      address: endpoint,
      cause: { kind: 'connect' },
    });
  });

  test('all refuse: their answer is the error', async () => {
    first.on(GET_ROUTEINFO_BY_TOPIC, notReady);
    second.on(GET_ROUTEINFO_BY_TOPIC, notReady);
    await expect(ask()).rejects.toMatchObject({ name: 'ResponseError', code: 1 });
  });

  test('the deadline of the whole holds', async () => {
    first.on(GET_ROUTEINFO_BY_TOPIC, silent);
    await expect(ask(50)).rejects.toMatchObject({ kind: 'timeout' });
    expect(askedCounts()).toEqual([1, 0]);
  });
});
