import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, it, onTestFinished } from 'vitest';
import { clientDefaults } from '../../src/client/options.ts';
import { Deadline } from '../../src/remoting/deadline.ts';
import { RequestCode } from '../../src/remoting/request-code.ts';
import { createTopicOn, type RocketMQCluster, startRocketMQ, type TopicOptions } from '../rocketmq/cluster.ts';
import { type RocketMQVersion, rocketmqVersions, skipRocketMQ } from '../rocketmq/java.ts';
import { freePort } from '../rocketmq/ports.ts';
import { History } from '../support/history.ts';
import { outgoing, Reader, RealClients } from '../support/real-client.ts';
import { routesScript } from '../support/scripted-cluster.ts';
import { ScriptedPeer } from '../support/scripted-peer.ts';
import { closedAddress } from '../support/tcp-peers.ts';
import { largest, Row } from './figures.ts';
import { Load, type Send, sendBy } from './load.ts';
import { stageOnEngine } from './stages.ts';
import { openWitnesses, settled, stuckMsMax, testimonyOf, type Witness } from './ways.ts';

const GET_ROUTEINFO_BY_TOPIC = 105;
const DELETE_TOPIC_IN_BROKER = 215;
const DELETE_TOPIC_IN_NAMESRV = 216;
const queueCount = 4;

/** A load by a client of its own. */
function startLoad(send: Send, perSecond: number, prefix: string, underWayMax?: number): Load {
  const load = new Load(new History(), send).start(perSecond, prefix, underWayMax);
  onTestFinished(() => load.stop());
  return load;
}

