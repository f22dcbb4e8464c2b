import type { BrokerProcess } from './brokers.ts';
import { cpuMicros, peakBytes, residentBytes } from './process-figures.ts';
import { type Spoken, startProgram } from './programs.ts';
import type { ProxyProcess } from './proxies.ts';
import { median, type Row, spread } from './report.ts';

/** What one measurement gave; CPU time per message. */
export interface Measurement {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of the proxy, or without one of the client; so are the megabytes. */
  readonly micros: number;
  readonly brokerMicros: number;
  readonly peakMegabytes: number;
}

/** Longest that one measurement may take, in ms. */
const measureMsMax = 180_000;

/**
 * Runs a client that loads a proxy: it prints a line when what is measured begins and one with the result, and lives until it is told to
 * end. @throws Error with what it was to do where it ends without a result.
 */
export async function measure(
  proxy: ProxyProcess | undefined,
  broker: BrokerProcess,
  command: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<Measurement> {
  const client = startProgram(command, { timeout: measureMsMax, env });
  const cpu = (): [number, number] => [cpuMicros(proxy?.pid ?? client.pid), broker.cpuMicros()];
  try {
    await untilEvent(client, 'measured', command);
    const [proxyBefore, brokerBefore] = cpu();
    const { count, seconds, p50Ms, p99Ms } = await untilEvent(client, 'done', command);
    const [proxyAfter, brokerAfter] = cpu();
    return {
      perSecond: Number(count) / Number(seconds),
      p50Ms: Number(p50Ms),
      p99Ms: Number(p99Ms),
      micros: (proxyAfter - proxyBefore) / Number(count),
      brokerMicros: (brokerAfter - brokerBefore) / Number(count),
      peakMegabytes: peakBytes(proxy?.pid ?? client.pid) / 1_048_576,
    };
  } finally {
    await client.end();
  }
}

/** What a proxy grows by, and the CPU time that it takes, while a client does something that it says has been done. */
export async function growthOf(proxy: ProxyProcess, command: readonly string[]) {
  const client = startProgram(command, { timeout: measureMsMax });
  try {
    await untilEvent(client, 'measured', command);
    const [bytesBefore, cpuBefore] = [residentBytes(proxy.pid), cpuMicros(proxy.pid)];
    const { seconds } = await untilEvent(client, 'done', command);
    return {
      grownBytes: residentBytes(proxy.pid) - bytesBefore,
      cpuMicros: cpuMicros(proxy.pid) - cpuBefore,
      seconds: Number(seconds),
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
  run(round: number): Promise<Measurement>;
}

/** What one of them was measured to do in all rounds. */
export interface Result {
  readonly case: string;
  readonly name: string;
  readonly rounds: readonly Measurement[];
}

/** Rounds of all of them in turn, so that what else the machine does meets each. */
export async function interleave(roundCount: number, contestants: readonly Contestant[]): Promise<Result[]> {
  const results = contestants.map((contestant) => ({ contestant, rounds: [] as Measurement[] }));
  for (let round = 0; round < roundCount; round += 1) {
    for (const { contestant, rounds } of results) rounds.push(await contestant.run(round));
  }
  return results.map(({ contestant, rounds }) => ({ case: contestant.case, name: contestant.name, rounds }));
}

/** The columns that each table of messages has. @param who The process whose CPU time was taken. */
export function columnsOf(rounds: readonly Measurement[], who: 'proxy' | 'client'): Row {
  const of = (value: (one: Measurement) => number): number[] => rounds.map(value);
  const hasLatency = rounds.some(({ p99Ms }) => p99Ms > 0);
  const shown = (value: number): string => (hasLatency ? value.toFixed(2) : '–');
  return {
    'messages/s': spread(of(({ perSecond }) => perSecond)),
    'p50 ms': shown(median(of(({ p50Ms }) => p50Ms))),
    'p99 ms': shown(median(of(({ p99Ms }) => p99Ms))),
    [`${who} CPU µs/message`]: spread(of(({ micros }) => micros)),
    'broker CPU µs/message': Math.round(median(of(({ brokerMicros }) => brokerMicros))),
    'peak MB': Math.round(Math.max(...of(({ peakMegabytes }) => peakMegabytes))),
  };
}

/** The next line of this name that a client prints. @throws Error with what the client was to do where it ends before. */
export async function untilEvent(client: Spoken, name: string, command: readonly string[]) {
  for (;;) {
    const { value, done } = await client.events.next();
    if (done === true) throw new Error(`a client ended without ${name}: ${command.join(' ')}`);
    if (value['event'] === name) return value;
  }
}
