/** The proxies that are compared, each a process of its own in front of one broker. */
import { startApacheProxy } from './apache-proxy.ts';
import type { Bench } from './bench.ts';
import type { BrokerProcess } from './brokers.ts';
import { type Figures, failedFigures } from './figures.ts';
import { firstEvent, type Spoken, startProgram } from './programs.ts';

export interface ProxyProcess {
  readonly name: string;
  /** `host:port` of its gRPC port. */
  readonly address: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** This proxy with its defaults or with one way of receiving, the Go proxy, and Apache's. */
export const proxyNames = {
  own: 'this proxy',
  pull: 'this proxy, pull',
  pop: 'this proxy, POP',
  go: 'Go proxy',
  apache: "Apache's proxy",
} as const;

export type ProxyKind = keyof typeof proxyNames;

/** Starts some for as long as they are used. Those whose tools are missing are left out; one that does not start is told with the others' figures. */
export async function withProxies(
  { broker, peers }: Bench,
  kinds: readonly ProxyKind[],
  use: (proxies: readonly ProxyProcess[]) => Promise<Figures[]>,
): Promise<Figures[]> {
  const proxies: ProxyProcess[] = [];
  const failed: Figures[] = [];
  try {
    for (const kind of kinds) {
      try {
        const proxy = await startProxy(kind, broker, peers);
        if (proxy !== undefined) proxies.push({ ...proxy, name: proxyNames[kind] });
      } catch (error) {
        failed.push(failedFigures('start', proxyNames[kind], error));
      }
    }
    return [...(await use(proxies)), ...failed];
  } finally {
    for (const proxy of proxies) await proxy.stop();
  }
}

/** Starts one for as long as it is used. @throws Error where its tools are missing */
export async function withProxy<Result>(
  { broker, peers }: Bench,
  kind: ProxyKind,
  use: (proxy: ProxyProcess) => Promise<Result>,
): Promise<Result> {
  const proxy = await startProxy(kind, broker, peers);
  if (proxy === undefined) throw new Error(`${proxyNames[kind]} is left out: its tools are missing`);
  try {
    return await use({ ...proxy, name: proxyNames[kind] });
  } finally {
    await proxy.stop();
  }
}

type Started = Omit<ProxyProcess, 'name'>;

async function startProxy(
  kind: ProxyKind,
  broker: BrokerProcess,
  { go, apacheProxy }: Bench['peers'],
): Promise<Started | undefined> {
  switch (kind) {
    case 'go':
      return go === undefined ? undefined : startGoProxy(broker, go);
    case 'apache':
      return apacheProxy === undefined ? undefined : startApacheProxy(broker, apacheProxy);
    case 'own':
      return startOwnProxy(broker, {});
    default:
      return startOwnProxy(broker, { PROXY_CONSUME_MODE: kind });
  }
}

/** This proxy, as it was built. */
async function startOwnProxy(broker: BrokerProcess, settings: Readonly<Record<string, string>>): Promise<Started> {
  const env = {
    ...process.env,
    ROCKETMQ_ENDPOINT: broker.nameServer,
    GRPC_PORT: '0',
    METRICS_PORT: '0',
    PROXY_DATA_DIR: 'memory',
    PROXY_HTTP2_ENGINE: 'own',
    ...settings,
  };
  const program = startProgram([process.execPath, 'dist/server.js'], { env });
  for (;;) {
    const { grpc } = await firstEvent(program, 'this proxy');
    if (typeof grpc === 'string') return proxyOf(grpc.replace('http://', ''), program);
  }
}

/** A proxy of the same API on `rocketmq-client-go` and grpc-go. @param program See `peers/go/proxy.go`. */
async function startGoProxy(broker: BrokerProcess, program: string): Promise<Started> {
  const started = startProgram([program, 'proxy', broker.nameServer]);
  const { grpc } = await firstEvent(started, 'the Go proxy');
  return proxyOf(String(grpc), started);
}

function proxyOf(address: string, program: Spoken): Started {
  void showTrouble(program);
  return { address, pid: program.pid, stop: () => program.end() };
}

/** Levels of lines that tell of no trouble. */
const quietLevels: readonly unknown[] = ['debug', 'info', undefined];

/** Shows what a proxy warns of, once: its figures may not say what they seem to. */
async function showTrouble({ events }: Spoken): Promise<void> {
  const told = new Set<string>();
  for (;;) {
    const { value, done } = await events.next();
    if (done === true) return;
    const { level, rpc, message } = value;
    if (quietLevels.includes(level)) continue;
    const line = `This proxy warns: ${[rpc, message].filter(Boolean).join(': ')}`;
    if (!told.has(line)) console.error(line);
    told.add(line);
  }
}