for (const version of rocketmqVersions) {
  describe.skipIf(skipRocketMQ())(`two brokers ${version}`, { timeout: 240_000 }, () => {
    let brokers: readonly [RocketMQCluster, RocketMQCluster];
    let clients: RealClients;

    beforeAll(async () => {
      brokers = await startBrokers(version);
      clients = new RealClients(brokers[0].nameServer);
    });

    afterAll(async () => {
      await clients?.close();
      await brokers?.[1].stop();
      await brokers?.[0].stop();
    });

    it('R-10: the name server is away for 60 s', async () => {
      const row = new Row(`R-10 ${version}`);
      const [broker] = brokers;
      const topic = 'unnamed';
      await broker.createTopic(topic, { queueCount });
      const witnesses = await openWitnesses(clients, topic, version);
      const load = startLoad(sendBy(clients.create(), topic, 3_000), 50, 'm');
      await sleep(3_000);
      await broker.kill('nameServer', 'SIGKILL');
      const goneMs = performance.now();
      const before = witnesses.map(({ reader }) => reader.messages.length);
      const late = clients.create();
      const refused = await late.producer.send(outgoing(topic, 'too-early'), Deadline.after(3_000)).then(
        () => 0,
        () => 1,
      );
      await sleep(60_000 - (performance.now() - goneMs));
      const received = witnesses.map(({ reader }, index) => reader.messages.length - (before[index] ?? 0));
      await broker.restartNameServer();
      const early = performance.now();
      const again = startLoad(sendBy(late, topic, 3_000), 20, 'late');
      while (again.firstSuccessMs(early) === undefined) await sleep(20);
      row
        .exactly('sends failed while it was away for 60 s', load.failures.length, 0)
        .atLeast('messages received meanwhile, fewest', Math.min(...received), 0.9 * 50 * 60)
        .exactly('sends refused of a client that started meanwhile', refused, 1)
        .atMost('its first success once it is back', (again.firstSuccessMs(early) ?? Infinity) - early, 2_000, 'ms');
      await Promise.all([load.stop(), again.stop()]);
      await judge('R-10', witnesses, [load, again]);
      row.judge();
    });

    it('R-11: one of the two is killed, and comes back', async () => {
      const row = new Row(`R-11 ${version}`);
      const [home, away] = brokers;
      const topic = 'shared-out';
      await createTopicOn(away, topic, { queueCount });
      await home.createTopic(topic, { queueCount });
      await hasBrokers(home, topic, 2);
      const witnesses = await openWitnesses(clients, topic, version);
      const stored: { readonly brokerName: string; readonly queueId: number; readonly atMs: number }[] = [];
      // A send that fails at two brokers fails as a whole.
      const patient = clients.create({ sendAttemptsMax: 2 });
      const load = startLoad(
        async (id) => {
          const { queue } = await patient.producer.send(outgoing(topic, id), Deadline.after(3_000));
          stored.push({ ...queue, atMs: performance.now() });
        },
        100,
        'm',
      );
      // Each sends one message after the other, so that a failure can teach it something.
      const hasty = Array.from({ length: 5 }, (_, index) =>
        startLoad(sendBy(clients.create({ sendAttemptsMax: 1 }), topic, 3_000), 10, `hasty${index}-`, 1),
      );
      await sleep(5_000);
      await away.kill('broker', 'SIGKILL');
      const killedMs = performance.now();
      await sleep(15_000);
      await away.restartBroker();
      const backMs = performance.now();
      const counts = Array.from({ length: queueCount }, (_, queueId) => {
        const own = stored.filter((one) => one.brokerName === home.brokerName && one.queueId === queueId);
        return own.filter(({ atMs }) => atMs > killedMs + 1_000 && atMs < backMs).length;
      });
      const mean = counts.reduce((sum, count) => sum + count, 0) / queueCount;
      const usedAgainMs = (): number | undefined =>
        stored.find(({ brokerName, atMs }) => brokerName === away.brokerName && atMs > backMs)?.atMs;
      while (usedAgainMs() === undefined && performance.now() - backMs < 40_000) await sleep(20);
      await sleep(1_000);
      await Promise.all([load, ...hasty].map((one) => one.stop()));
      row
        .tell('away for', (backMs - killedMs) / 1_000, 's')
        .exactly('sends with more than one failed try', load.failures.length, 0)
        .atMost('failed tries of one sender, most', largest(hasty.map(({ failures }) => failures.length)), 1)
        .atMost('uneven load of the rest', largest(counts.map((count) => Math.abs(count / mean - 1))) * 100, 10, '%')
        .atMost('in use again after its return', (usedAgainMs() ?? Infinity) - backMs, 30_000, 'ms');
      await judge('R-11', witnesses, [load, ...hasty]);
      row.judge();
    });

    it('R-14: a topic changes its queues, is deleted and made again, and its broker moves', async () => {
      const row = new Row(`R-14 ${version}`);
      const [home, broker] = brokers;
      const topic = 'changing';
      const change = async (options: TopicOptions): Promise<void> => {
        await createTopicOn(broker, topic, options);
        await hasBrokers(home, topic, 1);
      };
      await change({ queueCount });
      const witnesses = await openWitnesses(clients, topic, version);
      const sender = clients.create();
      const send = sendBy(sender, topic, 5_000);
      const settle = async (what: string, load: Load): Promise<void> => {
        await load.stop();
        const settledMs = await Promise.all(witnesses.map((witness) => settled(witness, [load])));
        for (const [index, { title }] of witnesses.entries())
          row.atMost(`${what}: the last message came to ${title} after`, settledMs[index] ?? 0, stuckMsMax, 'ms');
      };
      const changed = startLoad(send, 50, 'changed');
      for (const count of [8, 2, 8]) {
        await sleep(3_000);
        await change({ queueCount: count });
      }
      await sleep(3_000);
      await settle('other queues', changed);
      // A broker may refuse a queue a little before its name server knows that there is none.
      row.tell('sends failed around changes of the queue count', changed.failures.length);
      await broker.brokerCall(DELETE_TOPIC_IN_BROKER, { topic });
      await broker.nameServerCall(DELETE_TOPIC_IN_NAMESRV, { topic });
      await sleep(1_000);
      await change({ queueCount });
      const remade = startLoad(send, 50, 'remade');
      await sleep(6_000);
      await settle('a new topic', remade);
      row.tell('sends failed around the deletion', remade.failures.length);
      const moved = startLoad(send, 50, 'moved');
      await sleep(2_000);
      await broker.restartBroker(await freePort(-2, 1));
      const movedMs = performance.now();
      while (moved.firstSuccessMs(movedMs) === undefined && performance.now() - movedMs < stuckMsMax) await sleep(20);
      await sleep(1_000);
      await settle('a new address', moved);
      row.atMost(
        'first success at its new address',
        (moved.firstSuccessMs(movedMs) ?? Infinity) - movedMs,
        2_000,
        'ms',
      );
      await judge('R-14', witnesses, [changed, remade, moved]);
      row.judge();
    });
  });
}

