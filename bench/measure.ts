import type { BrokerProcess } from './brokers.ts';
import { type Figures, type Round, wordsOf } from './figures.ts';
import { cpuMicros, forgetPeak, peakBytes, residentBytes } from './process-figures.ts';
import { type Event, type Spoken, startProgram } from './programs.ts';
import type { ProxyProcess } from './proxies.ts';
import { percentile } from './report.ts';

/** Longest that one measurement may take, in ms. */
const measureMsMax = 90_000;

/** Who fails so often is not asked again: a peer that hangs must not take the time of all others. */
const failureCountMax = 2;

/** What takes part in one measurement. */
export interface Run {
  /** Without one, CPU time and memory are the client's. */
  readonly proxy?: ProxyProcess;
  readonly broker: BrokerProcess;
  /**
   * Clients that work side by side. Each prints `ready` and waits for a line, or `measured` when what is measured begins by itself, then a line with
   * the result, and lives until it is told to end.
   */
  readonly commands: readonly (readonly string[])[];
  readonly env?: NodeJS.ProcessEnv;
  /** Called when a client prints `joined`, before anything is measured. */
  onJoined?(): Promise<void>;
}

/** Runs clients. @throws Error with what one was to do where it ends without a result, as it does when a call fails. */
export async function measure({ proxy, broker, commands, env = process.env, onJoined }: Run): Promise<Round> {
  const clients = commands.map((command) => startClient(command, env));
  const pids = clients.map(({ pid }) => pid);
  const measured = proxy === undefined ? pids : [proxy.pid];
  const cpu = () => ({ own: cpuOf(measured), broker: broker.cpuMicros(), clients: cpuOf(pids) });
  try {
    if (onJoined !== undefined) {
      await Promise.all(clients.map((client) => client.until('joined')));
      await onJoined();
    }
    const begins = await Promise.all(clients.map((client) => client.until('ready', 'measured')));
    measured.forEach(forgetPeak);
    const before = cpu();
    for (const [index, { event }] of begins.entries()) if (event === 'ready') clients[index]?.tell('begin');
    const results = await Promise.all(clients.map((client) => client.until('done')));
    const after = cpu();
    const { count, perSecond, latenciesMs } = sumOf(results);
    return {
      'messages/s': perSecond,
      ...(latenciesMs.length === 0
        ? {}
        : { 'p50 ms': percentile(latenciesMs, 0.5), 'p99 ms': percentile(latenciesMs, 0.99) }),
      'CPU µs/message': (after.own - before.own) / count,
      ...(broker.isCanned ? {} : { 'broker CPU µs/message': (after.broker - before.broker) / count }),
      'peak MB': sum(measured.map(peakBytes)) / 1_048_576,
      ...(proxy === undefined ? {} : { 'load cores': ((after.clients - before.clients) * perSecond) / count / 1e6 }),
    };
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
}

/** What clients side by side did together. @param results Of each, its line `done`; latencies of all come sorted. */
export function sumOf(results: readonly Event[]): { count: number; perSecond: number; latenciesMs: number[] } {
  const latencies = results.flatMap(({ latenciesMicros }) => (latenciesMicros ?? []) as readonly number[]);
  return {
    count: sum(results.map(({ count }) => Number(count))),
    perSecond: sum(results.map(({ count, seconds }) => Number(count) / Number(seconds))),
    latenciesMs: latencies.sort((one, other) => one - other).map((micros) => micros / 1_000),
  };
}

/** What a proxy grows by while a client opens many streams, and the CPU time that it takes then while they wait. */
export async function measureStreams(proxy: ProxyProcess, command: readonly string[]): Promise<Round> {
  const client = startClient(command, process.env);
  try {
    await client.until('measured');
    const bytesBefore = residentBytes(proxy.pid);
    await client.until('opened');
    const cpuBefore = cpuMicros(proxy.pid);
    const { count, seconds } = await client.until('done');
    // Of the streams opened before, half as many as are counted, the CPU time is counted as well.
    const waiting = Number(count) * 1.5;
    return {
      'KB/stream': (residentBytes(proxy.pid) - bytesBefore) / 1_024 / Number(count),
      'CPU µs/stream and second': (cpuMicros(proxy.pid) - cpuBefore) / waiting / Number(seconds),
    };
  } finally {
    await client.end();
  }
}

/** One of several that are compared. */
export interface Contestant {
  /** What it is to do. */
  readonly case: string;
  readonly name: string;
  run(round: number): Promise<Round>;
}

/** Rounds of all of them in turn, so that what else the machine does meets each. A round that fails is told, and missing. */
export async function interleave(roundCount: number, contestants: readonly Contestant[]): Promise<Figures[]> {
  const results = contestants.map((contestant) => ({
    contestant,
    rounds: [] as Round[],
    failures: [] as string[],
  }));
  for (let round = 0; round < roundCount; round += 1) {
    for (const { contestant, rounds, failures } of results) {
      if (failures.length >= failureCountMax) continue;
      try {
        rounds.push(await contestant.run(round));
      } catch (error) {
        failures.push(wordsOf(error));
      }
    }
  }
  return results.map(({ contestant: { case: name, name: who }, rounds, failures }) => ({
    case: name,
    name: who,
    rounds,
    failures,
  }));
}

interface Client extends Spoken {
  /** The next line of one of these names. @throws Error with what the client was to do where it ends before. */
  until(...names: readonly string[]): Promise<Event>;
}

function startClient(command: readonly string[], env: NodeJS.ProcessEnv): Client {
  const client = startProgram(command, { timeout: measureMsMax, env });
  const until = async (...names: readonly string[]): Promise<Event> => {
    for (;;) {
      const { value, done } = await client.events.next();
      if (done === true) {
        // What it wrote last may still be on its way.
        await client.end();
        const asked = `a client was not ${names.join(' or ')} (${command.slice(1).join(' ').slice(0, 200)})`;
        throw new Error([client.lastTrouble(), asked].filter(Boolean).join('; '));
      }
      if (names.includes(String(value['event']))) return value;
    }
  };
  return { ...client, until };
}

function cpuOf(pids: readonly number[]): number {
  return sum(pids.map(cpuMicros));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
