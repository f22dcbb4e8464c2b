import { inflateSync } from 'node:zlib';
import { type RunningBroker, startBroker } from '../broker/broker.ts';
import { type Clock, systemClock } from '../broker/clock.ts';
import { newTopic } from '../broker/topics.ts';
import { MessageProperty } from '../remoting/message.ts';
import { decodeStoredMessages, type StoredMessage } from '../remoting/stored-message.ts';
import { SysFlag } from '../remoting/sys-flag.ts';
import { Faults } from './faults.ts';

export interface TestBrokerOptions {
  /**
   * The time that delays, retries, invisibility and transaction checks go by. Default: the machine's; a `VirtualClock` stands still
   * until it is told to go on.
   */
  readonly clock?: Clock;
  /** Port of the name server. Default: any free one. */
  readonly nameServerPort?: number;
  /** Folder for messages, to test what outlives a process. Default: everything in memory. */
  readonly dataDirectory?: string;
  /** Whether topics are made by their first message. Default: true. */
  readonly autoCreateTopics?: boolean;
  /** Access keys: where there are some, only clients that sign with one are served. Default: none. */
  readonly accessKeys?: readonly { readonly accessKey: string; readonly secretKey: string }[];
  /** Age at which a half message is checked for the first time. Default: 6 s. */
  readonly transactionTimeoutMs?: number;
  /** Time between two checks of a half message. Default: 30 s. */
  readonly transactionCheckIntervalMs?: number;
}

/** A message as it lies in a queue. */
export interface TestMessage {
  readonly topic: string;
  readonly queueId: number;
  readonly queueOffset: number;
  /** UNIQ_KEY: the id that producers are told. */
  readonly messageId: string;
  readonly tag: string | undefined;
  readonly keys: readonly string[];
  /** As it was sent; zlib is undone, other compression is left. */
  readonly body: Buffer;
  readonly properties: ReadonlyMap<string, string>;
  readonly reconsumeTimes: number;
  readonly bornTimestampMs: number;
  readonly storeTimestampMs: number;
}

/** A RocketMQ of one node in this process, for tests in any language that can reach its port. */
export interface TestBroker extends AsyncDisposable {
  /** `127.0.0.1:port`: what clients are given. */
  readonly nameServer: string;
  readonly brokerAddress: string;
  /** What goes wrong from now on. */
  readonly faults: Faults;
  /** Makes a topic; without this, topics are made by their first message, with 4 queues or as many as the producer says. */
  createTopic(topic: string, options?: { readonly queueCount?: number }): Promise<void>;
  /** What lies in a topic, queue by queue in order; retry and dead letter topics as `%RETRY%group` and `%DLQ%group`. */
  messages(topic: string): TestMessage[];
  /** Cuts all connections and is away for `downMs` (default 0), then there again with all that was stored. */
  restart(downMs?: number): Promise<void>;
  /** Forgets topics, groups, messages and faults, and cuts all connections. Only without a data directory. */
  reset(): Promise<void>;
  /** Leaves no timer and no socket behind. */
  close(): Promise<void>;
}

/**
 * Starts a broker that is ready when this resolves, with everything in memory and on free ports unless told otherwise.
 * @throws BrokerListenError when the port is taken.
 */
export async function startTestBroker(options: TestBrokerOptions = {}): Promise<TestBroker> {
  const faults = new Faults();
  const { clock = systemClock, nameServerPort = 0, dataDirectory, ...others } = options;
  const broker = await startBroker({ ...others, clock, nameServerPort, dataDirectory, intercept: faults.intercept });
  const close = (): Promise<void> => broker.close();
  return {
    nameServer: broker.nameServer,
    brokerAddress: broker.brokerAddress,
    faults,
    createTopic: (topic, { queueCount = 4 } = {}) =>
      broker.engine.topics.put(newTopic(topic, queueCount), broker.engine.state),
    messages: (topic) => messagesOf(broker, topic),
    restart: (downMs = 0) => broker.restart(downMs),
    reset: async () => {
      if (dataDirectory !== undefined) throw new Error('a broker with a data directory cannot be reset: start another');
      faults.clear();
      await broker.restart(0, true);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function messagesOf({ engine }: RunningBroker, topic: string): TestMessage[] {
  const { store } = engine;
  const found: TestMessage[] = [];
  const queueIds = [...store.queues()].filter((queue) => queue.topic === topic).map(({ queueId }) => queueId);
  for (const queueId of queueIds.sort((one, other) => one - other)) {
    const max = store.maxOffset(topic, queueId);
    for (let offset = store.minOffset(topic, queueId); offset < max; offset += 1) {
      const entry = store.entry(topic, queueId, offset);
      const record = entry === undefined ? undefined : store.read(entry.commitLogOffset);
      if (record !== undefined) found.push(...decodeStoredMessages(record).map(shown));
    }
  }
  return found;
}

function shown(message: StoredMessage): TestMessage {
  const { properties } = message;
  return {
    topic: message.topic,
    queueId: message.queueId,
    queueOffset: Number(message.queueOffset),
    messageId: properties.get(MessageProperty.UNIQ_KEY) ?? '',
    tag: properties.get(MessageProperty.TAGS),
    keys: (properties.get(MessageProperty.KEYS) ?? '').split(' ').filter((key) => key !== ''),
    body: isZlib(message) ? inflateSync(message.body) : message.body,
    properties,
    reconsumeTimes: message.reconsumeTimes,
    bornTimestampMs: message.bornTimestampMs,
    storeTimestampMs: message.storeTimestampMs,
  };
}

function isZlib({ sysFlag }: StoredMessage): boolean {
  const type = sysFlag & SysFlag.COMPRESSION_TYPE_MASK;
  return (sysFlag & SysFlag.COMPRESSED) !== 0 && (type === 0 || type === SysFlag.COMPRESSION_ZLIB);
}
