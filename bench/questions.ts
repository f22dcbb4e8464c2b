/** The questions that `npm run bench` asks, each a table. */
import type { Answer } from './answer.ts';
import {
  type Bench,
  compareLive,
  compareReceives,
  compareSdk,
  compareSends,
  connectionCount,
  idleStreamCount,
  livePerSecond,
  measureIdle,
} from './comparisons.ts';

export interface Question {
  readonly name: string;
  readonly title: string;
  /** What stands behind the proxies. */
  readonly sink: 'apache' | 'canned';
  /** Whether `npm run bench:quick` asks it. */
  readonly isQuick: boolean;
  ask(bench: Bench): Promise<Answer>;
}

const inFlightCounts = [1, 64, 512];

const send = (sink: Question['sink'], isQuick: boolean): Question => ({
  name: `send-${sink}`,
  title: `Send: unary SendMessage, ${connectionCount} connections, ${sink === 'apache' ? 'real broker' : 'a broker with canned replies'}`,
  sink,
  isQuick,
  ask: (bench) =>
    compareSends(
      bench,
      inFlightCounts.map((inFlight) => ({ name: `${inFlight} in flight`, inFlight })),
    ),
});

export const questions: readonly Question[] = [
  send('apache', false),
  send('canned', true),
  {
    name: 'kinds',
    title: 'Send: ways of this proxy, 64 requests in flight, 4 connections, real broker',
    sink: 'apache',
    isQuick: false,
    ask: (bench) =>
      compareSends(
        bench,
        ['ordered', 'batch', 'publish'].map((kind) => ({ name: kind, inFlight: 64, kind })),
      ),
  },
  {
    name: 'receive',
    title: 'Receive and acknowledge a backlog: 4 streams, one AckMessage for each message, real broker',
    sink: 'apache',
    isQuick: false,
    ask: compareReceives,
  },
  {
    name: 'connections',
    title: 'Send: 256 in flight over more and more connections, a broker with canned replies',
    sink: 'canned',
    isQuick: false,
    ask: (bench) =>
      compareSends(
        bench,
        [4, 64, 256].map((connections) => ({ name: `${connections} connections`, inFlight: 256, connections })),
      ),
  },
  {
    name: 'topics',
    title: 'Send: 64 in flight to more and more topics, a broker with canned replies',
    sink: 'canned',
    isQuick: false,
    ask: (bench) =>
      compareSends(
        bench,
        [1, 100, 1_000].map((topics) => ({ name: `${topics} topics`, inFlight: 64, topics })),
      ),
  },
  {
    name: 'sdk',
    title: 'Send: this SDK by this proxy beside a plain gRPC client by the Go proxy, 512 in flight, real broker',
    sink: 'apache',
    isQuick: false,
    ask: compareSdk,
  },
  {
    name: 'live',
    title: `Send, receive and acknowledge ${livePerSecond} messages/s: time from the send to the arrival, real broker`,
    sink: 'apache',
    isQuick: false,
    ask: compareLive,
  },
  {
    name: 'idle',
    title: `${idleStreamCount} receive streams that wait, over ${connectionCount} connections, real broker`,
    sink: 'apache',
    isQuick: false,
    ask: measureIdle,
  },
];
