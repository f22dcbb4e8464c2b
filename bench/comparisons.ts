/** How each question of `npm run bench` is answered. */
import { randomBytes } from 'node:crypto';
import { type Answer, answerOf } from './answer.ts';
import type { BrokerProcess } from './brokers.ts';
import { type Contestant, growthOf, interleave, measure } from './measure.ts';
import type { Peers } from './peers.ts';
import { goProxyName, type ProxyProcess, startGoProxy, startOwnProxy } from './proxies.ts';
import { fillTopic } from './stored-messages.ts';

/** How long and how often. Times in milliseconds. */
export interface Effort {
  readonly roundCount: number;
  readonly warmMs: number;
  readonly measuredMs: number;
  /** Messages of a backlog. */
  readonly backlogCount: number;
}

/** What a question is answered with. */
export interface Bench {
  readonly broker: BrokerProcess;
  readonly peers: Peers;
  readonly effort: Effort;
}

export const bodyBytes = 256;
export const connectionCount = 4;
/** This proxy's two ways of receiving. */
const bothModes = ['pull', 'pop'].map((mode) => ({ PROXY_CONSUME_MODE: mode }));
/** Streams that are opened beside the first ones. */
export const idleStreamCount = 1_000;
export const livePerSecond = 200;

export interface SendCase {
  readonly name: string;
  readonly inFlight: number;
  /** Default 4. */
  readonly connections?: number;
  /** Default 1. */
  readonly topics?: number;
  /** As `peers/grpc/load.go` names them; all but `message` and `ordered` are this proxy's alone. Default `message`. */
  readonly kind?: string;
}

export async function compareSends(bench: Bench, cases: readonly SendCase[]): Promise<Answer> {
  const { broker, peers, effort } = bench;
  return withProxies(bench, [{}], (proxies) => {
    const contestants: Contestant[] = [];
    for (const { name, inFlight, connections = connectionCount, topics = 1, kind = 'message' } of cases) {
      const names = Array.from({ length: topics }, (_, index) => `bench_send_${index}`).join(',');
      const load = [
        kind,
        names,
        inFlight,
        Math.min(connections, inFlight),
        effort.warmMs,
        effort.measuredMs,
        bodyBytes,
      ];
      for (const proxy of proxies) {
        // The published API has these alone.
        if (proxy.name === goProxyName && !['message', 'ordered'].includes(kind)) continue;
        const command = [...peers.load, 'send', proxy.address, ...load.map(String)];
        contestants.push({ case: name, name: proxy.name, run: () => measure(proxy, broker, command) });
      }
    }
    return interleave(effort.roundCount, contestants).then(answerOf);
  });
}

export async function compareReceives(bench: Bench): Promise<Answer> {
  const { broker, peers, effort } = bench;
  const topic = `bench_receive_${randomBytes(4).toString('hex')}`;
  await fillTopic(broker.nameServer, topic, effort.backlogCount, bodyBytes);
  return withProxies(bench, bothModes, (proxies) => {
    const run = (proxy: ProxyProcess) => (round: number) => {
      const group = `group_${round}_${proxy.name.replaceAll(/\W/g, '_')}`;
      const parameters = [proxy.address, topic, group, String(effort.backlogCount), String(connectionCount)];
      return measure(proxy, broker, [...peers.load, 'receive', ...parameters]);
    };
    const contestants = proxies.map((proxy) => ({
      case: `backlog of ${effort.backlogCount}`,
      name: proxy.name,
      run: run(proxy),
    }));
    return interleave(effort.roundCount, contestants).then(answerOf);
  });
}

export async function compareSdk(bench: Bench): Promise<Answer> {
  const { broker, peers, effort } = bench;
  const times = [effort.warmMs, effort.measuredMs, bodyBytes].map(String);
  return withProxies(bench, [{}], (proxies) => {
    const contestants = proxies.map((proxy) => {
      const send = [proxy.address, 'bench_sdk', '512', ...times];
      const plain = [proxy.address, 'message', 'bench_sdk', '512', String(connectionCount), ...times];
      const command =
        proxy.name === goProxyName
          ? [...peers.load, 'send', ...plain]
          : [process.execPath, 'build/bench/peers/sdk.js', 'send', ...send];
      return { case: '512 in flight', name: proxy.name, run: () => measure(proxy, broker, command) };
    });
    return interleave(effort.roundCount, contestants).then(answerOf);
  });
}

export async function compareLive(bench: Bench): Promise<Answer> {
  const { broker, peers, effort } = bench;
  return withProxies(bench, bothModes, (proxies) => {
    const contestants = proxies.map((proxy) => ({
      case: `${livePerSecond} messages/s`,
      name: proxy.name,
      run: () => {
        const name = `bench_live_${randomBytes(4).toString('hex')}`;
        const rates = [livePerSecond, effort.warmMs, effort.measuredMs].map(String);
        return measure(proxy, broker, [...peers.load, 'live', proxy.address, name, name, ...rates]);
      },
    }));
    return interleave(effort.roundCount, contestants).then(answerOf);
  });
}

/** What a stream costs that waits: memory, and CPU time per stream and second. */
export async function measureIdle(bench: Bench): Promise<Answer> {
  const { peers } = bench;
  return withProxies(bench, [{}], async (proxies) => {
    const rows = [];
    for (const proxy of proxies) {
      const parameters = ['bench_idle', 'bench_idle', String(idleStreamCount), String(connectionCount)];
      const { grownBytes, cpuMicros, seconds } = await growthOf(proxy, [
        ...peers.load,
        'idle',
        proxy.address,
        ...parameters,
      ]);
      rows.push({
        proxy: proxy.name,
        streams: idleStreamCount,
        'KB/stream': (grownBytes / 1_024 / idleStreamCount).toFixed(1),
        'CPU µs/stream and second': (cpuMicros / idleStreamCount / seconds).toFixed(1),
      });
    }
    return { rows, ratios: [], results: [] };
  });
}

/** With this proxy, once for each of some settings, and the Go proxy where there is Go. */
async function withProxies(
  { broker, peers }: Bench,
  settings: readonly Readonly<Record<string, string>>[],
  use: (proxies: readonly ProxyProcess[]) => Promise<Answer>,
): Promise<Answer> {
  const proxies: ProxyProcess[] = [];
  try {
    for (const one of settings) {
      const started = await startOwnProxy(broker, one);
      const shown = Object.values(one).join(', ');
      proxies.push(shown === '' ? started : { ...started, name: `${started.name}, ${shown}` });
    }
    if (peers.go !== undefined) proxies.push(await startGoProxy(broker, peers.go));
    return await use(proxies);
  } finally {
    for (const proxy of proxies) await proxy.stop();
  }
}
