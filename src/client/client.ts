import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { Serialization } from '../remoting/command.ts';
import { Deadline } from '../remoting/deadline.ts';
import { createMessageIds } from '../remoting/message-id.ts';
import { TransactionOutcome } from '../remoting/requests/end-transaction.ts';
import { defaultTopic } from '../remoting/topic-names.ts';
import { Admin } from './admin/admin.ts';
import { Queries } from './admin/queries.ts';
import { ChosenConsumer } from './chosen-consumer.ts';
import { BrokerClocks } from './cluster/broker-clocks.ts';
import { Channels } from './cluster/channels.ts';
import { type Cluster, createCluster } from './cluster/cluster.ts';
import { CredentialsKeeper } from './cluster/credentials.ts';
import { GroupSettings } from './cluster/group-settings.ts';
import { Heartbeats } from './cluster/heartbeats.ts';
import { NameServerDiscovery } from './cluster/name-server-discovery.ts';
import { NameServers } from './cluster/name-servers.ts';
import { Routes } from './cluster/routes.ts';
import { createServerRequestHandler } from './cluster/server-requests.ts';
import type { Consumer, ConsumerOptions } from './consumer.ts';
import { ClientError } from './errors.ts';
import type { ClientObserver } from './observer.ts';
import type { ClientOptions, ConsumeMode } from './options.ts';
import { Acks } from './pop/acks.ts';
import { LiveStreams } from './pop/live-streams.ts';
import { PopConsumer } from './pop/pop-consumer.ts';
import type { PopParts } from './pop/pop-options.ts';
import { popReplyBytesMax } from './pop/pop-requests.ts';
import { SpentReceipts } from './pop/spent-receipts.ts';
import { DeliveryNumbers } from './pull/delivery-numbers.ts';
import { LitePullConsumer, type LitePullOptions } from './pull/lite-pull-consumer.ts';
import { PullConsumer } from './pull/pull-consumer.ts';
import { PullGroups } from './pull/pull-groups.ts';
import { PullMembers } from './pull/pull-members.ts';
import { type PullParts, persistIntervalMsDefault, processQueueLimits } from './pull/pull-options.ts';
import { Producer } from './send/producer.ts';
import { Recalls } from './send/recall.ts';
import { RequestReply } from './send/request-reply.ts';
import { TransactionEnds } from './send/transaction-ends.ts';
import { settleTimeoutMs, TransactionGroups } from './send/transaction-groups.ts';
import { type TransactionChecker, Transactions } from './send/transactions.ts';
import { startTracing, type Tracing } from './trace/tracing.ts';
import { UnreadBytes } from './unread-bytes.ts';

/** What the end of a client waits for. */
interface Closable {
  close(): Promise<void>;
}

/** A client of one RocketMQ cluster, under one set of credentials: its connections are shared by all that is made from it. */
export class ClusterClient {
  readonly producer: Producer;
  /** Of the producer group that the options name. */
  readonly transactions: Transactions;
  /** Of other producer groups. */
  readonly transactionGroups: TransactionGroups;
  /** Of half messages that are left pending, by whichever client. */
  readonly transactionEnds: TransactionEnds;
  readonly requestReply: RequestReply;
  readonly queries: Queries;
  readonly recalls: Recalls;
  readonly admin: Admin;
  /** Sees what this client does; who works on messages tells it of that, by `observeProcess` and its like. */
  readonly observer: ClientObserver | undefined;
  readonly #tracing: Tracing | undefined;
  readonly #credentials: CredentialsKeeper;
  readonly #nameServerChannels: Channels;
  readonly #discovery: NameServerDiscovery | undefined;
  readonly #nameServers: NameServers;
  readonly #cluster: Cluster;
  readonly #popParts: PopParts;
  readonly #pullParts: PullParts;
  readonly #pullMembers: PullMembers;
  readonly #consumeMode: ConsumeMode;
  readonly #consumers = new Set<Closable>();
  readonly #timers: readonly NodeJS.Timeout[];
  #closed: Promise<void> | undefined;

