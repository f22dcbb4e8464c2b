import type { BrokerProcess } from './brokers.ts';
import type { Figures, Round } from './figures.ts';
import { cpuMicros, forgetPeak, peakBytes, residentBytes } from './process-figures.ts';
import { type Spoken, startProgram } from './programs.ts';
import type { ProxyProcess } from './proxies.ts';

/** Longest that one measurement may take, in ms. */
const measureMsMax = 120_000;

/** What takes part in one measurement. */
export interface Run {
  /** Without one, CPU time and memory are the client's. */
  readonly proxy?: ProxyProcess;
  readonly broker: BrokerProcess;
  /** A client that prints a line when what is measured begins and one with the result, and lives until it is told to end. */
  readonly command: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

/** Runs a client. @throws Error with what it was to do where it ends without a result, as it does when a call fails. */
export async function measure({ proxy, broker, command, env = process.env }: Run): Promise<Round> {
  const client = startProgram(command, { timeout: measureMsMax, env });
  const pid = proxy?.pid ?? client.pid;
  const cpu = () => ({ own: cpuMicros(pid), broker: broker.cpuMicros(), client: cpuMicros(client.pid) });
  try {
    await untilEvent(client, 'measured', command);
    forgetPeak(pid);
    const before = cpu();
    const done = await untilEvent(client, 'done', command);
    const after = cpu();
    const [count, seconds, p99Ms] = [Number(done['count']), Number(done['seconds']), Number(done['p99Ms'])];
    return {
      'messages/s': count / seconds,
      ...(p99Ms > 0 ? { 'p50 ms': Number(done['p50Ms']), 'p99 ms': p99Ms } : {}),
      'CPU µs/message': (after.own - before.own) / count,
      ...(broker.isCanned ? {} : { 'broker CPU µs/message': (after.broker - before.broker) / count }),
      'peak MB': peakBytes(pid) / 1_048_576,
      ...(proxy === undefined ? {} : { 'load cores': (after.client - before.client) / 1e6 / seconds }),
    };
  } finally {
    await client.end();
  }
}

/** What a proxy grows by while a client opens many streams, and the CPU time that it takes then while they wait. */
export async function measureStreams(proxy: ProxyProcess, command: readonly string[]): Promise<Round> {
  const client = startProgram(command, { timeout: measureMsMax });
  try {
    await untilEvent(client, 'measured', command);
    const bytesBefore = residentBytes(proxy.pid);
    await untilEvent(client, 'opened', command);
    const cpuBefore = cpuMicros(proxy.pid);
    const { count, seconds } = await untilEvent(client, 'done', command);
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
      try {
        rounds.push(await contestant.run(round));
      } catch (error) {
        failures.push(error instanceof Error ? error.message : String(error));
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

/** The next line of this name that a client prints. @throws Error with what the client was to do where it ends before. */
async function untilEvent(client: Spoken, name: string, command: readonly string[]) {
  for (;;) {
    const { value, done } = await client.events.next();
    if (done === true) throw new Error(`a client ended before it was ${name}: ${command.join(' ').slice(0, 300)}`);
    if (value['event'] === name) return value;
  }
}
