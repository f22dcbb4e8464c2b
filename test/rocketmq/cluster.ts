/**
 * Starts a real Apache RocketMQ (one name server, one broker) for tests and developers. Nothing here may import from `src/`:
 * this is the outside judge.
 */
import type { ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { accessControlConfig, adminKeys, createUsers, signed, writePlainAcl } from './access-control.ts';
import { type Guard, startGuard } from './guard.ts';
import { type RocketMQVersion, rocketmqClassPath } from './java.ts';
import { freePort, isPortFree } from './ports.ts';
import { endProcess, isRunning, lastLogLines, type ProcessName, startJava } from './process.ts';
import { type ServerTls, writeTls } from './tls.ts';
import { call, type WireReply, type WireRequest } from './wire.ts';

/** Settings of a properties file. */
export type Config = Readonly<Record<string, string | number | boolean>>;

/** How to start a cluster; every field may be left out. */
export interface RocketMQOptions {
  /** Default `5.5.0`. */
  readonly version?: RocketMQVersion;
  /** The broker takes signed requests only, of the users in access-control.ts: 1.0 with 4.x, 2.0 with 5.x. Default false. */
  readonly accessControl?: boolean;
  /** Default: none given, so that both also take TLS, with a certificate of their own making. */
  readonly tls?: ServerTls;
  /** Settings of the broker's properties file; they win over the harness's own. */
  readonly brokerConfig?: Config;
  /** Heap of the broker. Default 256; both versions took 8 senders of 4 MiB messages at once with 128. */
  readonly heapMegabytes?: number;
  /** Flags for both JVMs. Default: first compiler only, which halves the start; give `[]` to measure throughput. */
  readonly javaOptions?: readonly string[];
  /** Default: any free one. */
  readonly nameServerPort?: number;
  /** Registers with the name server of this cluster and starts none: one more broker of it, which needs another name. */
  readonly joins?: Pick<RocketMQCluster, 'nameServer'>;
  /** Default: any free one. The broker takes this port minus 2 and plus 1 as well. */
  readonly brokerPort?: number;
  /** Home of both processes, kept by `stop()`. Default: a new temporary folder, removed by `stop()`. */
  readonly directory?: string;
  /** How long both may take to start. Default 90 s. */
  readonly startTimeoutMs?: number;
}

/** Bounds and attributes of a topic made by {@link RocketMQCluster.createTopic}. */
export interface TopicOptions {
  /** Read and write queues. Default 4. */
  readonly queueCount?: number;
  /** What 5.x checks sends against; 4.9 ignores it. Default NORMAL. */
  readonly messageType?: 'NORMAL' | 'FIFO' | 'DELAY' | 'TRANSACTION' | 'MIXED';
}

/** A running cluster. */
export interface RocketMQCluster {
  readonly version: RocketMQVersion;
  /** `host:port` of the name server. */
  readonly nameServer: string;
  /** `host:port` of the broker, as it stands in routes. */
  readonly brokerAddress: string;
  readonly brokerName: string;
  /** Home of both processes: `broker.log`, `nameServer.log`, `store/`. */
  readonly directory: string;
  /** Process ids now; the broker's changes with {@link restartBroker}. */
  readonly pids: Readonly<Record<ProcessName, number>>;
  /** Sends a signal. With SIGTERM and SIGKILL it waits for the end of the process: a broker asked by SIGTERM needs 10 to 17 s. */
  kill(which: ProcessName, signal: NodeJS.Signals): Promise<void>;
  /**
   * Starts the broker again on its data, after SIGKILL if it still runs, and waits until it is registered.
   * @param brokerPort a new place for it. Default: the same.
   */
  restartBroker(brokerPort?: number): Promise<void>;
  /** The same for the name server, with which brokers register every `registerNameServerPeriod` ms, 30 s by default. */
  restartNameServer(): Promise<void>;
  /** Creates or changes a topic and waits until the name server knows it. */
  createTopic(topic: string, options?: TopicOptions): Promise<void>;
  /** One request to the broker on a connection of its own; gives the reply back whatever its code. */
  brokerCall(code: number, extFields?: Readonly<Record<string, string>>, body?: Uint8Array): Promise<WireReply>;
  /** The same to the name server. */
  nameServerCall(code: number, extFields?: Readonly<Record<string, string>>, body?: Uint8Array): Promise<WireReply>;
  /** Ends both processes and removes the folder. A second call waits for the first. */
  stop(): Promise<void>;
}

const host = '127.0.0.1';
const nameServerHeapMegabytes = 64;
const startTimeoutMs = 90_000;
/** A clean end of a broker takes up to 17 s; SIGKILL comes after this. */
const cleanEndTimeoutMs = 40_000;
/** What `stop()` leaves the JVMs: their data is thrown away, so there is nothing to wait for. */
const stopTimeoutMs = 1_000;
const pollMs = 50;

const UPDATE_AND_CREATE_TOPIC = 17;
const GET_BROKER_RUNTIME_INFO = 28;
const GET_ROUTEINFO_BY_TOPIC = 105;
const GET_BROKER_CLUSTER_INFO = 106;

/** Both versions reach into the JDK to unmap files, which Java 17 forbids by default; 4.9 does so when it recovers from a crash. */
const addOpens = ['java.nio', 'sun.nio.ch', 'jdk.internal.ref'].map(
  (name) => `--add-opens=java.base/${name}=ALL-UNNAMED`,
);

const jvmOptions = [
  ...addOpens,
  // Least memory and fewest threads of the collectors; the heaps are small.
  '-XX:+UseSerialGC',
  // Each thread of a broker keeps direct buffers of 4 MiB; without its own bound they share the heap's, and a POP that gets none is never answered.
  '-XX:MaxDirectMemorySize=1g',
  // A developer's disk is often fuller than the 75 to 90 % at which a broker starts to delete or refuse messages.
  '-Drocketmq.broker.diskSpaceWarningLevelRatio=0.99',
  '-Drocketmq.broker.diskSpaceCleanForciblyRatio=0.98',
];

/** Settings of the broker, each with its reason. Topics and groups are made on first use, as RocketMQ does by default. */
const brokerDefaults: Config = {
  brokerClusterName: 'DefaultCluster',
  brokerName: 'broker-a',
  brokerId: 0,
  brokerIP1: host,
  brokerIP2: host,
  // 5.x only; 4.9 listens on all interfaces, and so does the port for replicas in both.
  bindAddress: host,
  // Log, queue, index, timer files at their default sizes claim more than 1.5 GB on file systems without sparse files.
  mappedFileSizeCommitLog: 64 * 1024 * 1024,
  mappedFileSizeConsumeQueue: 20 * 30_000,
  mappedFileSizeTimerLog: 4 * 1024 * 1024,
  maxHashSlotNum: 50_000,
  maxIndexNum: 200_000,
  // Never delete by disk use: see the JVM options.
  cleanFileForciblyEnable: false,
  // A cold JVM on a busy test machine is not an overloaded broker: no "system busy" (code 2) after 0.2 s in a queue or 1 s in a write.
  waitTimeMillsInSendQueue: 5_000,
  osPageCacheBusyTimeOutMills: 5_000,
  // At the default of 1 s an idle broker burns 20 to 60 % of a core in comparing its 38 MB timer wheel with the file.
  timerFlushIntervalMs: 10_000,
  // How often half messages are looked through (default 30 s); the age at which one is checked stays at 6 s.
  transactionCheckInterval: 1_000,
};

/**
 * For `brokerConfig` where a test waits for POP redeliveries on 5.x: they come 0.2 to 0.5 s after the invisible time instead of 2 to 4 s,
 * through the other of the broker's two ways to keep them. Not the default of 5.5.0, so not the harness's either.
 */
export const quickRedelivery = { popConsumerKVServiceInit: true, popConsumerKVServiceEnable: true } as const;

/**
 * Starts a name server and a broker and waits until the broker is registered and answers.
 * @throws Error with the last log lines when a process ends early or the deadline passes.
 */
export async function startRocketMQ(options: RocketMQOptions = {}): Promise<RocketMQCluster> {
  const version = options.version ?? '5.5.0';
  const classPath = await rocketmqClassPath(version);
  const { joins } = options;
  const nameServerPort = options.nameServerPort ?? (await freePort());
  const nameServer = joins?.nameServer ?? `${host}:${nameServerPort}`;
  const brokerPort = options.brokerPort ?? (await freePort(-2, 1));
  for (const port of [nameServerPort, brokerPort - 2, brokerPort, brokerPort + 1]) {
    if (!(await isPortFree(port))) throw new Error(`port ${port} is taken: end the program that listens on it`);
  }
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'rocketmq-')));
  await mkdir(join(directory, 'conf'), { recursive: true });
  const cluster = new Cluster(options, { version, classPath, nameServer, nameServerPort, brokerPort, directory });
  try {
    await cluster.start();
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return cluster;
}

