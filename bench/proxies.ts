/** The proxies that are compared, each a process of its own in front of one broker. */
import type { BrokerProcess } from './brokers.ts';
import { firstEvent, type Spoken, startProgram } from './programs.ts';

export interface ProxyProcess {
  readonly name: string;
  /** `host:port` of its gRPC port. */
  readonly address: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** Settings of this proxy, as environment variables. */
export type ProxySettings = Readonly<Record<string, string>>;

export const goProxyName = 'Go proxy';

/** This proxy, as it was built. */
export async function startOwnProxy(broker: BrokerProcess, settings: ProxySettings = {}): Promise<ProxyProcess> {
  const env = {
    ...process.env,
    ROCKETMQ_ENDPOINT: broker.nameServer,
    GRPC_PORT: '0',
    METRICS_PORT: '0',
    PROXY_DATA_DIR: 'memory',
    ...settings,
  };
  const program = startProgram([process.execPath, 'dist/server.js'], { env });
  for (;;) {
    const { grpc } = await firstEvent(program, 'this proxy');
    if (typeof grpc === 'string') return proxyOf('this proxy', grpc.replace('http://', ''), program);
  }
}

/** A proxy of the same API on `rocketmq-client-go` and grpc-go. @param program See `goPeer`. */
export async function startGoProxy(broker: BrokerProcess, program: string): Promise<ProxyProcess> {
  const started = startProgram([program, 'proxy', broker.nameServer]);
  const { grpc } = await firstEvent(started, 'the Go proxy');
  return proxyOf(goProxyName, String(grpc), started);
}

function proxyOf(name: string, address: string, program: Spoken): ProxyProcess {
  void showTrouble(program);
  return { name, address, pid: program.pid, stop: () => program.end() };
}

/** Levels of lines that tell of no trouble. */
const quietLevels: readonly unknown[] = ['debug', 'info', undefined];

/** Shows what a proxy warns of: its figures may not say what they seem to. */
async function showTrouble({ events }: Spoken): Promise<void> {
  for (;;) {
    const { value, done } = await events.next();
    if (done === true) return;
    if (!quietLevels.includes(value['level'])) console.error(value);
  }
}
