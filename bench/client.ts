/** What do this client, the official Java client and the official Go client do with one broker, and what does each cost? */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { ClusterClient } from '../src/client/client.ts';
import { clientDefaults } from '../src/client/options.ts';
import { Deadline } from '../src/remoting/deadline.ts';
import { checkoutDirectory } from '../test/rocketmq/java.ts';
import { compileGo, compileJava, skipGo, skipJavaClients } from '../test/rocketmq/official/build.ts';
import { startApache } from './brokers.ts';
import { cpuMicros, median, peakBytes, printHead, printTable } from './run.ts';

const bodyBytes = 256;
const roundCount = 3;
const warmMs = 2_000;
const measuredMs = 4_000;
const receiveCount = 100_000;
const batchCount = 200;

/**
 * A program with the arguments `send NAME_SERVER TOPIC IN_FLIGHT WARM_MS MEASURED_MS BODY_BYTES` or `receive NAME_SERVER TOPIC GROUP COUNT`. It
 * prints a line when what is measured begins and one with the result, and lives until its input ends.
 */
interface Peer {
  readonly name: string;
  readonly command: readonly string[];
}

/** What one measurement gave. */
interface Result {
  readonly perSecond: number;
  readonly p99Ms: number;
  readonly cpuMicros: number;
  readonly peakMegabytes: number;
}

const home = await mkdtemp(join(tmpdir(), 'client-bench-'));
const broker = await startApache();
try {
  await compare(await findPeers());
} finally {
  await broker.stop();
  await rm(home, { recursive: true, force: true, maxRetries: 5 });
}

async function findPeers(): Promise<Peer[]> {
  const sources = join(checkoutDirectory(), 'bench', 'peers');
  const own = (way: 'push' | 'pull' | 'pop'): Peer => ({
    name: way === 'push' ? 'this client' : `this client, stream by ${way}`,
    command: [process.execPath, 'build/bench/peers/own.js', way],
  });
  const peers = [own('push'), own('pull'), own('pop')];
  if (!skipJavaClients()) {
    const classPath = await compileJava('5.5.0', [join(sources, 'java')]);
    const options = ['-Xmx1g', `-Duser.home=${home}`];
    peers.push({ name: 'rocketmq-client 5.5.0 (Java)', command: ['java', ...options, '-cp', classPath, 'Peer'] });
  }
  if (!skipGo()) peers.push({ name: 'rocketmq-client-go 2.1.2', command: [await compileGo(join(sources, 'go'))] });
  return peers;
}

/** Rounds of all peers in turn, so that what else the machine does meets each. */
async function compare(peers: readonly Peer[]): Promise<void> {
  printHead(`Clients: ${bodyBytes} B bodies, one ${broker.name}, medians of ${roundCount} rounds (least to most)`);
  const results = new Map<string, Result[]>();
  for (let round = 0; round < roundCount; round += 1) {
    const topic = `bench_client_${round}`;
    await fill(topic);
    for (const [name, create] of cases(topic)) {
      for (const peer of peers) {
        // All of ours send in the same way.
        if (name.startsWith('send') && peer.name.includes('stream')) continue;
        const key = `${name}|${peer.name}`;
        results.set(key, [...(results.get(key) ?? []), await measure(peer, create(peer))]);
      }
    }
  }
  printTable([...results].map(([key, rounds]) => rowOf(key.split('|'), rounds)));
}

function cases(topic: string): readonly (readonly [string, (peer: Peer) => readonly string[]])[] {
  const send = (inFlight: number) => () =>
    ['send', broker.nameServer, `${topic}_sends`, inFlight, warmMs, measuredMs, bodyBytes].map(String);
  const group = ({ name }: Peer): string => `group_${topic}_${name.replaceAll(/\W/g, '_')}`;
  return [
    ['send, 1 in flight', send(1)],
    ['send, 64 in flight', send(64)],
    ['send, 512 in flight', send(512)],
    ['receive + ack of a backlog', (peer) => ['receive', broker.nameServer, topic, group(peer), String(receiveCount)]],
  ];
}

/** Runs one measurement as a process of its own. @throws Error with what it said when it fails. */
async function measure({ name, command }: Peer, parameters: readonly string[]): Promise<Result> {
  const [program = '', ...options] = command;
  const child = spawn(program, [...options, ...parameters], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, HOME: home },
    timeout: 120_000,
  });
  const pid = child.pid ?? 0;
  let cpuBefore = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.startsWith('{"event":')) continue;
    const { event, count, seconds, p99Ms } = JSON.parse(line);
    if (event === 'measured') cpuBefore = cpuMicros(pid);
    else if (event === 'done') {
      const result = {
        perSecond: count / seconds,
        p99Ms,
        cpuMicros: (cpuMicros(pid) - cpuBefore) / count,
        peakMegabytes: peakBytes(pid) / 1_048_576,
      };
      const exit = new Promise((resolve) => child.once('exit', resolve));
      child.stdin.end();
      await exit;
      return result;
    }
  }
  throw new Error(`${name} ended without a result: ${parameters.join(' ')}`);
}

function rowOf([name = '', peer = '']: readonly string[], rounds: readonly Result[]) {
  const of = (value: (result: Result) => number): number[] => rounds.map(value);
  const rates = of(({ perSecond }) => perSecond).map(Math.round);
  const p99Ms = median(of((result) => result.p99Ms));
  return {
    case: name,
    client: peer,
    'messages/s': `${median(rates)} (${Math.min(...rates)}–${Math.max(...rates)})`,
    'p99 ms': p99Ms === 0 ? '–' : p99Ms.toFixed(2),
    'client CPU µs/message': Math.round(median(of((result) => result.cpuMicros))),
    'peak MB': Math.round(median(of((result) => result.peakMegabytes))),
  };
}

/** Stores what is to be received, in batches, eight at a time, and makes the topic that is sent to. */
async function fill(topic: string): Promise<void> {
  const log = { debug() {}, info() {}, warn: console.error, error: console.error };
  const client = new ClusterClient({ ...clientDefaults, nameServers: [broker.nameServer], log });
  const message = { topic, body: Buffer.alloc(bodyBytes, 'x'), delivery: { kind: 'now' } } as const;
  const batch = Array.from({ length: batchCount }, () => message);
  let left = receiveCount;
  const worker = async (): Promise<void> => {
    while (left > 0) {
      left -= batchCount;
      await client.producer.sendBatch(batch, Deadline.after(60_000));
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  await client.producer.send({ ...message, topic: `${topic}_sends` }, Deadline.after(60_000));
  for (const name of [topic, `${topic}_sends`]) await untilKnown(client, name);
  await client.close();
  // A broker may put messages into their queues a little after its answer.
  await sleep(1_000);
}

/** Waits until name servers know the topic: client-go fails where many of its first sends to a new one meet. */
async function untilKnown(client: ClusterClient, topic: string): Promise<void> {
  const deadline = Deadline.after(60_000);
  for (;;) {
    try {
      await client.admin.topicOffsets(topic, deadline);
      return;
    } catch (error) {
      if (deadline.remainingMs() === 0) throw error;
      await sleep(100);
    }
  }
}
