/** Producers of transactions whose words to a broker, and the broker's to them, are held, lost, or their last. */
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { isReply } from '../../src/remoting/command.ts';
import { MessageProperty } from '../../src/remoting/message.ts';
import { RequestCode } from '../../src/remoting/request-code.ts';
import { TransactionOutcome } from '../../src/remoting/requests/end-transaction.ts';
import { decodeStoredMessages, type StoredMessage } from '../../src/remoting/stored-message.ts';
import { createTopicOn, type RocketMQCluster } from '../rocketmq/cluster.ts';
import { Changes } from '../support/changes.ts';
import { connectEngine } from '../support/engine-client.ts';
import { ProxyClient } from '../support/grpc-client.ts';
import { History } from '../support/history.ts';
import { startProxyProcess } from '../support/proxy-process.ts';
import { outgoing, RealClients, soon } from '../support/real-client.ts';
import { startReceivingProgram } from '../support/receiving-process.ts';
import { type Fate, type Passing, RemotingRelay } from '../support/remoting-relay.ts';
import { routesScript } from '../support/scripted-cluster.ts';
import { ScriptedPeer } from '../support/scripted-peer.ts';
import { drain } from './load.ts';

const { CHECK_TRANSACTION_STATE, END_TRANSACTION, GET_ROUTEINFO_BY_TOPIC, SEND_MESSAGE_V2 } = RequestCode;
const { COMMIT, ROLLBACK, UNKNOWN } = TransactionOutcome;
const topic = 'transactions';
const queueCount = 4;
/** Of the clients; proxies have one of their own. */
const producerGroup = 'g-transactions';
/** Transactions that something happens to at once, of one producer. */
const count = 6;
const waitMs = 30_000;

/** When a producer is killed. */
export interface KillPoint {
  readonly name: string;
  /** Whether this frame is the last of a transaction before that. */
  readonly isReached: (passing: Passing) => boolean;
  readonly fate: Exclude<Fate, 'hold'>;
  /** Whether the broker has the half message. */
  readonly isStored: boolean;
  /** Whether the producer has decided. */
  readonly isEnded: boolean;
}

/** A half message on its way to the broker. */
export function isHalf({ command }: Passing): boolean {
  return !isReply(command) && command.code === SEND_MESSAGE_V2;
}

export function isHalfReply({ command, request }: Passing): boolean {
  return isReply(command) && request.code === SEND_MESSAGE_V2;
}

/** An end that a producer has decided by itself, and not because it was asked. */
export function isOwnEnd({ command }: Passing): boolean {
  return !isReply(command) && isFirstEnd(command);
}

export function isEndReply({ command, request }: Passing): boolean {
  return isReply(command) && isFirstEnd(request);
}

function isFirstEnd({ code, extFields }: Passing['command']): boolean {
  return code === END_TRANSACTION && extFields['fromTransactionCheck'] !== 'true';
}

/** The half message that the broker asks about. */
function checkedHalf({ command }: Passing): StoredMessage | undefined {
  return command.code === CHECK_TRANSACTION_STATE && !isReply(command)
    ? decodeStoredMessages(command.body)[0]
    : undefined;
}

/** Begins a transaction and ends it at once. */
type Begin = (id: string) => Promise<unknown>;

/** A producer that is killed, and when all of that is done. */
interface Mortal {
  readonly begin: () => void;
  readonly stop: () => Promise<void>;
}

export class TransactionScene {
  /** Questions of the broker so far. */
  checkCount = 0;
  readonly #cluster: RocketMQCluster;
  readonly #relay: RemotingRelay;
  readonly #nameServer: ScriptedPeer;
  readonly #changes = new Changes();
  readonly #history = new History();
  /** What each transaction is to become, as any member of the group can look up. */
  readonly #decided = new Map<string, typeof COMMIT | typeof ROLLBACK>();

  private constructor(cluster: RocketMQCluster, relay: RemotingRelay, nameServer: ScriptedPeer) {
    this.#cluster = cluster;
    this.#relay = relay;
    this.#nameServer = nameServer;
    this.#watch(() => 'pass');
  }

  static async start(cluster: RocketMQCluster): Promise<TransactionScene> {
    await createTopicOn(cluster, topic, { queueCount, messageType: 'TRANSACTION' });
    await cluster.createTopic(topic, { queueCount, messageType: 'TRANSACTION' });
    const relay = await RemotingRelay.start(cluster.brokerAddress);
    onTestFinished(() => relay.close());
    const nameServer = await ScriptedPeer.start();
    onTestFinished(() => nameServer.stop());
    const queues = [{ brokerName: cluster.brokerName, address: relay.address, queueCount }];
    nameServer.on(GET_ROUTEINFO_BY_TOPIC, routesScript({ [topic]: queues }));
    return new TransactionScene(cluster, relay, nameServer);
  }

