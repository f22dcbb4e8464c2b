/** Brokers as processes of their own, so that their CPU time and memory can be told apart from the client's. */
import { startRocketMQ } from '../test/rocketmq/cluster.ts';
import { cpuMicros, residentBytes } from './process-figures.ts';
import { firstEvent, startProgram } from './programs.ts';

export interface BrokerProcess {
  readonly name: string;
  readonly nameServer: string;
  /** Whether it stores nothing, and so knows every topic. */
  readonly isCanned: boolean;
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
    isCanned: false,
    cpuMicros: () => cpuMicros(cluster.pids.broker),
    residentBytes: () => residentBytes(cluster.pids.broker),
    kill: () => cluster.kill('broker', 'SIGKILL'),
    stop: () => cluster.stop(),
  };
}

/** @param dataDir A folder, or `memory`. */
export async function startEngineProcess(dataDir: string): Promise<EngineProcess> {
  const { ready, broker } = await startNodeBroker('embedded engine', ['build/bench/engine-process.js', dataDir]);
  return {
    ...broker,
    readyMs: Number(ready['readyMs']),
    sinceProcessStartMs: Number(ready['sinceProcessStartMs']),
  };
}

/** It answers every send and stores none: what is left is what a proxy costs. */
export async function startCannedBroker(): Promise<BrokerProcess> {
  const { broker } = await startNodeBroker('canned replies', ['build/bench/canned-broker.js']);
  return { ...broker, isCanned: true };
}

async function startNodeBroker(name: string, parameters: readonly string[]) {
  const program = startProgram([process.execPath, ...parameters]);
  const ready = await firstEvent(program, name);
  const broker: BrokerProcess = {
    name,
    nameServer: String(ready['nameServer']),
    isCanned: false,
    cpuMicros: () => cpuMicros(program.pid),
    residentBytes: () => residentBytes(program.pid),
    kill: () => program.end('SIGKILL'),
    stop: () => program.end(),
  };
  return { ready, broker };
}
