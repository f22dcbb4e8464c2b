import { setTimeout as sleep } from 'node:timers/promises';
import { describe, it, onTestFinished } from 'vitest';
import { Deadline } from '../../src/remoting/deadline.ts';
import { RequestCode } from '../../src/remoting/request-code.ts';
import { ResponseCode } from '../../src/remoting/response-code.ts';
import { ChaosProxy, seededRandom, type Weather } from '../support/chaos-proxy.ts';
import { connectEngine, type EngineClient, startTestEngine } from '../support/engine-client.ts';
import { History } from '../support/history.ts';
import { outgoing, Reader, RealClients } from '../support/real-client.ts';
import { routesScript, startScriptedCluster, storingScript } from '../support/scripted-cluster.ts';
import { ScriptedPeer } from '../support/scripted-peer.ts';
import { percentile, Row } from './figures.ts';
import { drain, Load, sendBy, sendInOrder } from './load.ts';

const topic = 'topic';
const queueCount = 4;
const graceMs = 200;

interface Path {
  readonly clients: RealClients;
  readonly chaos: ChaosProxy;
  readonly broker: EngineClient;
}

/** Clients whose way to an engine leads through a network of any weather, by a route of their own name server. */
async function startPath(seed: number): Promise<Path> {
  const engine = await startTestEngine();
  const chaos = await ChaosProxy.start(engine.brokerAddress, seed);
  onTestFinished(() => chaos.close());
  const nameServer = await ScriptedPeer.start();
  onTestFinished(() => nameServer.stop());
  const queues = [{ brokerName: 'broker-a', address: chaos.address, queueCount }];
  nameServer.on(RequestCode.GET_ROUTEINFO_BY_TOPIC, routesScript({ [topic]: queues }));
  const broker = await connectEngine(engine.brokerAddress);
  await broker.send(topic, 'first');
  const clients = new RealClients(nameServer.address);
  onTestFinished(() => clients.close());
  return { clients, chaos, broker };
}

/** The message that made the topic. */
function historyOfTopic(): History {
  const history = new History();
  history.add({ op: 'send', id: 'first', startMs: 0, endMs: 0, outcome: 'stored' });
  return history;
}

