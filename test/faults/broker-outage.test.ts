import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { ClientError } from '../../src/client/errors.ts';
import { type RocketMQCluster, startRocketMQ } from '../rocketmq/cluster.ts';
import { skipRocketMQ } from '../rocketmq/java.ts';
import { connectEngine } from '../support/engine-client.ts';
import { History } from '../support/history.ts';
import { RealClients } from '../support/real-client.ts';
import { Row } from './figures.ts';
import { drain, Load, sendBy } from './load.ts';

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
    await load.stop();
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
      .judge();
  });

  it('R-01: is killed and started again', async () => {
    const row = new Row('R-01');
    const deadlineMs = 5_000;
    const history = new History();
    const clients = new RealClients(cluster.nameServer);
    onTestFinished(() => clients.close());
    const load = new Load(history, sendBy(clients.create(), 'killed', deadlineMs)).start(500);
    onTestFinished(() => load.stop());
    await sleep(5_000);
    await cluster.kill('broker', 'SIGKILL');
    const killedMs = performance.now();
    const restarted = cluster.restartBroker();
    await listens(cluster.brokerAddress);
    const listensMs = performance.now();
    await restarted;
    await sleep(5_000);
    await load.stop();
    await drain(history, await connectEngine(cluster.brokerAddress), { topic: 'killed', queueCount });
    const verdict = row.judged(history);
    row
      .tell('outcome unknown', verdict.unknownCount)
      .tell('told "not stored"', verdict.notStoredCount)
      .tell('stored by more than one try', verdict.retriedDuplicates.length)
      .tell('port away', listensMs - killedMs, 'ms')
      .tell('this process was held up, at most', load.stallMs, 'ms')
      .atMost('longest send, less that', load.longestMs, deadlineMs + graceMs, 'ms')
      .atMost('first success after the port is back', firstAfter(load, listensMs), 2_000, 'ms')
      .judge();
    expect(verdict.unknownCount + verdict.notStoredCount).toBeGreaterThan(0);
  });
});

function firstAfter(load: Load, sinceMs: number): number {
  const ends = load.sends.flatMap(({ outcome, endMs }) => (outcome === 'stored' && endMs >= sinceMs ? [endMs] : []));
  return Math.max(0, Math.min(...ends) - sinceMs);
}

/** Tries of the sends that failed, by what their errors say. */
function mostTries(failures: readonly unknown[]): number {
  const counts = failures.map((failure) =>
    failure instanceof ClientError ? Number(/(\d+) tries/.exec(failure.message)?.[1] ?? 1) : 1,
  );
  return counts.reduce((most, count) => Math.max(most, count), 0);
}

/** Waits until somebody accepts connections there. */
async function listens(address: string): Promise<void> {
  const [host = '', port = ''] = address.split(':');
  for (;;) {
    const accepted = await new Promise<boolean>((resolve) => {
      const socket = connect({ host, port: Number(port) });
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      socket.once('close', () => socket.destroy());
      setTimeout(() => socket.destroy(), 500).unref();
    });
    if (accepted) return;
    await sleep(20);
  }
}
