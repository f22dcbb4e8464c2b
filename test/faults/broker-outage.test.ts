import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { ClientError } from '../../src/client/errors.ts';
import { channelDefaults } from '../../src/remoting/channel.ts';
import { Deadline } from '../../src/remoting/deadline.ts';
import { dial } from '../../src/remoting/dial.ts';
import { RemotingError } from '../../src/remoting/errors.ts';
import { sendMessage } from '../../src/remoting/requests/send-message.ts';
import { ResponseCode } from '../../src/remoting/response-code.ts';
import { type RocketMQCluster, startRocketMQ } from '../rocketmq/cluster.ts';
import { skipRocketMQ } from '../rocketmq/java.ts';
import { connectEngine, EngineClient, sendFields } from '../support/engine-client.ts';
import { ProxyClient, reasonOf } from '../support/grpc-client.ts';
import { History } from '../support/history.ts';
import { startProxyProcess } from '../support/proxy-process.ts';
import { RealClients } from '../support/real-client.ts';
import { Row } from './figures.ts';
import { drain, Load, outcomeOfFailure, Pulse, sendBy, sendThrough } from './load.ts';

const queueCount = 4;
/** What the end of a call may come later than its deadline, in ms. */
const graceMs = 200;

describe.skipIf(skipRocketMQ())('a real broker that goes away', () => {
  let cluster: RocketMQCluster;

  beforeAll(async () => {
    cluster = await startRocketMQ();
    await cluster.createTopic('paused', { queueCount });
    await cluster.createTopic('killed', { queueCount });
  });

  afterAll(() => cluster?.stop());

  it('R-08: stands still for 10 s', async () => {
    const row = new Row('R-08');
    const deadlineMs = 3_000;
    const pauseMs = 10_000;
    const history = new History();
    const clients = new RealClients(cluster.nameServer);
    onTestFinished(() => clients.close());
    const load = new Load(history, sendBy(clients.create(), 'paused', deadlineMs)).start(200);
    onTestFinished(() => load.stop());
    await sleep(3_000);
    const rssBefore = process.memoryUsage.rss();
    let rssMost = rssBefore;
    const watch = setInterval(() => {
      rssMost = Math.max(rssMost, process.memoryUsage.rss());
    }, 100);
    await cluster.kill('broker', 'SIGSTOP');
    await sleep(pauseMs);
    await cluster.kill('broker', 'SIGCONT');
    const continuedMs = performance.now();
    await sleep(5_000);
    clearInterval(watch);
    // Shorter than it takes to give a connection up, longer than a send has: its answers come when nobody waits for them any more.
    const failedBefore = load.failures.length;
    await cluster.kill('broker', 'SIGSTOP');
    await sleep(deadlineMs + 1_000);
    await cluster.kill('broker', 'SIGCONT');
    const shortlyMs = performance.now();
    while (load.firstSuccessMs(shortlyMs) === undefined) await sleep(20);
    await load.stop();
    const failedShortly = load.failures.slice(failedBefore);
    await drain(history, await connectEngine(cluster.brokerAddress), { topic: 'paused', queueCount });
    const verdict = row.judged(history);
    row
      .tell('outcome unknown', verdict.unknownCount)
      .tell('stored by more than one try', verdict.retriedDuplicates.length)
      .tell('this process was held up, at most', load.stallMs, 'ms')
      .atMost('longest send, less that', load.longestMs, deadlineMs + graceMs, 'ms')
      .atMost('tries of one send', mostTries(load.failures), 3)
      .atMost('memory gained', (rssMost - rssBefore) / 1_048_576, 50, 'MiB')
      .atMost('first success after SIGCONT', (load.firstSuccessMs(continuedMs) ?? Infinity) - continuedMs, 2_000, 'ms')
      .atLeast('sends answered too late, in a pause of 4 s', failedShortly.length, 1)
      .exactly('of them failed by the end of a connection', failedShortly.filter(isOfClosed).length, 0)
      .judge();
  });

  it('R-01: is killed and started again, behind a proxy', async () => {
    const row = new Row('R-01');
    const deadlineMs = 5_000;
    const runMs = 30_000;
    const history = new History();
    const proxy = await startProxyProcess({
      ROCKETMQ_ENDPOINT: cluster.nameServer,
      WRITE_TIMEOUT: `${deadlineMs}ms`,
    });
    onTestFinished(() => proxy.stop());
    const client = new ProxyClient(proxy.address);
    onTestFinished(() => client.close());
    const producerId = await client.createProducer('killed');
    const send = sendThrough(client, producerId, 6 * deadlineMs);
    // Of a broker that is away nothing is sent faster than that is told: more would only wait in the client, or in a proxy that gets no time.
    const load = new Load(history, send, outcomeOfFailure).start(500, 'm', 256);
    onTestFinished(() => load.stop());
    // A cold broker and a cold proxy keep nobody's pace.
    while (load.sends.length < 2_000 || load.underWayCount > 100) await sleep(50);
    const pulse = new Pulse(proxy.address);
    onTestFinished(() => pulse.stop());
    const startMs = performance.now();
    await sleep(5_000);
    await cluster.kill('broker', 'SIGKILL');
    const killedMs = performance.now();
    const restarted = cluster.restartBroker();
    const { listensMs, storesMs } = await untilItStores(cluster.brokerAddress);
    await restarted;
    await sleep(Math.max(5_000, startMs + runMs - performance.now()));
    await load.stop();
    await pulse.stop();
    await drain(history, await connectEngine(cluster.brokerAddress), { topic: 'killed', queueCount });
    const verdict = row.judged(history);
    const firstMs = firstAfter(load, listensMs);
    row
      .tell('outcome unknown', verdict.unknownCount)
      .tell('told "not stored"', verdict.notStoredCount)
      .exactly('failed without a reason', load.failures.filter((error) => reasonOf(error) === undefined).length, 0)
      .tell('stored by more than one try', verdict.retriedDuplicates.length)
      .tell('port away', listensMs - killedMs, 'ms')
      .tell('the processes were held up, at most', pulse.longestMs, 'ms')
      .atMost('longest send, less that meanwhile', pulse.longestOf(load.sends), deadlineMs + graceMs, 'ms')
      .tell('first success after the port is back', firstMs - listensMs, 'ms')
      .tell('until the broker stored what was sent to it directly', storesMs - listensMs, 'ms')
      .atMost('first success, less all that', pulse.less(storesMs, Math.max(storesMs, firstMs)), 2_000, 'ms')
      .judge();
    expect(verdict.unknownCount + verdict.notStoredCount).toBeGreaterThan(0);
  });
});