describe('networks', () => {
  it('R-09: swallow everything for 20 s', async () => {
    const row = new Row('R-09');
    const deadlineMs = 3_000;
    const holeMs = 20_000;
    const { clients, chaos, broker } = await startPath(9);
    const history = historyOfTopic();
    const client = clients.create();
    const reader = await Reader.open(client, { topic, group: 'readers' });
    const load = new Load(history, sendBy(client, topic, deadlineMs)).start(50);
    onTestFinished(() => load.stop());
    await sleep(2_000);
    const connectionsBefore = chaos.acceptedCount;
    chaos.weather = { blackHole: true };
    const startMs = performance.now();
    while (chaos.acceptedCount === connectionsBefore && performance.now() - startMs < holeMs) await sleep(20);
    const detectedMs = performance.now() - startMs;
    await sleep(holeMs - detectedMs);
    chaos.weather = {};
    const healedMs = performance.now();
    const receivedBefore = reader.messages.length;
    await reader.until(() => reader.messages.length > receivedBefore);
    const receivedAgainMs = performance.now() - healedMs;
    await sleep(3_000);
    await load.stop();
    await drain(history, broker, { topic, queueCount });
    const verdict = row.judged(history);
    row
      .tell('outcome unknown', verdict.unknownCount)
      .tell('this process was held up, at most', load.stallMs, 'ms')
      .atMost('longest send, less that', load.longestMs, deadlineMs + graceMs, 'ms')
      .atMost('connection replaced after', detectedMs, 6_000, 'ms')
      .atMost('first success after healing', (load.firstSuccessMs(healedMs) ?? Infinity) - healedMs, 2_000, 'ms')
      .atMost('first message received after healing', receivedAgainMs, 2_000, 'ms')
      .judge();
  });

  it('R-12: delay, cut and slow down', async () => {
    const row = new Row('R-12');
    const deadlineMs = 5_000;
    const { clients, chaos, broker } = await startPath(12);
    const history = historyOfTopic();
    const client = clients.create();
    const stopOrdered = sendInOrder(history, client, topic);
    onTestFinished(stopOrdered);
    const run = async (prefix: string, weather: Partial<Weather>, durationMs: number): Promise<Load> => {
      chaos.weather = weather;
      const load = new Load(history, sendBy(client, topic, deadlineMs)).start(100, prefix);
      onTestFinished(() => load.stop());
      await sleep(durationMs);
      await load.stop();
      return load;
    };
    const delayed = await run('delay', { delayMs: 20, jitterMs: 20, chunkBytesMax: 1_460 }, 5_000);
    const cut = await run('cut', { delayMs: 20, jitterMs: 20, cutChance: 0.03 }, 8_000);
    const closed = await run('half', { delayMs: 20, jitterMs: 20, halfCloseChance: 0.03 }, 5_000);
    const times = (load: Load): number[] => load.sends.map(({ startMs, endMs }) => endMs - startMs);
    const share = (load: Load): number =>
      load.sends.filter(({ outcome }) => outcome === 'stored').length / Math.max(1, load.sends.length);
    row
      .atMost('p99 of a send, 20 ms and jitter', percentile(times(delayed), 99), deadlineMs, 'ms')
      .exactly('failed sends, 20 ms and jitter', delayed.failures.length, 0)
      .atMost('p99 of a send, 3 % cut', percentile(times(cut), 99), deadlineMs, 'ms')
      .tell('stored of those sent, 3 % cut', share(cut) * 100, '%')
      .atMost('p99 of a send, 3 % half-closed', percentile(times(closed), 99), deadlineMs, 'ms')
      .tell('stored of those sent, 3 % half-closed', share(closed) * 100, '%');
    await stopOrdered();
    const bytesPerSecond = 125_000;
    // As long as bodies can be that are not compressed.
    const bodyBytes = 4_000;
    chaos.weather = { bytesPerSecond };
    const goodput = await measureGoodput(client, { bodyBytes, durationMs: 8_000, history });
    row.atLeast('bodies through 1 Mbit/s', (goodput / bytesPerSecond) * 100, 70, '%');
    chaos.weather = {};
    await drain(history, broker, { topic, queueCount });
    const verdict = row.judged(history);
    row
      .tell('outcome unknown', verdict.unknownCount)
      .tell('stored by more than one try', verdict.retriedDuplicates.length)
      .exactly('overtaken in a queue, or of a sharding key', verdict.disorder.length, 0)
      .judge();
  });

  it('R-13: half of the sends are refused for load, for 30 s', async () => {
    const row = new Row('R-13');
    const perSecond = 200;
    const cluster = await startScriptedCluster();
    onTestFinished(() => cluster.stop());
    const store = storingScript(cluster.broker.address);
    const random = seededRandom(13);
    cluster.broker.on(RequestCode.SEND_MESSAGE_V2, (request, connection) =>
      random() < 0.5 ? { code: ResponseCode.SYSTEM_BUSY, remark: '[TIMEOUT_CLEAN_QUEUE]' } : store(request, connection),
    );
    const history = new History();
    const load = new Load(history, sendBy(cluster.client(), topic, 3_000)).start(perSecond);
    onTestFinished(() => load.stop());
    await sleep(30_000);
    await load.stop();
    const offered = cluster.broker.requests(RequestCode.SEND_MESSAGE_V2).length;
    const { sentCount, storedCount, unknownCount } = history.judge();
    row
      .tell('messages sent', sentCount)
      .tell('stored', storedCount)
      .exactly('outcome unknown', unknownCount, 0)
      .exactly('sends without an answer', sentCount - load.sends.length, 0)
      .atMost('tries per send', offered / sentCount, 1.5)
      .atMost('offered to the broker, of what was sent', (offered / sentCount) * 100, 110, '%')
      .tell('this process was held up, at most', load.stallMs, 'ms')
      .atMost('longest send, less that', load.longestMs, 3_000 + graceMs, 'ms')
      .judge();
  });
});

/** Bytes of bodies that are stored in a second by many senders who each wait for their answer. */
async function measureGoodput(
  client: ReturnType<RealClients['create']>,
  { bodyBytes, durationMs, history }: { bodyBytes: number; durationMs: number; history: History },
): Promise<number> {
  const startMs = performance.now();
  const endMs = startMs + durationMs;
  let storedBytes = 0;
  let count = 0;
  const sender = async (): Promise<void> => {
    while (performance.now() < endMs) {
      const id = `slow${count++}`.padEnd(bodyBytes, '.');
      const sentAtMs = performance.now();
      await client.producer.send(outgoing(topic, id), Deadline.after(10_000));
      storedBytes += bodyBytes;
      history.add({ op: 'send', id, startMs: sentAtMs, endMs: performance.now(), outcome: 'stored' });
    }
  };
  await Promise.all(Array.from({ length: 16 }, sender));
  return storedBytes / ((performance.now() - startMs) / 1_000);
}
