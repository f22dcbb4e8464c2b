/** What every benchmark needs: a real broker, the proxy as a process of its own, clients of the published API, and its CPU time. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { createInterface } from 'node:readline';
import {
  type ChannelCredentials,
  type Client,
  credentials,
  type GrpcObject,
  loadPackageDefinition,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { startRocketMQ } from '../test/rocketmq/cluster.ts';

/** Clients call by name: what is measured is the proxy, not this code. */
export type ProxyClient = Client & Record<string, (...parameters: unknown[]) => unknown>;
export type Reply = Readonly<Record<string, string>>;

export interface Run {
  /** A new connection to the proxy. */
  connect(): ProxyClient;
  /** CPU time of the proxy so far, in µs. */
  proxyCpuMicros(): number;
  stop(): Promise<void>;
}

/** Starts RocketMQ 5.5.0, or uses ROCKETMQ_ENDPOINT where it is set, and the proxy in front of it. */
export async function startRun(): Promise<Run> {
  const given = process.env['ROCKETMQ_ENDPOINT'];
  const cluster = given === undefined ? await startRocketMQ({ javaOptions: [], heapMegabytes: 1024 }) : undefined;
  const endpoint = given ?? cluster?.nameServer ?? '';
  const proxy = spawn(process.execPath, ['dist/server.js'], {
    env: { ...process.env, ROCKETMQ_ENDPOINT: endpoint, GRPC_PORT: '0', METRICS_PORT: '0', PROXY_DATA_DIR: 'memory' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const address = await proxyAddress(proxy);
  const Service = proxyService();
  return {
    connect: () => new Service(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 }),
    proxyCpuMicros: () => cpuMicros(proxy.pid ?? 0),
    async stop() {
      proxy.kill('SIGTERM');
      await new Promise((resolve) => proxy.once('exit', resolve));
      await cluster?.stop();
    },
  };
}

/** One unary call. */
export function call(client: ProxyClient, method: string, request: object): Promise<Reply> {
  return new Promise((resolve, reject) => {
    client[method]?.(request, (error: Error | null, reply: Reply) => (error === null ? resolve(reply) : reject(error)));
  });
}

/** Machine, versions and date: without them a figure says nothing. */
export function printHead(title: string): void {
  const { model = 'unknown processor' } = cpus()[0] ?? {};
  console.log(
    `# ${title}\n\n${new Date().toISOString().slice(0, 10)}, ${cpus().length} × ${model}, Node ${process.versions.node}\n`,
  );
}

export function printTable(rows: readonly Readonly<Record<string, string | number>>[]): void {
  const names = Object.keys(rows[0] ?? {});
  console.log(`| ${names.join(' | ')} |\n|${names.map(() => '---:').join('|')}|`);
  for (const row of rows) console.log(`| ${names.map((name) => row[name]).join(' | ')} |`);
}

/** The value below which the share `part` of the sorted values lies. */
export function percentile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  return percentile(
    [...values].sort((one, other) => one - other),
    0.5,
  );
}

async function proxyAddress(proxy: ChildProcess): Promise<string> {
  if (proxy.stdout === null) throw new Error('the proxy has no output');
  for await (const line of createInterface({ input: proxy.stdout })) {
    const grpc: unknown = JSON.parse(line).grpc;
    if (typeof grpc === 'string') {
      proxy.stdout.resume();
      return grpc.replace('http://', '');
    }
  }
  throw new Error('the proxy ended before it listened');
}

type ServiceClient = new (address: string, credentials: ChannelCredentials, options: object) => ProxyClient;

function proxyService(): ServiceClient {
  const definition = loadSync('proto/rocketmq/rocketmq.proto', { keepCase: true, longs: String, defaults: true });
  const root = loadPackageDefinition(definition)['rocketmq'] as GrpcObject;
  return root['RocketMQProxy'] as unknown as ServiceClient;
}

/** utime and stime of /proc/PID/stat, in ticks. */
export function cpuMicros(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return ((Number(fields[11]) + Number(fields[12])) * 1e6) / ticksPerSecond;
}

/** Most memory that a process has had resident, in bytes. */
export function peakBytes(pid: number): number {
  const [, kilobytes = '0'] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) * 1_024;
}

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