describe('name servers', () => {
  it('R-10: nobody answers at the start, and one of two knows the wrong thing', async () => {
    const topic = 'topic';
    const row = new Row('R-10 engine');
    const stage = await stageOnEngine('pull');
    await stage.createTopic(topic);
    const right = [{ brokerName: 'broker-a', address: stage.broker.brokerAddress, queueCount }];
    const nameServers = [await ScriptedPeer.start(), await ScriptedPeer.start()];
    for (const nameServer of nameServers) {
      onTestFinished(() => nameServer.stop());
      nameServer.on(RequestCode.GET_ROUTEINFO_BY_TOPIC, routesScript({ [topic]: right }));
      await nameServer.stop();
    }
    const clients = new RealClients('');
    onTestFinished(() => clients.close());
    const client = clients.create({ nameServers: nameServers.map(({ address }) => address) });
    const refused = await client.producer.send(outgoing(topic, 'too-early'), Deadline.after(3_000)).then(
      () => 0,
      () => 1,
    );
    const [first, second] = nameServers;
    await first?.listen();
    const startMs = performance.now();
    const load = startLoad(sendBy(client, topic, 3_000), 50, 'm');
    while (load.firstSuccessMs(startMs) === undefined) await sleep(20);
    row
      .exactly('sends refused while nobody answers', refused, 1)
      .atMost('first success once one answers', (load.firstSuccessMs(startMs) ?? Infinity) - startMs, 2_000, 'ms');
    await second?.listen();
    const witnesses = await Promise.all(
      (['pop', 'pull'] as const).map(async (mode) => {
        const reader = await Reader.open(
          client,
          { group: `g-${mode}`, topic },
          { mode, consumeFrom: { kind: 'first' } },
        );
        return { title: `engine ${mode}`, reader, client };
      }),
    );
    const earlyFailures = load.failures.length;
    // The one that is asked leads astray, from the next refresh on; the other one knows better.
    const wrong = [{ brokerName: 'broker-a', address: await closedAddress(), queueCount }];
    first?.on(RequestCode.GET_ROUTEINFO_BY_TOPIC, routesScript({ [topic]: wrong }));
    await sleep(clientDefaults.routeRefreshIntervalMs + 3_000);
    const lateFailures = load.failures.length;
    await sleep(5_000);
    row
      .tell('sends failed around a wrong route', lateFailures - earlyFailures)
      .exactly('sends failed after it', load.failures.length - lateFailures, 0);
    await load.stop();
    await judge('R-10', witnesses, [load]);
    row.judge();
  });
});

/** Tells what each witness has seen, once it can see no more. */
async function judge(name: string, witnesses: readonly Witness[], loads: readonly Load[]): Promise<void> {
  const settledMs = await Promise.all(witnesses.map((witness) => settled(witness, loads)));
  for (const [index, witness] of witnesses.entries()) {
    testimonyOf(name, witness, loads)
      .atMost('last message after the last send', settledMs[index] ?? 0, stuckMsMax, 'ms')
      .judge();
    await witness.reader.stop();
  }
}

/** Two brokers with one name server; the second one is the one to be hurt. */
async function startBrokers(version: RocketMQVersion): Promise<readonly [RocketMQCluster, RocketMQCluster]> {
  // So often, in ms, can brokers register at most: a name server that was away knows them all the sooner.
  const brokerConfig = { registerNameServerPeriod: 10_000 };
  const first = await startRocketMQ({ version, brokerConfig });
  try {
    const second = { version, joins: first, brokerConfig: { ...brokerConfig, brokerName: 'broker-b' } };
    return [first, await startRocketMQ(second)];
  } catch (error) {
    await first.stop();
    throw error;
  }
}

/** Waits until the name server has so many brokers for a topic. */
async function hasBrokers(cluster: RocketMQCluster, topic: string, count: number): Promise<void> {
  for (;;) {
    const { code, body } = await cluster.nameServerCall(GET_ROUTEINFO_BY_TOPIC, { topic });
    if (code === 0 && body.toString().match(/"brokerAddrs"/g)?.length === count) return;
    await sleep(50);
  }
}
