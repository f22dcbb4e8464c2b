/** Brokers as processes of their own, so that their CPU time and memory can be told apart from the client's. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { startRocketMQ } from '../test/rocketmq/cluster.ts';
import { cpuMicros } from './run.ts';

export interface BrokerProcess {
  readonly name: string;
  readonly nameServer: string;
  /** CPU time so far, in µs. */
  cpuMicros(): number;
  /** Resident memory, in bytes. */
  residentBytes(): number;
  /** Ends it at once, as a crash does. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

export interface EngineProcess extends BrokerProcess {
  /** From the call of `startBroker` to its end. */
  readonly readyMs: number;
  /** From the start of the process to that end. */
  readonly sinceProcessStartMs: number;
}

/** Apache RocketMQ 5.5.0 with its own flags for the JVM. */
export async function startApache(): Promise<BrokerProcess> {
  const cluster = await startRocketMQ({ javaOptions: [], heapMegabytes: 1024 });
  return {
    name: 'Apache RocketMQ 5.5.0',
    nameServer: cluster.nameServer,
    cpuMicros: () => cpuMicros(cluster.pids.broker),
    residentBytes: () => residentBytes(cluster.pids.broker),
    kill: () => cluster.kill('broker', 'SIGKILL'),
    stop: () => cluster.stop(),
  };
}

/** @param dataDir A folder, or `memory`. */
export async function startEngineProcess(dataDir: string): Promise<EngineProcess> {
  const child = spawn(process.execPath, ['build/bench/engine-process.js', dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const { nameServer, readyMs, sinceProcessStartMs } = await firstLine(child);
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await exit;
  };
  return {
    name: 'embedded engine',
    nameServer,
    readyMs,
    sinceProcessStartMs,
    cpuMicros: () => cpuMicros(child.pid ?? 0),
    residentBytes: () => residentBytes(child.pid ?? 0),
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
  };
}

interface Ready {
  readonly nameServer: string;
  readonly readyMs: number;
  readonly sinceProcessStartMs: number;
}

async function firstLine(child: ChildProcess): Promise<Ready> {
  if (child.stdout === null) throw new Error('the engine has no output');
  for await (const line of createInterface({ input: child.stdout })) {
    const ready = JSON.parse(line);
    if (ready.nameServer === undefined) throw new Error(line);
    child.stdout.resume();
    return ready;
  }
  throw new Error('the engine ended before it listened');
}

function residentBytes(pid: number): number {
  const [, kilobytes = '0'] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) * 1_024;
}
