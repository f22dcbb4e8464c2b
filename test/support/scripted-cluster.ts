import { ClusterClient } from '../../src/client/client.ts';
import type { ConsumerOptions } from '../../src/client/consumer.ts';
import { parseTagFilter } from '../../src/client/message-filter.ts';
import { type ClientLog, type ClientOptions, clientDefaults } from '../../src/client/options.ts';
import type { Receipt } from '../../src/client/receipt.ts';
import type { ReceivedMessage } from '../../src/client/received-message.ts';
import type { TransactionChecker } from '../../src/client/send/transactions.ts';
import type { Command } from '../../src/remoting/command.ts';
import { encodePopReceipt, type PopReceipt } from '../../src/remoting/pop-receipt.ts';
import { RequestCode } from '../../src/remoting/request-code.ts';
import { ResponseCode } from '../../src/remoting/response-code.ts';
import { encodeStoredHost } from '../../src/remoting/stored-host.ts';
import { encodeStoredMessage, type StoredMessage } from '../../src/remoting/stored-message.ts';
import { type Answer, peerVersions, type Script, ScriptedPeer } from './scripted-peer.ts';

/** A log that keeps what it was told. */
export class MemoryLog implements ClientLog {
  readonly lines: { readonly level: string; readonly fields: object; readonly message: string }[] = [];
  debug = (fields: object, message: string): void => this.#add('debug', fields, message);
  info = (fields: object, message: string): void => this.#add('info', fields, message);
  warn = (fields: object, message: string): void => this.#add('warn', fields, message);
  error = (fields: object, message: string): void => this.#add('error', fields, message);

  #tell: (message: string) => void = () => {};

  #add(level: string, fields: object, message: string): void {
    this.lines.push({ level, fields, message });
    if (level === 'warn' || level === 'error') this.#tell(message);
  }

  /** The next message of the level warn or above. */
  trouble(): Promise<string> {
    return new Promise((resolve) => {
      this.#tell = resolve;
    });
  }

  /** Messages of the level warn and above. */
  get troubles(): string[] {
    return this.lines.filter(({ level }) => level === 'warn' || level === 'error').map(({ message }) => message);
  }
}

/** Queues of a topic at one broker. */
export interface ScriptedQueues {
  readonly brokerName: string;
  readonly address: string;
  readonly queueCount?: number;
  readonly permission?: number;
}

/** The body of a route, as name servers write it. */
export function routeBody(brokers: readonly ScriptedQueues[]): Buffer {
  return Buffer.from(
    JSON.stringify({
      queueDatas: brokers.map(({ brokerName, queueCount = 4, permission = 6 }) => ({
        brokerName,
        readQueueNums: queueCount,
        writeQueueNums: queueCount,
        perm: permission,
        topicSysFlag: 0,
      })),
      brokerDatas: brokers.map(({ brokerName, address }) => ({
        brokerName,
        cluster: 'c',
        brokerAddrs: { '0': address },
      })),
    }),
  );
}

export const noRoute: Answer = { code: ResponseCode.TOPIC_NOT_EXIST, remark: 'no route' };

/** A name server with fixed routes. */
export function routesScript(topics: Readonly<Record<string, readonly ScriptedQueues[]>>): Script {
  return ({ extFields }) => {
    const brokers = topics[extFields['topic'] ?? ''];
    return brokers === undefined ? noRoute : { body: routeBody(brokers) };
  };
}

/** Stores everything, at ever higher offsets. */
export function storingScript(address: string): Script {
  let next = 0n;
  return (request) => {
    const queueOffset = next;
    next += 1n;
    return storedAt(address, request, queueOffset);
  };
}

/** The answer to a send; the message lies at ten times its offset in the commit log. */
export function storedAt(address: string, request: Command, queueOffset: bigint): Answer {
  const commitLogOffset = Buffer.alloc(8);
  commitLogOffset.writeBigInt64BE(queueOffset * 10n);
  const id = Buffer.concat([encodeStoredHost(address), commitLogOffset])
    .toString('hex')
    .toUpperCase();
  const transactionId = sentProperties(request).get('UNIQ_KEY');
  return {
    extFields: {
      msgId: id,
      queueId: request.extFields['e'] ?? '',
      queueOffset: String(queueOffset),
      ...(transactionId === undefined ? {} : { transactionId }),
    },
  };
}

/** The properties of a message that was sent. */
export function sentProperties(request: Command): Map<string, string> {
  const pairs = (request.extFields['i'] ?? '').split('\u0002').filter((pair) => pair !== '');
  return new Map(pairs.map((pair) => pair.split('\u0001') as [string, string]));
}

