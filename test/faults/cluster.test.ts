import { setTimeout as sleep } from 'node:timers/promises';
import { describe, it, onTestFinished } from 'vitest';
import type { RunningBroker } from '../../src/broker/broker.ts';
import { Deadline } from '../../src/remoting/deadline.ts';
import { RequestCode } from '../../src/remoting/request-code.ts';
import { connectEngine, startTestEngine } from '../support/engine-client.ts';
import { History } from '../support/history.ts';
import { outgoing, Reader, RealClients } from '../support/real-client.ts';
import { brokerNames, routesScript, type ScriptedQueues } from '../support/scripted-cluster.ts';
import { ScriptedPeer } from '../support/scripted-peer.ts';
import { closedAddress } from '../support/tcp-peers.ts';
import { Row } from './figures.ts';
import { drain, Load, sendBy } from './load.ts';

const topic = 'topic';
const queueCount = 4;

async function startNameServer(queues: readonly ScriptedQueues[]): Promise<ScriptedPeer> {
  const nameServer = await ScriptedPeer.start();
  onTestFinished(() => nameServer.stop());
  return nameServer.on(RequestCode.GET_ROUTEINFO_BY_TOPIC, routesScript({ [topic]: queues }));
}

/** Engines as the brokers of one topic, which each has already. */
async function startBrokers(count: number): Promise<{ engines: RunningBroker[]; queues: ScriptedQueues[] }> {
  const names = brokerNames.slice(0, count);
  const engines = await Promise.all(names.map((brokerName) => startTestEngine({ brokerName })));
  for (const [index, engine] of engines.entries()) {
    await (await connectEngine(engine.brokerAddress)).send(topic, `first${index}`);
  }
  const queues = engines.map(({ brokerAddress }, index) => ({
    brokerName: names[index] ?? '',
    address: brokerAddress,
    queueCount,
  }));
  return { engines, queues };
}

/** The messages that made the topic at so many brokers. */
function historyOfTopic(brokerCount: number): History {
  const history = new History();
  for (let index = 0; index < brokerCount; index += 1) {
    history.add({ op: 'send', id: `first${index}`, startMs: 0, endMs: 0, outcome: 'stored' });
  }
  return history;
}

/** How many messages an engine has of the topic. */
function storedCount({ engine }: RunningBroker): number {
  return Array.from({ length: queueCount }, (_, queueId) => engine.store.maxOffset(topic, queueId)).reduce(
    (sum, offset) => sum + offset,
    0,
  );
}

async function drainAll(history: History, engines: readonly RunningBroker[]): Promise<void> {
  for (const [index, engine] of engines.entries()) {
    const name = brokerNames[index] ?? '';
    await drain(history, await connectEngine(engine.brokerAddress), { topic, queueCount, name });
  }
}

