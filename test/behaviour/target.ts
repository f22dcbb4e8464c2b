/** What the behaviour suite runs against: a real Apache RocketMQ, or the embedded engine. */
import { describe } from 'vitest';
import type { AccessKeys } from '../rocketmq/access-control.ts';
import type { Config, TopicOptions } from '../rocketmq/cluster.ts';
import { type RocketMQVersion, skipRocketMQ } from '../rocketmq/java.ts';
import type { WireReply } from '../rocketmq/wire.ts';
import { startProxyHere } from '../support/proxy-here.ts';
import { startProxyProcess, type TestedProxy } from '../support/proxy-process.ts';
import { startApache } from './apache-target.ts';
import { startEmbedded } from './embedded-target.ts';

/** How to start a target; every field may be left out. */
export interface TargetOptions {
  /** What its broker says to be. Ours can only be 5.5.0, the default. */
  readonly version?: RocketMQVersion;
  /** It takes signed requests only, of the users in test/rocketmq/access-control.ts. Default false. */
  readonly accessControl?: boolean;
  /** Whether topics are made by their first message. Default true. */
  readonly autoCreateTopics?: boolean;
  /** Age at which a half message is checked for the first time. Default 6 s. */
  readonly transactionTimeoutMs?: number;
  /** Time between two checks of a half message. Default: 1 s on Apache, 30 s on ours. */
  readonly transactionCheckIntervalMs?: number;
  readonly brokerName?: string;
  readonly clusterName?: string;
  /** Messages outlive `stopBroker`. Apache's always do. Default false. */
  readonly durable?: boolean;
  /** Bytes of one file of the commit log. Default 64 MiB. */
  readonly logFileBytes?: number;
  /** Settings of the broker that only Apache has, most of which make it as quick, or as able, as ours is anyway. */
  readonly apache?: Config;
}

/** A name server and a broker. */
export interface Target {
  /** `host:port` of the name server. */
  readonly nameServer: string;
  /** `host:port` of the broker, as it stands in routes. */
  readonly brokerAddress: string;
  readonly brokerName: string;
  readonly clusterName: string;
  /** What clients sign with where they must: the keys of one who may do everything that clients do. */
  readonly credentials: AccessKeys | undefined;
  /** The files of its commit log; of ours, only where it is durable. */
  readonly logDirectory: string;
  /** Makes or changes a topic; it is in routes afterwards. */
  createTopic(topic: string, options?: TopicOptions): Promise<void>;
  /** One request to the broker on a connection of its own; gives the reply back whatever its code. */
  brokerCall(code: number, extFields?: Readonly<Record<string, string>>, body?: Uint8Array): Promise<WireReply>;
  /** The same to the name server. */
  nameServerCall(code: number, extFields?: Readonly<Record<string, string>>, body?: Uint8Array): Promise<WireReply>;
  /** Ends the broker: Apache's by SIGKILL, while its name server lives on; ours with its name server. */
  stopBroker(): Promise<void>;
  /** Starts it again on what it stored, at the same addresses. */
  startBroker(): Promise<void>;
  /** Ends all, and throws all data away. */
  stop(): Promise<void>;
}

export type TargetName = 'apache' | 'embedded';

/** Which one this run is about: each project of vitest.config.ts says so. */
export const targetName: TargetName = process.env['ROCKETMQ_TARGET'] === 'apache' ? 'apache' : 'embedded';

const titles: Readonly<Record<TargetName, string>> = { apache: 'RocketMQ 5.5.0', embedded: 'the embedded engine' };

/** Time for one test: a JVM on a busy machine is slow, and so are a dozen tests side by side in one process. */
const testTimeoutMs = 120_000;

/** Starts what this run is about. */
export function startTarget(options: TargetOptions = {}): Promise<Target> {
  return targetName === 'apache' ? startApache(options) : startEmbedded(options);
}

/** The proxy in front of it: beside Apache the built program, beside ours in this process. */
export function startProxy(settings: Readonly<Record<string, string>>): Promise<TestedProxy> {
  return targetName === 'apache' ? startProxyProcess(settings) : startProxyHere(settings);
}

/** A suite of this target; skipped, with a line that says why, where that is Apache and Java or Maven is missing. */
export function describeOnTarget(title: string, suite: () => void): void {
  const isMissing = targetName === 'apache' && skipRocketMQ();
  describe.skipIf(isMissing)(`${title}, on ${titles[targetName]}`, { timeout: testTimeoutMs }, suite);
}

/** One of the targets that a suite may be about. */
export interface Variant extends Required<Pick<TargetOptions, 'version' | 'accessControl'>> {
  readonly title: string;
}