/** Tells a broker to make a topic, or to change it. */
export async function createTopicOn(
  broker: Pick<RocketMQCluster, 'brokerCall'>,
  topic: string,
  { queueCount = 4, messageType = 'NORMAL' }: TopicOptions = {},
): Promise<void> {
  const { code, remark } = await broker.brokerCall(UPDATE_AND_CREATE_TOPIC, {
    topic,
    defaultTopic: 'TBW102',
    readQueueNums: String(queueCount),
    writeQueueNums: String(queueCount),
    perm: '6',
    topicFilterType: 'SINGLE_TAG',
    topicSysFlag: '0',
    order: 'false',
    attributes: `+message.type=${messageType}`,
  });
  if (code !== 0) throw new Error(`broker refused to create topic ${topic}: ${code} ${remark}`);
}

interface Place {
  readonly version: RocketMQVersion;
  readonly classPath: string;
  readonly nameServer: string;
  readonly nameServerPort: number;
  readonly brokerPort: number;
  readonly directory: string;
}

class Cluster implements RocketMQCluster {
  readonly version: RocketMQVersion;
  readonly nameServer: string;
  readonly brokerName: string;
  readonly directory: string;
  readonly #options: RocketMQOptions;
  readonly #place: Place;
  readonly #brokerConfig: Config;
  readonly #guard: Guard;
  readonly #children = new Map<ProcessName, ChildProcess>();
  #brokerPort: number;
  #stopped: Promise<void> | undefined;