describe('parts of a cluster', () => {
  it('R-10: name servers are away, or know the wrong thing', async () => {
    const row = new Row('R-10');
    const downMs = 60_000;
    const { engines, queues } = await startBrokers(1);
    const nameServers = [await startNameServer(queues), await startNameServer(queues)];
    const [first, second] = nameServers;
    if (first === undefined || second === undefined) throw new Error('there are two');
    const clients = new RealClients('');
    onTestFinished(() => clients.close());
    const addresses = nameServers.map(({ address }) => address);
    const start = () => clients.create({ nameServers: addresses, routeRefreshIntervalMs: 2_000 });
    const history = historyOfTopic(1);
    const client = start();
    const reader = await Reader.open(client, { topic, group: 'readers' });
    const load = new Load(history, sendBy(client, topic, 3_000)).start(50);
    onTestFinished(() => load.stop());
    await sleep(2_000);
    await Promise.all(nameServers.map((nameServer) => nameServer.stop()));
    const receivedBefore = reader.messages.length;
    const late = start();
    const refused = await late.producer.send(outgoing(topic, 'too-early'), Deadline.after(3_000)).then(
      () => 0,
      () => 1,
    );
    await sleep(downMs);
    row
      .exactly('sends failed while both were away for 60 s', load.failures.length, 0)
      .atLeast('messages received meanwhile', reader.messages.length - receivedBefore, 0.9 * 50 * (downMs / 1_000))
      .exactly('sends refused of a client that started meanwhile', refused, 1);
    await second.listen();
    const early = performance.now();
    const again = new Load(history, sendBy(late, topic, 3_000)).start(20, 'late');
    onTestFinished(() => again.stop());
    while (again.firstSuccessMs(early) === undefined) await sleep(20);
    row.atMost('its first success once one is back', (again.firstSuccessMs(early) ?? 0) - early, 2_000, 'ms');
    // The one that is asked leads astray from now on; the other one knows better.
    const wrong = [{ brokerName: 'broker-a', address: await closedAddress(), queueCount }];
    second.on(RequestCode.GET_ROUTEINFO_BY_TOPIC, routesScript({ [topic]: wrong }));
    await first.listen();
    await sleep(6_000);
    const wrongMs = performance.now();
    const failedBefore = load.failures.length + again.failures.length;
    await sleep(4_000);
    await Promise.all([load.stop(), again.stop()]);
    row
      .tell('sends failed around a wrong route', load.failures.length + again.failures.length)
      .exactly('of them after 6 s', load.failures.length + again.failures.length - failedBefore, 0)
      .atMost('last success before the end', performance.now() - wrongMs - 4_000, 2_000, 'ms');
    await drainAll(history, engines);
    row.judged(history);
    row.judge();
  });

  it('R-11: one of three brokers is away for 15 s', async () => {
    const row = new Row('R-11');
    const downMs = 15_000;
    const { engines, queues } = await startBrokers(3);
    const nameServer = await startNameServer(queues);
    const clients = new RealClients(nameServer.address);
    onTestFinished(() => clients.close());
    // A send that fails at two brokers fails as a whole.
    const client = clients.create({ sendAttemptsMax: 2 });
    const history = historyOfTopic(3);
    const load = new Load(history, sendBy(client, topic, 3_000)).start(200);
    onTestFinished(() => load.stop());
    await sleep(3_000);
    const [away, ...rest] = engines;
    if (away === undefined) throw new Error('there are three');
    const countsBefore = rest.map(storedCount);
    const awayBefore = storedCount(away);
    const back = away.restart(downMs);
    await back;
    const backMs = performance.now();
    const gained = rest.map((engine, index) => storedCount(engine) - (countsBefore[index] ?? 0));
    const mean = gained.reduce((sum, count) => sum + count, 0) / gained.length;
    while (storedCount(away) <= awayBefore + 5 && performance.now() - backMs < 40_000) await sleep(50);
    const usedAgainMs = performance.now() - backMs;
    await load.stop();
    await drainAll(history, engines);
    const verdict = row.judged(history);
    row
      .exactly('sends with more than one failed try', load.failures.length, 0)
      .tell('stored by more than one try', verdict.retriedDuplicates.length)
      .tell('this process was held up, at most', load.stallMs, 'ms')
      .atMost('longest send, less that', load.longestMs, 3_200, 'ms')
      .atMost(
        'uneven load of the others',
        Math.max(...gained.map((count) => Math.abs(count / mean - 1))) * 100,
        10,
        '%',
      )
      .atMost('in use again after its return', usedAgainMs, 30_000, 'ms')
      .judge();
  });

  it('R-14: a broker comes back under another address', async () => {
    const row = new Row('R-14');
    const { engines, queues } = await startBrokers(1);
    const nameServer = await startNameServer(queues);
    const clients = new RealClients(nameServer.address);
    onTestFinished(() => clients.close());
    const client = clients.create();
    const reader = await Reader.open(client, { topic, group: 'readers' });
    const history = new History();
    const load = new Load(history, sendBy(client, topic, 3_000)).start(50);
    onTestFinished(() => load.stop());
    await sleep(2_000);
    await engines[0]?.close();
    await sleep(3_000);
    const moved = await startBrokers(1);
    nameServer.on(RequestCode.GET_ROUTEINFO_BY_TOPIC, routesScript({ [topic]: moved.queues }));
    const movedMs = performance.now();
    const receivedBefore = reader.messages.length;
    while (load.firstSuccessMs(movedMs) === undefined && performance.now() - movedMs < 40_000) await sleep(10);
    await Promise.race([reader.until(() => reader.messages.length > receivedBefore), sleep(40_000)]);
    row
      .atMost('first success at its new address', (load.firstSuccessMs(movedMs) ?? Infinity) - movedMs, 2_000, 'ms')
      .atMost('first message received from there', performance.now() - movedMs, 5_000, 'ms')
      .judge();
    await load.stop();
  });
});