const variants: Readonly<Record<TargetName, readonly Variant[]>> = {
  apache: [
    { title: titles.apache, version: '5.5.0', accessControl: false },
    { title: 'RocketMQ 5.5.0 with access control 2.0', version: '5.5.0', accessControl: true },
    { title: 'RocketMQ 4.9.7', version: '4.9.7', accessControl: false },
    { title: 'RocketMQ 4.9.7 with access control 1.0', version: '4.9.7', accessControl: true },
  ],
  embedded: [
    { title: titles.embedded, version: '5.5.0', accessControl: false },
    { title: 'the embedded engine with access keys', version: '5.5.0', accessControl: true },
  ],
};

/**
 * The same suite on each of this run's targets that `isMeant` takes: start it with `startTarget(variant)`. One after the other, each with
 * brokers of its own, so that there is never more than one real one.
 */
export function describeOnTargets(
  title: string,
  suite: (variant: Variant) => void,
  isMeant: (variant: Variant) => boolean = () => true,
): void {
  const isMissing = targetName === 'apache' && skipRocketMQ();
  for (const variant of variants[targetName].filter(isMeant)) {
    describe.skipIf(isMissing)(`${title}, on ${variant.title}`, { timeout: testTimeoutMs }, () => suite(variant));
  }
}

/** Where the two targets do not behave alike, and why that is meant: nothing else may differ. */
export const differences = {
  processes:
    'what signals do to the proxy needs a program of its own; in the unit project test/server.test.ts judges that',
  probes:
    'how the proxy finds out that a name server is gone takes it 10 s; in the unit project test/proxy/readiness.test.ts judges that',
  oneProcess: 'our name server and our broker are one process, and end together',
  onePort:
    'our broker answers what name servers are asked, too: whoever is given the wrong one of its two ports is served',
  sameQueue:
    'what was popped and not acknowledged comes again from its own queue with ours, from a retry topic with Apache',
  emptyQueue:
    'a new group begins an empty queue at 0 with ours; Apache makes clients ask where it ends, and lose what comes in between',
  groupByOffset:
    'ours makes a group by whatever its first consumer asks; Apache by a heartbeat, a pull or a POP, not by an offset',
  wildOffset: 'Apache stores whatever offset a group says to be at; ours none that the queue never had',
  badSql: 'a condition that cannot be read keeps nothing back with Apache, where it comes with a pull; ours refuses it',
  lateAck:
    'Apache answers success to an ack that comes too late, and has the message come again all the same; ours refuses it',
  foreignAck: 'Apache believes any receipt; ours knows which of its groups has what',
  endedTwice: 'Apache delivers a copy for each commit, also after a rollback; ours ends a transaction once',
  readOnlyTopic:
    'that a topic cannot be written to is only in its routes with Apache; ours refuses what is sent all the same',
  badBody: 'an empty body and a batch that cannot be read make Apache fail; ours says what is wrong',
  longPollEnd: 'Apache looks every 5 s for pulls whose time is over; ours answers them on time',
  rights: 'our engine has access keys, but each of them may do everything',
  filters: 'Apache filters by conditions only where its settings say so; ours always does',
  batchSize: 'Apache bounds a batch as a whole, ours each of its messages',
  messageSize: 'our broker takes messages of 4 MiB and cannot be told to take less',
  noPop: 'brokers of 4.x have no POP: they are read by pull',
  youngQueues: 'brokers of 4.x say of any group that it is at the beginning of a young queue',
  pulledHandles: 'what was received by pull, nobody can acknowledge when the proxy is gone that handed it out',
  noDeliveryTime: 'brokers of 4.x know delays by level, but no times',
  emptyBody: 'brokers of 4.x store messages without a body, brokers of 5.x refuse them',
  deadLetters: 'brokers of 4.x make dead letter queues that nobody may read',
  batchRights: 'brokers of 4.x do not look at the rights of who sends a batch',
} as const;

/** For `describeOnTargets`: all brokers, each as it comes. */
export function takesUnsigned({ accessControl }: Variant): boolean {
  return !accessControl;
}

/** What is right for the target of this run, in a place where they differ. */
export function differs<T>(_why: keyof typeof differences, expected: Readonly<Record<TargetName, T>>): T {
  return expected[targetName];
}

/** What is right for the brokers of a variant, in a place where 4.x and 5.x differ. */
export function differsBefore5<T>(
  { version }: Variant,
  _why: keyof typeof differences,
  expected: { readonly before5: T; readonly since5: T },
): T {
  return version.startsWith('4.') ? expected.before5 : expected.since5;
}

/** For `describe.skipIf(isBefore5(variant, 'noPop'))`: whether the brokers of a variant are of 4.x. */
export function isBefore5(variant: Variant, why: keyof typeof differences): boolean {
  return differsBefore5(variant, why, { before5: true, since5: false });
}

/** For `test.skipIf(lacks('embedded', 'processes'))`: whether this run is about that target. */
export function lacks(target: TargetName, _why: keyof typeof differences): boolean {
  return targetName === target;
}