  /** @param checkTransaction asked when a broker wants to know how a transaction ended that this client has not ended. */
  constructor(options: ClientOptions, checkTransaction: TransactionChecker = () => TransactionOutcome.UNKNOWN) {
    const { log, producerGroup, brokerAllowed, nameServerAllowed } = options;
    const clientId = createClientId();
    const createMessageId = createMessageIds();
    const heartbeats = new Heartbeats(clientId, producerGroup, log);
    const pullGroups = new PullGroups();
    const onServerRequest = createServerRequestHandler({
      heartbeats,
      pullGroups,
      transactions: () => this.transactionGroups,
      requestReply: () => this.requestReply,
    });
    const frameBytesMax = popReplyBytesMax(options.bodyBytesMax);
    this.#credentials = new CredentialsKeeper(options);
    const connections = { ...options, credentials: this.#credentials };
    const ipAllowed = (ip: string, address: string): boolean => brokerAllowed(address, ip);
    const serialization = Serialization.ROCKETMQ;
    const brokers = new Channels(
      { ...connections, ipAllowed, onServerRequest, frameBytesMax, serialization },
      (channel) => heartbeats.greet(channel),
    );
    this.#nameServerChannels = new Channels({
      ...connections,
      ipAllowed: (ip, address) => nameServerAllowed(address, ip),
    });
    const { nameServers, nameServerUrl: url } = options;
    this.#discovery = url === undefined ? undefined : new NameServerDiscovery({ ...options, url });
    this.#nameServers = new NameServers(this.#discovery ?? nameServers, this.#nameServerChannels);
    const routes = new Routes(this.#nameServers, options.routesMax);
    this.#cluster = createCluster({ clientId, routes, heartbeats, pullGroups, brokers }, brokerAllowed);
    const send: Producer['send'] = (message, deadline) => this.producer.send(message, deadline);
    this.#tracing = startTracing({ ...options, createMessageId, send });
    this.observer = this.#tracing?.observer ?? options.observer;
    this.producer = new Producer(this.#cluster, { ...options, observer: this.observer }, createMessageId);
    this.transactions = new Transactions(this.producer, producerGroup, checkTransaction, log);
    const [cluster, own] = [this.#cluster, this.transactions];
    this.transactionGroups = new TransactionGroups({ ...options, cluster, producer: this.producer, own });
    this.transactionEnds = new TransactionEnds(cluster, log);
    this.requestReply = new RequestReply({ ...options, cluster: this.#cluster, createMessageId, send });
    this.recalls = new Recalls({ ...options, cluster: this.#cluster });
    this.queries = new Queries(this.#cluster, options);
    this.admin = new Admin(this.#cluster, this.#nameServers, options);
    this.#popParts = {
      ...options,
      cluster: this.#cluster,
      clocks: new BrokerClocks(),
      acks: new Acks(),
      groups: new GroupSettings(log),
      spentReceipts: new SpentReceipts(),
      liveStreams: new LiveStreams(),
    };
    this.#pullParts = {
      ...this.#popParts,
      deliveryNumbers: new DeliveryNumbers(),
      unreadBytes: options.unreadBytes ?? new UnreadBytes(Number.POSITIVE_INFINITY),
      limits: processQueueLimits,
      persistIntervalMs: persistIntervalMsDefault,
    };
    this.#pullMembers = new PullMembers(this.#pullParts);
    this.#consumeMode = options.consumeMode;
    this.#timers = [
      setInterval(() => void heartbeats.beatAll(brokers.all), options.heartbeatIntervalMs).unref(),
      setInterval(() => void routes.refresh(), options.routeRefreshIntervalMs).unref(),
    ];
  }

  /**
   * Makes sure that messages for the topic have somewhere to go: a name server answers, it knows the topic or a broker that would
   * create it, and one of its brokers answers.
   * @throws ClientError `noRoute`, `noBroker`; RemotingError `connect`, `timeout`, `cancelled`.
   */
  async checkTopic(topic: string, deadline: Deadline): Promise<void> {
    const route = await this.#cluster.routes.findForSend(topic, deadline);
    const names = [...new Set(route.writeQueues.map(({ brokerName }) => brokerName))];
    if (names.length === 0) throw new ClientError('noBroker', `no broker takes messages for topic ${topic} now`);
    const tries = names.map(async (name) => {
      const channel = await this.#cluster.broker(route, name, deadline);
      await this.#cluster.heartbeats.versionOf(channel, deadline);
    });
    await Promise.any(tries).catch((cause: AggregateError) => {
      throw cause.errors[0];
    });
  }

  /** Makes sure that a name server answers. @throws RemotingError `connect`, `timeout`, `cancelled`. */
  async checkNameServers(deadline: Deadline): Promise<void> {
    await this.#nameServers.route(defaultTopic, deadline);
  }

  /**
   * A consumer of one topic for one group; `open` it first, `close` it in the end.
   * @param chosen by POP, by pull, or as its brokers can; a broadcast is by pull. Default: the client's.
   */
  consumer(options: ConsumerOptions, chosen: ConsumeMode = this.#consumeMode): Consumer {
    const { requestTimeoutMs } = this.#pullParts;
    const mode = options.broadcast === undefined ? chosen : 'pull';
    const createPop = (): PopConsumer => new PopConsumer(this.#popParts, options);
    const createPull = (): PullConsumer => new PullConsumer(this.#pullParts, this.#pullMembers, options);
    const { topic } = options.subscriber;
    const onClosed = (): boolean => this.#consumers.delete(consumer);
    const parts = { cluster: this.#cluster, requestTimeoutMs, topic, mode, createPop, createPull, onClosed };
    const consumer = new ChosenConsumer(parts);
    this.#consumers.add(consumer);
    return consumer;
  }

  /** As `consumer`, by POP. */
  popConsumer(options: ConsumerOptions): PopConsumer {
    const consumer = new PopConsumer(this.#popParts, options, () => this.#consumers.delete(consumer));
    this.#consumers.add(consumer);
    return consumer;
  }

  /** As `consumer`, by pull. */
  pullConsumer(options: ConsumerOptions): PullConsumer {
    const consumer = new PullConsumer(this.#pullParts, this.#pullMembers, options, () =>
      this.#consumers.delete(consumer),
    );
    this.#consumers.add(consumer);
    return consumer;
  }

  /**
   * A consumer that polls when it wants, and says itself what is done; `close` it in the end.
   * @throws ClientError `invalid` when the offsets that a broadcast keeps here cannot be read; `closed`.
   */
  async litePullConsumer(options: LitePullOptions): Promise<LitePullConsumer> {
    const consumer = await LitePullConsumer.open(this.#pullParts, options, () => this.#consumers.delete(consumer));
    if (this.#closed !== undefined) {
      await consumer.close();
      throw new ClientError('closed', 'the client has been closed');
    }
    this.#consumers.add(consumer);
    return consumer;
  }

  /** Records of message traces that were dropped: too many at once, or no broker took them. */
  get droppedTraceCount(): number {
    return this.#tracing?.dispatcher.droppedCount ?? 0;
  }

  /** Consumers that were made and not yet closed. */
  get consumerCount(): number {
    return this.#consumers.size;
  }

  /** Ends consumers, which give back what they hold, then connections; what is under way then fails as `closed`. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.requestReply.close();
    await Promise.all([
      this.transactionGroups.settled(),
      this.transactionEnds.settled(Deadline.after(settleTimeoutMs)),
      ...[...this.#consumers].map((consumer) => consumer.close()),
    ]);
    await this.#tracing?.dispatcher.close();
    this.#cluster.brokers.close();
    this.#nameServerChannels.close();
    this.#discovery?.close();
    this.#credentials.close();
  }
}

/** Unique among all clients of a cluster: two with one id would take each other's place at the brokers. */
function createClientId(): string {
  return `${hostname()}@${process.pid}#${randomBytes(6).toString('hex')}`;
}