/** A name server and brokers that answer as told. */
export interface ScriptedCluster {
  readonly nameServer: ScriptedPeer;
  readonly brokers: readonly ScriptedPeer[];
  /** The first of the brokers. */
  readonly broker: ScriptedPeer;
  readonly log: MemoryLog;
  /** `name:address` of each broker, for routes. */
  readonly queues: readonly ScriptedQueues[];
  client(changes?: Partial<ClientOptions>, checker?: TransactionChecker): ClusterClient;
  stop(): Promise<void>;
}

/** Names of scripted brokers, in the order of their numbers. */
export const brokerNames = ['broker-a', 'broker-b', 'broker-c'];

/** Starts a name server that knows topic `topic` on so many brokers, which store what they get. */
export async function startScriptedCluster(brokerCount = 1, version = peerVersions.v5): Promise<ScriptedCluster> {
  const nameServer = await ScriptedPeer.start(version);
  const brokers = await Promise.all(Array.from({ length: brokerCount }, () => ScriptedPeer.start(version)));
  const [broker] = brokers;
  if (broker === undefined) throw new Error('a cluster has a broker');
  const log = new MemoryLog();
  const queues = brokers.map(({ address }, index) => ({ brokerName: brokerNames[index] ?? '', address }));
  nameServer.on(RequestCode.GET_ROUTEINFO_BY_TOPIC, routesScript({ topic: queues }));
  for (const peer of brokers) {
    peer
      .on(RequestCode.SEND_MESSAGE_V2, storingScript(peer.address))
      .on(RequestCode.GET_SUBSCRIPTION_GROUP_CONFIG, () => ({ body: Buffer.from('{"retryMaxTimes":16}') }))
      .on(RequestCode.QUERY_CONSUMER_OFFSET, () => ({ extFields: { offset: '0' } }));
  }
  const clients: ClusterClient[] = [];
  return {
    nameServer,
    brokers,
    broker,
    log,
    queues,
    client(changes = {}, checker) {
      const options = { ...clientDefaults, nameServers: [nameServer.address], log, ...changes };
      const client = new ClusterClient(options, checker);
      clients.push(client);
      return client;
    },
    async stop() {
      for (const client of clients) await client.close();
      await Promise.all([nameServer, ...brokers].map((peer) => peer.stop()));
    },
  };
}

/** A stored message with the given parts. */
export function storedMessage(change: Partial<StoredMessage> = {}): StoredMessage {
  return {
    topic: 'topic',
    queueId: 0,
    queueOffset: 0n,
    commitLogOffset: 0n,
    flag: 0,
    sysFlag: 0,
    bornTimestampMs: 1_700_000_000_000,
    bornHost: '127.0.0.1:1',
    storeTimestampMs: 1_700_000_000_000,
    storeHost: '127.0.0.1:10911',
    reconsumeTimes: 0,
    preparedTransactionOffset: 0n,
    bodyCrc: 0,
    body: Buffer.from('body'),
    properties: new Map([['UNIQ_KEY', 'ID']]),
    ...change,
  };
}

/** One message as a POP brings it. */
export interface PoppedDraft extends Partial<StoredMessage> {
  readonly retry?: PopReceipt['retry'];
}

export interface PopDraft {
  readonly messages: readonly PoppedDraft[];
  readonly popTimeMs?: number;
  readonly brokerName?: string;
  /** Bytes in place of the messages' own. */
  readonly body?: Buffer;
}

/** The answer to a POP that brings these messages, which became invisible for as long as it asked. */
export function popAnswer(request: Command, draft: PopDraft): Answer {
  const popTimeMs = draft.popTimeMs ?? Date.now();
  const invisible = request.extFields['invisibleTime'] ?? '';
  const offsets = new Map<string, string[]>();
  for (const { retry = '0', queueId = 0, queueOffset = 0n } of draft.messages) {
    const key = `${retry} ${queueId}`;
    offsets.set(key, [...(offsets.get(key) ?? []), String(queueOffset)]);
  }
  const stored = draft.messages.map(({ retry = '0', ...change }) => {
    const message = storedMessage(change);
    const receipt: PopReceipt = {
      startOffset: BigInt(offsets.get(`${retry} ${message.queueId}`)?.[0] ?? 0),
      popTimeMs,
      invisibleDurationMs: Number(invisible),
      reviveQueueId: 0,
      retry,
      brokerName: draft.brokerName ?? 'broker-a',
      queueId: message.queueId,
      queueOffset: message.queueOffset,
    };
    if (retry === '0') return message;
    return { ...message, properties: new Map([...message.properties, ['POP_CK', encodePopReceipt(receipt)]]) };
  });
  return {
    extFields: {
      popTime: String(popTimeMs),
      invisibleTime: invisible,
      reviveQid: '0',
      restNum: '0',
      startOffsetInfo: [...offsets].map(([key, [first]]) => `${key} ${first}`).join(';'),
      msgOffsetInfo: [...offsets].map(([key, list]) => `${key} ${list.join(',')}`).join(';'),
    },
    body: draft.body ?? Buffer.concat(stored.map((message) => encodeStoredMessage(message))),
  };
}

