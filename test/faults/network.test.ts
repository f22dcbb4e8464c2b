import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, it, onTestFinished } from 'vitest';
import { ClientError } from '../../src/client/errors.ts';
import { Deadline } from '../../src/remoting/deadline.ts';
import { RequestCode } from '../../src/remoting/request-code.ts';
import { ResponseCode } from '../../src/remoting/response-code.ts';
import { ChaosProxy, seededRandom, type Weather } from '../support/chaos-proxy.ts';
import { connectEngine, type EngineClient, startTestEngine } from '../support/engine-client.ts';
import { ProxyClient, reasonOf } from '../support/grpc-client.ts';
import { History } from '../support/history.ts';
import { type ProxyProcess, startProxyProcess } from '../support/proxy-process.ts';
import { outgoing, Reader, RealClients } from '../support/real-client.ts';
import { routesScript, startScriptedCluster, storingScript } from '../support/scripted-cluster.ts';
import { ScriptedPeer } from '../support/scripted-peer.ts';
import { canSeparateNetworks, connectionStates, SeparateNetworks } from '../support/separate-networks.ts';
import { percentile, Row } from './figures.ts';
import { drain, Load, outcomeOfFailure, Pulse, sendBy, sendInOrder, sendThrough } from './load.ts';

const topic = 'topic';
const queueCount = 4;
const graceMs = 200;
const hasNetworks = canSeparateNetworks();
/** Of the broker in its own network. */
const farPort = 10_911;

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

interface SeparatePath {
  readonly networks: SeparateNetworks;
  readonly broker: EngineClient;
  readonly proxy: ProxyProcess;
  /** Of the proxy, from here. */
  readonly address: string;
}

/** A proxy in a network of its own, whose way to an engine leads through another; name servers are on its side. */
async function startSeparatePath(writeTimeoutMs: number): Promise<SeparatePath> {
  const engine = await startTestEngine();
  const broker = await connectEngine(engine.brokerAddress);
  await broker.send(topic, 'first');
  const nameServer = await ScriptedPeer.start();
  onTestFinished(() => nameServer.stop());
  const networks = await SeparateNetworks.start();
  onTestFinished(() => networks.stop());
  const brokerAddress = `${networks.farAddress}:${farPort}`;
  const queues = [{ brokerName: 'broker-a', address: brokerAddress, queueCount }];
  nameServer.on(RequestCode.GET_ROUTEINFO_BY_TOPIC, routesScript({ [topic]: queues }));
  const socket = (name: string): string => join(networks.directory, name);
  await networks.relay('here', [socket('broker'), engine.brokerAddress]);
  await networks.relay('far', [brokerAddress, socket('broker')]);
  await networks.relay('here', [socket('name-server'), nameServer.address]);
  await networks.relay('near', ['127.0.0.1:9876', socket('name-server')]);
  const settings = { ROCKETMQ_ENDPOINT: '127.0.0.1:9876', WRITE_TIMEOUT: `${writeTimeoutMs}ms` };
  const proxy = await startProxyProcess(settings, networks.nearCommand);
  onTestFinished(() => proxy.stop());
  await networks.relay('near', [socket('proxy'), proxy.address]);
  return { networks, broker, proxy, address: `unix:${socket('proxy')}` };
}

/** The message that made the topic. */
function historyOfTopic(): History {
  const history = new History();
  history.add({ op: 'send', id: 'first', startMs: 0, endMs: 0, outcome: 'stored' });
  return history;
}

describe('networks', () => {
  // Where no user may make networks, by a TCP proxy that goes silent: connections are accepted still, which the kernel's do not.
  it.skipIf(hasNetworks)('R-09: swallow everything for 20 s', async () => {
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

  it.runIf(hasNetworks)('R-09: swallow everything between a proxy and its broker for 20 s', async () => {
    const row = new Row('R-09');
    const deadlineMs = 3_000;
    const holeMs = 20_000;
    const { networks, broker, proxy, address } = await startSeparatePath(deadlineMs);
    const client = new ProxyClient(address);
    onTestFinished(() => client.close());
    const history = historyOfTopic();
    const producerId = await client.createProducer(topic);
    const { stream } = await client.subscribe(topic, 'readers');
    const load = new Load(history, sendThrough(client, producerId, 10 * deadlineMs), outcomeOfFailure).start(50);
    onTestFinished(() => load.stop());
    // A cold proxy keeps nobody's pace.
    await stream.take(200);
    const pulse = new Pulse(address);
    onTestFinished(() => pulse.stop());
    await networks.swallow();
    const startMs = performance.now();
    const isReplaced = (): boolean => connectionStates(proxy.pid, farPort).includes(2);
    while (!isReplaced() && performance.now() - startMs < holeMs) await sleep(20);
    const replacedMs = performance.now();
    await sleep(startMs + holeMs - replacedMs);
    const receivedBefore = stream.messages.length;
    await networks.heal();
    const healedMs = performance.now();
    await stream.until((messages) => messages.length > receivedBefore);
    const receivedMs = performance.now();
    await sleep(3_000);
    await load.stop();
    await pulse.stop();
    await drain(history, broker, { topic, queueCount });
    const verdict = row.judged(history);
    const successMs = load.firstSuccessMs(healedMs) ?? Infinity;
    // Who was held up for a second has not read what came meanwhile, and waits for a sign of life anew.
    const anewMs = pulse.longestMs < 1_000 ? 0 : 5_250;
    row
      .tell('outcome unknown', verdict.unknownCount)
      .exactly('failed without a reason', load.failures.filter((error) => reasonOf(error) === undefined).length, 0)
      .tell('the processes were held up, at most', pulse.longestMs, 'ms')
      .atMost('longest send, less that meanwhile', pulse.longestOf(load.sends), deadlineMs + graceMs, 'ms')
      .tell('connection replaced after', replacedMs - startMs, 'ms')
      .atMost('the same, less that meanwhile', Math.max(0, pulse.less(startMs, replacedMs) - anewMs), 6_000, 'ms')
      .tell('first success after healing', successMs - healedMs, 'ms')
      .atMost('the same, less that meanwhile', pulse.less(healedMs, successMs), 2_000, 'ms')
      .tell('first message received after healing', receivedMs - healedMs, 'ms')
      .atMost('the same, less that meanwhile', pulse.less(healedMs, receivedMs), 2_000, 'ms')
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
      .exactly('refused otherwise than as "not stored"', load.failures.filter((error) => !isNotStored(error)).length, 0)
      .atMost('tries per send', offered / sentCount, 1.5)
      .atMost('offered to the broker, of what was sent', (offered / sentCount) * 100, 110, '%')
      .tell('this process was held up, at most', load.stallMs, 'ms')
      .atMost('longest send, less that', load.longestMs, 3_000 + graceMs, 'ms')
      .judge();
  });
});

function isNotStored(error: unknown): boolean {
  return error instanceof ClientError && error.kind === 'notStored';
}

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