  constructor(options: RocketMQOptions, place: Place) {
    this.#options = options;
    this.#place = place;
    this.version = place.version;
    this.directory = place.directory;
    this.nameServer = place.nameServer;
    this.#brokerPort = place.brokerPort;
    this.#guard = startGuard(options.directory === undefined ? place.directory : undefined);
    this.#brokerConfig = {
      ...brokerDefaults,
      namesrvAddr: this.nameServer,
      storePathRootDir: join(place.directory, 'store'),
      storePathCommitLog: join(place.directory, 'store', 'commitlog'),
      ...(options.accessControl === true ? accessControlConfig(this.#isVersion5) : {}),
      ...options.brokerConfig,
    };
    this.brokerName = String(this.#brokerConfig['brokerName']);
  }

  get brokerAddress(): string {
    return `${host}:${this.#brokerPort}`;
  }

  get pids(): Readonly<Record<ProcessName, number>> {
    return { nameServer: this.#children.get('nameServer')?.pid ?? -1, broker: this.#child('broker').pid ?? -1 };
  }

  /** Starts both at once: the broker needs longer, and registers only at the end of its start. */
  async start(): Promise<void> {
    const isControlled = this.#options.accessControl === true;
    if (isControlled && !this.#isVersion5) await writePlainAcl(this.directory);
    if (this.#options.joins === undefined) await this.#startProcess('nameServer');
    await this.#startProcess('broker');
    await this.#brokerRegistered();
    if (isControlled && this.#isVersion5) await createUsers((request) => this.#call(this.brokerAddress, request));
  }

  async kill(which: ProcessName, signal: NodeJS.Signals): Promise<void> {
    const child = this.#child(which);
    if (signal === 'SIGKILL' || signal === 'SIGTERM') await endProcess(child, signal, cleanEndTimeoutMs);
    else child.kill(signal);
  }

  async restartBroker(brokerPort = this.#brokerPort): Promise<void> {
    await this.kill('broker', 'SIGKILL');
    this.#brokerPort = brokerPort;
    await this.#startProcess('broker');
    await this.#brokerRegistered();
  }

  async restartNameServer(): Promise<void> {
    await this.kill('nameServer', 'SIGKILL');
    await this.#startProcess('nameServer');
    await this.#brokerRegistered();
  }

  async createTopic(topic: string, options: TopicOptions = {}): Promise<void> {
    await createTopicOn(this, topic, options);
    await this.#until(`topic ${topic} in a route`, async () => {
      const route = await this.nameServerCall(GET_ROUTEINFO_BY_TOPIC, { topic });
      return route.code === 0;
    });
  }

  brokerCall(code: number, extFields = {}, body = new Uint8Array(0)): Promise<WireReply> {
    return this.#call(this.brokerAddress, { code, extFields, body });
  }

  nameServerCall(code: number, extFields = {}, body = new Uint8Array(0)): Promise<WireReply> {
    return this.#call(this.nameServer, { code, extFields, body });
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#end();
    return this.#stopped;
  }

  get #isVersion5(): boolean {
    return this.version.startsWith('5.');
  }

  #call(address: string, request: WireRequest): Promise<WireReply> {
    const { accessControl, tls } = this.#options;
    return call(address, accessControl === true ? signed(request, adminKeys) : request, { tls });
  }

  async #end(): Promise<void> {
    await Promise.all([...this.#children.values()].map((child) => endProcess(child, 'SIGTERM', stopTimeoutMs)));
    if (this.#options.directory === undefined)
      await rm(this.directory, { recursive: true, force: true, maxRetries: 5 });
    this.#guard.release();
  }

  #child(which: ProcessName): ChildProcess {
    const child = this.#children.get(which);
    if (child === undefined) throw new Error(`the ${which} was not started`);
    return child;
  }

  async #startProcess(name: ProcessName): Promise<void> {
    const isBroker = name === 'broker';
    const { tls } = this.#options;
    const child = await startJava({
      name,
      mainClass: isBroker ? 'org.apache.rocketmq.broker.BrokerStartup' : 'org.apache.rocketmq.namesrv.NamesrvStartup',
      classPath: this.#place.classPath,
      directory: this.directory,
      logbackPackage: this.#isVersion5 ? 'org.apache.rocketmq.logging.' : '',
      heapMegabytes: isBroker ? (this.#options.heapMegabytes ?? 256) : nameServerHeapMegabytes,
      javaOptions: [
        ...jvmOptions,
        ...(tls === undefined ? [] : await writeTls(this.directory, tls)),
        ...(this.#options.javaOptions ?? ['-XX:TieredStopAtLevel=1']),
      ],
      config: isBroker
        ? { listenPort: this.#brokerPort, haListenPort: this.#brokerPort + 1, ...this.#brokerConfig }
        : { listenPort: this.#place.nameServerPort, bindAddress: host },
    });
    this.#children.set(name, child);
    this.#guard.watch([...this.#children.values()].filter(isRunning));
  }

  /** Registered, by the name server's word, and answering: after a crash the name server may know the address from before. */
  #brokerRegistered(): Promise<void> {
    return this.#until('the broker to register', async () => {
      const info = await this.nameServerCall(GET_BROKER_CLUSTER_INFO);
      if (!info.body.includes(`"${this.brokerAddress}"`)) return false;
      await this.brokerCall(GET_BROKER_RUNTIME_INFO);
      return true;
    });
  }

  /** Asks again and again until `check` says yes; a failed call (nobody listens yet) is a no. */
  async #until(what: string, check: () => Promise<boolean>): Promise<void> {
    const timeoutMs = this.#options.startTimeoutMs ?? startTimeoutMs;
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      if (await check().catch(() => false)) return;
      for (const [name, child] of this.#children) {
        if (!isRunning(child))
          throw await this.#failure(name, `the ${name} ended with ${child.exitCode ?? child.signalCode}`);
      }
      if (performance.now() > deadline) throw await this.#failure('broker', `waited ${timeoutMs} ms for ${what}`);
      await sleep(pollMs);
    }
  }

  async #failure(name: ProcessName, why: string): Promise<Error> {
    return new Error(`RocketMQ ${this.version}: ${why}\n${await lastLogLines(this.directory, name)}`);
  }
}