/** The answer to a POP that found nothing. */
export function nothingFound(popTimeMs = Date.now()): Answer {
  return {
    code: ResponseCode.POLLING_TIMEOUT,
    extFields: { popTime: String(popTimeMs), invisibleTime: '1', reviveQid: '0', restNum: '0' },
  };
}

/** Lets a broker hand out what a test gives it, batch by batch; while there is nothing it holds who waits. */
export class ScriptedPop {
  /** How many messages POPs have brought so far. */
  takenCount = 0;
  readonly #batches: PopDraft[] = [];
  #wake: () => void = () => {};
  #arrived = Promise.resolve();
  #lastPopTimeMs = 0;

  constructor(peer: ScriptedPeer, brokerName = 'broker-a') {
    this.#hold();
    peer.on(RequestCode.POP_MESSAGE, (request) => {
      const draft = this.#batches.shift();
      if (draft === undefined) return nothingFound();
      this.takenCount += draft.messages.length;
      return popAnswer(request, { brokerName, popTimeMs: this.#popTimeMs(), ...draft });
    });
    peer.on(RequestCode.NOTIFICATION, async () => {
      if (this.#batches.length === 0) await this.#arrived;
      return { extFields: { hasMsg: 'true' } };
    });
    peer.on(RequestCode.CHANGE_MESSAGE_INVISIBLE_TIME, ({ extFields }) => ({
      extFields: {
        popTime: String(this.#popTimeMs()),
        invisibleTime: extFields['invisibleTime'] ?? '',
        reviveQid: '0',
      },
    }));
  }

  /** The next POP brings these. */
  arrive(messages: readonly PoppedDraft[], more: Partial<PopDraft> = {}): void {
    this.#batches.push({ messages, ...more });
    this.#wake();
    this.#hold();
  }

  /** The same of one message each with these queue offsets. */
  arriveOffsets(...offsets: readonly number[]): void {
    this.arrive(offsets.map((offset) => ({ queueOffset: BigInt(offset), body: Buffer.from(String(offset)) })));
  }

  /** Never the same twice: receipts of one message differ by it only. */
  #popTimeMs(): number {
    this.#lastPopTimeMs = Math.max(Date.now(), this.#lastPopTimeMs + 1);
    return this.#lastPopTimeMs;
  }

  #hold(): void {
    this.#arrived = new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

/** What consumers in tests have in common. */
export const consumerDefaults = {
  subscriber: { group: 'g', topic: 'topic' },
  filter: parseTagFilter('*'),
  invisibleDurationMs: 30_000,
  renewalDurationMs: 0,
  pollDurationMs: 5_000,
} as const satisfies ConsumerOptions;

/** The next so many messages of a stream. */
export async function read<R extends Receipt>(
  stream: AsyncIterator<ReceivedMessage<R>>,
  count: number,
): Promise<ReceivedMessage<R>[]> {
  const messages: ReceivedMessage<R>[] = [];
  while (messages.length < count) {
    const { value, done } = await stream.next();
    if (done === true) throw new Error(`the stream ended after ${messages.length} messages`);
    messages.push(value);
  }
  return messages;
}

/** The bodies of messages, as text. */
export function bodies(messages: readonly ReceivedMessage[]): string[] {
  return messages.map(({ body }) => body.toString());
}

/** Queue offsets that were made visible again, in order. */
export function releasedOffsets(...peers: readonly ScriptedPeer[]): number[] {
  return peers
    .flatMap((peer) => peer.requests(RequestCode.CHANGE_MESSAGE_INVISIBLE_TIME))
    .filter(({ extFields }) => extFields['invisibleTime'] === '0')
    .map(({ extFields }) => Number(extFields['offset']))
    .sort((one, other) => one - other);
}
