/** What does the embedded engine do beside Apache RocketMQ with the same client, and what does it cost in memory and in time to start? */
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ClusterClient } from '../src/client/client.ts';
import { parseTagFilter } from '../src/client/message-filter.ts';
import { clientDefaults } from '../src/client/options.ts';
import { Deadline } from '../src/remoting/deadline.ts';
import { type BrokerProcess, startApache, startEngineProcess } from './brokers.ts';
import { headOf, median, spread, tableOf } from './report.ts';
import { store } from './stored-messages.ts';

const body = Buffer.alloc(256, 'x');
const roundCount = 3;
const sendMs = 5_000;
const popCount = 60_000;
const storedCount = 1_000_000;
const logBytes = 1_073_741_824;

const log = { debug() {}, info() {}, warn: console.warn, error: console.error };
const soon = () => Deadline.after(60_000);
const directory = await mkdtemp(join(tmpdir(), 'engine-bench-'));

try {
  await compare();
  await measureSize();
  await measureRecovery();
} finally {
  await rm(directory, { recursive: true, force: true });
}

/** Rounds of both brokers in turn, so that what else the machine does meets both. */
async function compare(): Promise<void> {
  console.log(
    headOf(
      `Embedded engine and Apache RocketMQ: ${body.length} B bodies, one client, medians of ${roundCount} rounds (least to most)`,
    ),
  );
  const brokers = [await startEngineProcess(join(directory, 'compare')), await startApache()];
  const results = new Map<string, Result[]>();
  const cases: readonly (readonly [
    string,
    (client: ClusterClient, broker: BrokerProcess, topic: string) => Promise<Result>,
  ])[] = [
    ['send, 1 in flight', (client, broker, topic) => send(client, broker, { topic, inFlight: 1 })],
    ['send, 64 in flight', (client, broker, topic) => send(client, broker, { topic, inFlight: 64 })],
    ['send, 512 in flight', (client, broker, topic) => send(client, broker, { topic, inFlight: 512 })],
    ['POP + ack of a backlog', popAndAck],
  ];
  for (let round = 0; round <= roundCount; round += 1) {
    for (const [name, measure] of cases) {
      for (const broker of brokers) {
        const client = clientOf(broker);
        const result = await measure(client, broker, `bench_${round}_${name.replaceAll(/\W/g, '_')}`);
        await client.close();
        // The first round is for the compilers of both to get warm.
        const key = `${name}|${broker.name}`;
        if (round > 0) results.set(key, [...(results.get(key) ?? []), result]);
      }
    }
  }
  console.log(tableOf([...results].map(([key, rounds]) => row(key, rounds))));
  for (const broker of brokers) await broker.stop();
}

interface Result {
  readonly perSecond: number;
  readonly cpuMicros: number;
}

function row(key: string, rounds: readonly Result[]) {
  const [name = '', broker = ''] = key.split('|');
  return {
    case: name,
    broker,
    'messages/s': spread(rounds.map(({ perSecond }) => perSecond)),
    'broker CPU µs/message': Math.round(median(rounds.map(({ cpuMicros }) => cpuMicros))),
  };
}

function clientOf({ nameServer }: BrokerProcess): ClusterClient {
  return new ClusterClient({ ...clientDefaults, nameServers: [nameServer], log });
}

async function send(
  client: ClusterClient,
  broker: BrokerProcess,
  { topic, inFlight }: { topic: string; inFlight: number },
): Promise<Result> {
  const message = { topic, body, delivery: { kind: 'now' } } as const;
  await client.producer.send(message, soon());
  const cpuBefore = broker.cpuMicros();
  const startedMs = performance.now();
  let count = 0;
  const worker = async (): Promise<void> => {
    while (performance.now() - startedMs < sendMs) {
      await client.producer.send(message, soon());
      count += 1;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return resultOf(broker, count, startedMs, cpuBefore);
}

async function popAndAck(client: ClusterClient, broker: BrokerProcess, topic: string): Promise<Result> {
  await store(client, topic, popCount, body.length);
  // A broker may put messages into their queues a little after its answer.
  await sleep(1_000);
  const consumer = client.popConsumer({
    subscriber: { group: `group_${topic}`, topic },
    filter: parseTagFilter('*'),
    invisibleDurationMs: 60_000,
    renewalDurationMs: 0,
    pollDurationMs: 1_000,
  });
  await consumer.open(soon());
  const cpuBefore = broker.cpuMicros();
  const startedMs = performance.now();
  const acks: Promise<unknown>[] = [];
  const ending = new AbortController();
  for await (const message of consumer.stream({ messagesMax: 1_000, signal: ending.signal })) {
    acks.push(consumer.ack(message.receipt, soon()));
    if (acks.length === popCount) break;
  }
  await Promise.all(acks);
  const result = resultOf(broker, popCount, startedMs, cpuBefore);
  ending.abort();
  await consumer.close();
  return result;
}

function resultOf(broker: BrokerProcess, count: number, startedMs: number, cpuBefore: number): Result {
  const seconds = (performance.now() - startedMs) / 1_000;
  return { perSecond: count / seconds, cpuMicros: (broker.cpuMicros() - cpuBefore) / count };
}

async function measureSize(): Promise<void> {
  console.log(headOf('Start and memory of the embedded engine, as a process of its own'));
  const engine = await startEngineProcess(join(directory, 'size'));
  const idle = megabytes(engine.residentBytes());
  const client = clientOf(engine);
  await store(client, 'bench_size', storedCount, body.length);
  const full = megabytes(engine.residentBytes());
  await client.close();
  await engine.stop();
  console.log(
    tableOf([
      {
        'ready ms': Math.round(engine.readyMs),
        'ready ms, with the process': Math.round(engine.sinceProcessStartMs),
        'idle MB': idle,
        [`MB after ${storedCount} messages`]: full,
      },
    ]),
  );
}

/** The time of a start after a crash, by the length of the log. */
async function measureRecovery(): Promise<void> {
  console.log(headOf('Start of the embedded engine after kill -9'));
  const home = join(directory, 'recovery');
  const engine = await startEngineProcess(home);
  const client = clientOf(engine);
  let bytes = 0;
  while (bytes < logBytes) {
    await store(client, 'bench_recovery', 100_000, body.length);
    bytes = await bytesIn(join(home, 'commitlog'));
  }
  await client.close();
  await engine.kill();
  const again = await startEngineProcess(home);
  const size = bytes / 1e8;
  console.log(
    tableOf([
      {
        'log MB': Math.round(bytes / 1e6),
        'ready s': (again.readyMs / 1_000).toFixed(2),
        's per 100 MB': (again.readyMs / 1_000 / size).toFixed(2),
        'MB then': megabytes(again.residentBytes()),
      },
    ]),
  );
  await again.stop();
}

async function bytesIn(folder: string): Promise<number> {
  const sizes = await Promise.all((await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}