function firstAfter(load: Load, sinceMs: number): number {
  const ends = load.sends.flatMap(({ outcome, endMs }) => (outcome === 'stored' && endMs >= sinceMs ? [endMs] : []));
  return Math.min(...ends);
}

/** Whether a send failed because its connection ended. */
function isOfClosed(failure: unknown): boolean {
  return failure instanceof Error && failure.cause instanceof RemotingError && failure.cause.kind === 'closed';
}

/** Tries of the sends that failed, by what their errors say. */
function mostTries(failures: readonly unknown[]): number {
  const counts = failures.map((failure) =>
    failure instanceof ClientError ? Number(/(\d+) tries/.exec(failure.message)?.[1] ?? 1) : 1,
  );
  return counts.reduce((most, count) => Math.max(most, count), 0);
}

/** When the broker accepted a connection, and when it first stored a message that came by one: how long it takes by itself. */
async function untilItStores(address: string): Promise<{ listensMs: number; storesMs: number }> {
  let listensMs: number | undefined;
  for (;;) {
    await sleep(20);
    try {
      const channel = await dial(address, { ...channelDefaults, connectTimeoutMs: 1_000 }, Deadline.after(1_000));
      listensMs ??= performance.now();
      try {
        const broker = new EngineClient(channel);
        while (channel.isOpen) {
          const { code } = await broker.invoke(sendMessage.encode(sendFields('paused'), Buffer.from('probe')), 1_000);
          if (code === ResponseCode.SUCCESS) return { listensMs, storesMs: performance.now() };
          await sleep(20);
        }
      } finally {
        channel.close();
      }
    } catch {
      // Nobody listens yet, or does not answer yet.
    }
  }
}
