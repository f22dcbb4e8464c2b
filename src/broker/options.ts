import type { Log } from '../log.ts';
import type { Answer, Command } from '../remoting/command.ts';
import { delayLevelsMs } from '../remoting/message.ts';
import type { ServerConnection } from '../remoting/server-connection.ts';
import { type Clock, systemClock } from './clock.ts';

/** An access key that clients may sign their requests with. */
export interface AccessKey {
  readonly accessKey: string;
  readonly secretKey: string;
}

/**
 * Stands between a request and the engine, for tests of how clients bear faults. Undefined is no answer at all.
 * @param proceed Has the engine work on it.
 */
export type Intercept = (
  request: Command,
  proceed: () => Promise<Answer>,
  connection: ServerConnection,
) => Promise<Answer | undefined>;

export interface BrokerOptions {
  /** Address to listen on, and, unless it stands for all addresses, the one that routes name. Default: 127.0.0.1. */
  readonly host: string;
  /** Port of the name server; 0 takes any free one. Default: 9876. */
  readonly nameServerPort: number;
  /** Port of the broker; 0 takes any free one. Default: 0. */
  readonly brokerPort: number;
  readonly clusterName: string;
  readonly brokerName: string;
  /** Folder of the commit log; undefined keeps everything in memory. Default: undefined. */
  readonly dataDirectory: string | undefined;
  /** `async`: written before a send is answered, on the disk at most 500 ms later; `sync`: on the disk before. Default: async. */
  readonly flush: 'async' | 'sync';
  /** How long messages are kept. Default: 72 h, as RocketMQ does. */
  readonly retentionMs: number;
  /** Bytes of messages that are kept; the oldest go first. Default: 1 GiB on disk, 256 MiB in memory. */
  readonly retentionBytes: number | undefined;
  /** Bytes of one file of the commit log. Default: 64 MiB on disk, 16 MiB in memory. */
  readonly segmentBytes: number | undefined;
  /** Whether topics are made by their first message. Default: true. */
  readonly autoCreateTopics: boolean;
  /** Whether groups are made by their first consumer. Default: true. */
  readonly autoCreateGroups: boolean;
  /** Only clients that sign with one of these are served; none: all are. Default: none. */
  readonly accessKeys: readonly AccessKey[];
  /** Age at which a half message is checked for the first time, unless it says longer. Default: 6 s, as RocketMQ does. */
  readonly transactionTimeoutMs: number;
  /** Time between two checks of a half message. Default: 30 s, as RocketMQ does. */
  readonly transactionCheckIntervalMs: number;
  /** Checks after which a half message is given up. Default: 15, as RocketMQ does. */
  readonly transactionCheckMax: number;
  /** Longest delay of a message. Default: 3 days, as RocketMQ does. */
  readonly delayMsMax: number;
  /** How long each delay level lasts; level 1 is the first. Default: RocketMQ's 18, from 1 s to 2 h. */
  readonly delayLevelsMs: readonly number[];
  /** How often state is written out whole, so that a start need not read all changes. Default: 10 s. */
  readonly checkpointIntervalMs: number;
  /** Most connections. Default: 10,000. */
  readonly connectionCountMax: number;
  /** Most requests that wait for messages at a time. Default: 100,000. */
  readonly heldRequestCountMax: number;
  /** Most topics. Default: 10,000. */
  readonly topicCountMax: number;
  /** Most groups. Default: 10,000. */
  readonly groupCountMax: number;
  /** Most messages that one group may have popped from one queue without an ack. Default: 20,000. */
  readonly popInFlightCountMax: number;
  readonly clock: Clock;
  /** Default: none. */
  readonly intercept: Intercept | undefined;
  /** Default: none. */
  readonly log: Log | undefined;
}

const hourMs = 3_600_000;

export const brokerDefaults: BrokerOptions = {
  host: '127.0.0.1',
  nameServerPort: 9_876,
  brokerPort: 0,
  clusterName: 'DefaultCluster',
  brokerName: 'broker-a',
  dataDirectory: undefined,
  flush: 'async',
  retentionMs: 72 * hourMs,
  retentionBytes: undefined,
  segmentBytes: undefined,
  autoCreateTopics: true,
  autoCreateGroups: true,
  accessKeys: [],
  transactionTimeoutMs: 6_000,
  transactionCheckIntervalMs: 30_000,
  transactionCheckMax: 15,
  delayMsMax: 72 * hourMs,
  delayLevelsMs,
  checkpointIntervalMs: 10_000,
  connectionCountMax: 10_000,
  heldRequestCountMax: 100_000,
  topicCountMax: 10_000,
  groupCountMax: 10_000,
  popInFlightCountMax: 20_000,
  clock: systemClock,
  intercept: undefined,
  log: undefined,
};