  get committedCount(): number {
    return [...this.#decided.values()].filter((outcome) => outcome === COMMIT).length;
  }

  /** A proxy that lives on; it commits whatever it is asked about, as every proxy does. */
  async startProxy(): Promise<Begin> {
    const { begin } = await this.#startProxy();
    await begin(this.#decide('proxy-first', COMMIT));
    return begin;
  }

  /** A client of this process that lives on, and looks up what it is asked about. */
  async startOwnClient(): Promise<Begin> {
    const clients = new RealClients(this.#nameServer.address);
    onTestFinished(() => clients.close());
    const check = ({ body }: StoredMessage) => this.#decided.get(body.toString()) ?? UNKNOWN;
    const { transactions } = clients.create({ producerGroup }, check);
    const begin: Begin = async (id) => {
      const pending = await transactions.begin(outgoing(topic, id), undefined, soon());
      transactions.end(pending, this.#decided.get(id) ?? COMMIT);
    };
    await begin(this.#decide('client-first', COMMIT));
    return begin;
  }

  /** Ends lie at the broker until it has asked for them, and are carried out just before the question is read, or after it. */
  async race(producers: readonly Begin[]): Promise<void> {
    const met = new Set<string>();
    this.#watch((passing) => {
      if (isOwnEnd(passing)) return 'hold';
      const messageId = checkedHalf(passing)?.properties.get(MessageProperty.UNIQ_KEY);
      if (messageId === undefined || met.has(messageId)) return 'pass';
      const release = (): void => this.#relay.release(({ command }) => command.extFields['msgId'] === messageId);
      if (met.size % 2 === 0) release();
      else setTimeout(release, 200);
      met.add(messageId);
      this.#changes.notify();
      return 'pass';
    });
    const ids = await this.#beginAll('race', producers);
    const allMet = (): true | undefined => met.size >= ids.length || undefined;
    await this.#changes.until(allMet, waitMs, () => `the broker asked about ${met.size} of ${ids.length}`);
    await sleep(400);
  }

  /** The broker carries the ends out, and nobody hears of it. */
  async loseAnswers(producers: readonly Begin[]): Promise<void> {
    const ids = new Set<string>();
    this.#watch((passing) => {
      if (!isEndReply(passing)) return 'pass';
      ids.add(passing.request.extFields['msgId'] ?? '');
      this.#changes.notify();
      return 'drop';
    });
    const { length } = await this.#beginAll('unheard', producers);
    const allLost = (): true | undefined => ids.size >= length || undefined;
    await this.#changes.until(allLost, waitMs, () => `the broker carried ${ids.size} of ${length} out`);
  }

  /** A proxy is killed when all of its transactions have come to this point. */
  async killProxy(point: KillPoint): Promise<void> {
    const { begin, stop } = await this.#startProxy();
    const ids = numbered(`proxy-${point.name}`);
    for (const id of ids) this.#decide(id, point.isStored ? COMMIT : ROLLBACK);
    await this.#killAt(point, { begin: () => void Promise.allSettled(ids.map(begin)), stop });
  }

  /** So is a program with the built client. What it did not come to decide was never done. */
  async killProgram(point: KillPoint): Promise<void> {
    const ids = numbered(`program-${point.name}`);
    for (const [index, id] of ids.entries()) this.#decide(id, point.isEnded && index % 2 === 0 ? COMMIT : ROLLBACK);
    const parameters = [this.#nameServer.address, topic, producerGroup, ...ids];
    let stop = async (): Promise<void> => {};
    const begin = (): void => {
      stop = startReceivingProgram('transaction-program.mjs', parameters).stop;
    };
    await this.#killAt(point, { begin, stop: () => stop() });
  }

  /** How long it takes from now until all is committed that is to be, in ms; Infinity for more than 60 s. */
  async resolved(): Promise<number> {
    this.#watch(() => 'pass');
    const startMs = performance.now();
    while (performance.now() - startMs < 60_000) {
      const seen = new History();
      await drain(seen, await connectEngine(this.#cluster.brokerAddress), { topic, queueCount });
      if (seen.events.length >= this.committedCount) return performance.now() - startMs;
      await sleep(500);
    }
    return Infinity;
  }

  /** All that was told, and all that came of it. */
  async drained(): Promise<{ history: History; committedTwice: readonly string[] }> {
    for (const [id, outcome] of this.#decided) {
      this.#history.add({ op: 'send', id, startMs: 0, endMs: 0, outcome: outcome === COMMIT ? 'stored' : 'notStored' });
    }
    await drain(this.#history, await connectEngine(this.#cluster.brokerAddress), { topic, queueCount });
    const seen = new Set<string>();
    const committedTwice = this.#history.events.flatMap((event) => {
      if (event.op !== 'delivery') return [];
      if (seen.has(event.id)) return [event.id];
      seen.add(event.id);
      return [];
    });
    return { history: this.#history, committedTwice };
  }

  #watch(fateOf: RemotingRelay['fateOf']): void {
    this.#relay.fateOf = (passing) => {
      if (checkedHalf(passing) !== undefined) this.checkCount += 1;
      return fateOf(passing);
    };
  }

  #decide(id: string, outcome: typeof COMMIT | typeof ROLLBACK): string {
    this.#decided.set(id, outcome);
    return id;
  }

  async #beginAll(name: string, producers: readonly Begin[]): Promise<readonly string[]> {
    const begun = producers.map(async (begin, number) => {
      const ids = numbered(`${name}-${number}`).map((id) => this.#decide(id, COMMIT));
      await Promise.all(ids.map(begin));
      return ids;
    });
    return (await Promise.all(begun)).flat();
  }

  async #startProxy(): Promise<{ begin: Begin; stop: () => Promise<void> }> {
    const proxy = await startProxyProcess({ ROCKETMQ_ENDPOINT: this.#nameServer.address });
    onTestFinished(() => proxy.stop());
    const client = new ProxyClient(proxy.address);
    onTestFinished(() => client.close());
    const producerId = await client.createProducer(topic);
    const begin: Begin = (id) => client.send('SendTransactionMessage', { producer_id: producerId, message_body: id });
    return { begin, stop: proxy.stop };
  }

  async #killAt({ name, isReached, fate }: KillPoint, { begin, stop }: Mortal): Promise<void> {
    let reachedCount = 0;
    this.#watch((passing) => {
      if (!isReached(passing)) return 'pass';
      reachedCount += 1;
      this.#changes.notify();
      return fate;
    });
    begin();
    const allReached = (): true | undefined => reachedCount >= count || undefined;
    await this.#changes.until(allReached, waitMs, () => `${reachedCount} of ${count} came to ${name}`);
    await stop();
  }
}

function numbered(prefix: string): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
}
