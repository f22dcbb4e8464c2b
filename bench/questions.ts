/** The questions that `npm run bench` asks, each a table. */
import { type Bench, connectionCount } from './bench.ts';
import { compareClients } from './clients.ts';
import type { Figures } from './figures.ts';
import {
  compareGroups,
  compareLive,
  compareReceives,
  idleConnectionCount,
  idleStreamCount,
  livePerSecond,
  measureIdle,
} from './receives.ts';
import { compareGrowth, compareSdk, compareSends, type SendCase } from './sends.ts';

/** What stands behind proxies and clients. */
export type Sink = 'apache' | 'engine' | 'canned';

export interface Question {
  readonly name: string;
  readonly title: string;
  readonly sink: Sink;
  /** Whether `npm run bench:quick` asks it. */
  readonly isQuick: boolean;
  /** Whether only the Go program can load it. Default false. */
  readonly needsGo?: boolean;
  ask(bench: Bench): Promise<Figures[]>;
}

export const sinkNames: Readonly<Record<Sink, string>> = {
  apache: 'Apache RocketMQ 5.5.0',
  engine: 'the embedded engine',
  canned: 'a broker with canned replies',
};

const inFlightCases = [1, 64, 512].map((inFlight): SendCase => ({ name: `${inFlight} in flight`, inFlight }));

const ways = (['ordered', 'batch', 'publish'] as const).map((kind): SendCase => ({ name: kind, inFlight: 64, kind }));

/** Where it must be quick, the cases that goals are for alone. */
const growing =
  (counts: readonly number[], quickCounts: readonly number[], of: (count: number) => SendCase) => (bench: Bench) =>
    compareGrowth(bench, ['own', 'go'], (bench.effort.isQuick ? quickCounts : counts).map(of));

export const questions: readonly Question[] = [
  {
    name: 'send-canned',
    title: `Send: unary SendMessage, ${connectionCount} connections`,
    sink: 'canned',
    isQuick: true,
    ask: (bench) => compareSends(bench, ['own', 'go'], inFlightCases),
  },
  {
    name: 'connections',
    title: 'Send: 256 in flight over more and more connections',
    sink: 'canned',
    isQuick: true,
    ask: growing([1, 4, 64, 1_000], [4, 1_000], (connections) => ({
      name: `${connections} connections`,
      inFlight: 256,
      connections,
    })),
  },
  {
    name: 'topics',
    title: 'Send: 64 in flight to more and more topics',
    sink: 'canned',
    isQuick: true,
    ask: growing([1, 100, 1_000], [1, 1_000], (topics) => ({ name: `${topics} topics`, inFlight: 64, topics })),
  },
  {
    name: 'send-engine',
    title: `Send: unary SendMessage, ${connectionCount} connections`,
    sink: 'engine',
    isQuick: false,
    ask: (bench) => compareSends(bench, ['own', 'go'], inFlightCases.slice(1, 2)),
  },
  {
    name: 'send-apache',
    title: `Send: unary SendMessage, ${connectionCount} connections`,
    sink: 'apache',
    isQuick: false,
    ask: (bench) => compareSends(bench, ['own', 'go', 'apache'], inFlightCases),
  },
  {
    name: 'kinds',
    title: `Send: ways of this proxy, 64 requests in flight, ${connectionCount} connections`,
    sink: 'apache',
    isQuick: false,
    needsGo: true,
    ask: (bench) => compareSends(bench, ['own', 'go'], ways),
  },
  {
    name: 'receive',
    title: `Receive and acknowledge a backlog: ${connectionCount} streams, one AckMessage for each message`,
    sink: 'apache',
    isQuick: true,
    ask: compareReceives,
  },
  {
    name: 'sdk',
    title: 'Send: this SDK by this proxy beside a plain gRPC client by the Go proxy',
    sink: 'apache',
    isQuick: true,
    ask: compareSdk,
  },
  {
    name: 'clients',
    title: 'Clients without a proxy',
    sink: 'apache',
    isQuick: true,
    ask: compareClients,
  },
  {
    name: 'live',
    title: `Send, receive and acknowledge ${livePerSecond} messages/s: time from the send to the arrival`,
    sink: 'apache',
    isQuick: false,
    needsGo: true,
    ask: compareLive,
  },
  {
    name: 'idle',
    title: `${idleStreamCount} receive streams that wait, over ${idleConnectionCount} connections`,
    sink: 'apache',
    isQuick: true,
    needsGo: true,
    ask: measureIdle,
  },
  {
    name: 'groups',
    title: 'Receive and acknowledge: as many deliveries, to more and more groups, one stream each; one round',
    sink: 'apache',
    isQuick: false,
    needsGo: true,
    ask: compareGroups,
  },
];
