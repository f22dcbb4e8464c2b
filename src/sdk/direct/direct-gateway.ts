import { runCall } from '../../client/api/call.ts';
import { type CheckedOptions, checkOptions } from '../../client/api/client-options.ts';
import type { ClientParts } from '../../client/api/client-parts.ts';
import { fullGroup, fullTopic } from '../../client/api/names.ts';
import { checkConsumeFrom, openConsumer, parseFilter } from '../../client/api/subscription.ts';
import { TransactionProducer } from '../../client/api/transaction-producer.ts';
import { ClusterClient } from '../../client/client.ts';
import { clientDefaults } from '../../client/options.ts';
import { decodeClaim, encodeClaim } from '../../client/receipt.ts';
import { CheckedGroups } from '../../client/send/checked-groups.ts';
import type {
  CleanupConsumerRequest,
  CleanupProducerRequest,
  CleanupResult,
  ConsumerPort,
  ConsumerRequest,
  Gateway,
  HealthStatus,
  LagRequest,
  ProducerPort,
  ProducerRequest,
} from '../gateway.ts';
import type { ConsumerFilter, ConsumerLag, LiveConsumer, LiveProducer, ProducerFilter } from '../listings.ts';
import type { CallOptions } from '../message.ts';
import type { CheckedConfig } from '../mq-config.ts';
import { closedError } from '../mq-error.ts';
import { callOf } from './direct-calls.ts';
import { DirectConsumer } from './direct-consumer.ts';
import { fromClientError, fromFirstCall } from './direct-errors.ts';
import { DirectHandles } from './direct-handles.ts';
import { newest, toConsumerLag } from './direct-listings.ts';
import { DirectProducer } from './direct-producer.ts';

/** Instance ids that begin so are namespaces: on Alibaba Cloud. */
const namespacePrefix = 'MQ_INST_';
const invisibleDurationMsDefault = 30_000;

/** The way without a proxy. */
export class DirectGateway implements Gateway {
  readonly #config: CheckedConfig;
  readonly #options: CheckedOptions;
  readonly #producers = new Set<DirectProducer>();
  readonly #consumers = new Set<DirectConsumer>();
  readonly #checkedGroups: CheckedGroups;
  /** Of each namespace. */
  readonly #transactions = new Map<string, TransactionProducer>();
  #cluster: ClusterClient | undefined;
  #isClosed = false;

  /** Connects with the first call. @throws MQError INVALID_ARGUMENT. */
  constructor(config: CheckedConfig) {
    this.#config = config;
    this.#checkedGroups = new CheckedGroups(config.logger);
    const { endpoint, accessKeyId: accessKey, accessKeySecret: secretKey, tls, logger, timeoutMs } = config;
    try {
      this.#options = checkOptions({
        nameServers: endpoint,
        ...(accessKey === '' ? {} : { credentials: { accessKey, secretKey } }),
        tls: tls === undefined ? false : { ...tls },
        logger,
        timeoutMs,
        // As by proxies: whoever reads it may be of any age.
        compression: { type: 'none' },
      });
    } catch (error) {
      throw fromClientError(error);
    }
  }

  async createProducer({ instanceId, ...names }: ProducerRequest, call: CallOptions): Promise<ProducerPort> {
    const client = this.#parts(instanceId);
    return this.#firstCall(async () => {
      const producer: DirectProducer = new DirectProducer({
        ...names,
        client,
        atOnce: this.#transactionsOf(client),
        checkedGroups: this.#checkedGroups,
        onClosed: () => this.#producers.delete(producer),
      });
      await producer.check(call);
      this.#producers.add(producer);
      return producer;
    });
  }

  async createConsumer(request: ConsumerRequest, call: CallOptions): Promise<ConsumerPort> {
    const { topic, groupId, tagExpression, options } = request;
    const { namespace } = this.#parts(request.instanceId);
    const { sqlExpression, invisibleDurationMs = invisibleDurationMsDefault } = options;
    return this.#firstCall(async () => {
      const subscriber = { group: fullGroup(groupId, namespace), topic: fullTopic(topic, namespace) };
      const subscription = {
        subscriber,
        filter: parseFilter(sqlExpression === undefined ? tagExpression : { sql: sqlExpression }),
        invisibleDurationMs,
        renewalDurationMs: 0,
        orderly: options.ordered ?? false,
        consumeFrom: checkConsumeFrom(options.consumeFrom),
        mode: options.consumeMode,
      };
      const consumer = await runCall(callOf(call), this.#config.timeoutMs, (deadline) =>
        openConsumer(this.#open(), subscription, deadline),
      );
      const port: DirectConsumer = new DirectConsumer({
        consumer,
        topic,
        groupId,
        options,
        receipts: new DirectHandles('receipt handle', [subscriber.group, subscriber.topic], receiptText),
        timeoutMs: this.#config.timeoutMs,
        onClosed: () => this.#consumers.delete(port),
      });
      this.#consumers.add(port);
      return port;
    });
  }

  async cleanupProducer({
    producerId = '',
    topic = '',
    endpoint = '',
  }: CleanupProducerRequest): Promise<CleanupResult> {
    const isOther = endpoint !== '' && endpoint !== this.#config.endpoint;
    if (producerId === '' && topic === '') return cleanedNothing;
    const meant = [...this.#producers].filter((one) =>
      producerId === '' ? one.topic === topic : one.id === producerId,
    );
    return cleanUp(isOther ? [] : meant, 'producers');
  }

  async cleanupConsumer({ consumerId = '', groupId = '', topic = '' }: CleanupConsumerRequest): Promise<CleanupResult> {
    if (consumerId === '' && groupId === '') return cleanedNothing;
    const isOfGroup = (one: DirectConsumer): boolean =>
      one.groupId === groupId && (topic === '' || one.topic === topic);
    const meant = [...this.#consumers].filter((one) => (consumerId === '' ? isOfGroup(one) : one.id === consumerId));
    return cleanUp(meant, 'consumers');
  }

  async listProducers({ topic = '' }: ProducerFilter): Promise<LiveProducer[]> {
    return newest(this.#producers, (one) => topic === '' || one.topic === topic).map(({ live }) => live);
  }

  async listConsumers({ groupId = '', topic = '' }: ConsumerFilter): Promise<LiveConsumer[]> {
    const isMeant = (one: DirectConsumer): boolean =>
      (groupId === '' || one.groupId === groupId) && (topic === '' || one.topic === topic);
    return newest(this.#consumers, isMeant).map(({ live }) => live);
  }

  getConsumerLag({ instanceId, topic, groupId }: LagRequest, call: CallOptions): Promise<ConsumerLag> {
    const { namespace } = this.#parts(instanceId);
    return this.#firstCall(async () => {
      const subscriber = { group: fullGroup(groupId, namespace), topic: fullTopic(topic, namespace) };
      const lag = await runCall(callOf(call), this.#config.timeoutMs, (deadline) =>
        this.#open().admin.consumerLag(subscriber, deadline),
      );
      return toConsumerLag(lag);
    });
  }

  async healthCheck(call: CallOptions): Promise<HealthStatus> {
    await this.#firstCall(() =>
      runCall(callOf(call), this.#config.timeoutMs, (deadline) => this.#open().checkNameServers(deadline)),
    );
    return { healthy: true, message: 'a name server answers' };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#transactions.values()].map((transactions) => transactions.close()));
    await this.#cluster?.close();
  }

  /** What is made of it is closed by its maker, before this. */
  #open(): ClusterClient {
    if (this.#isClosed) throw closedError('the client');
    this.#cluster ??= new ClusterClient(this.#options.cluster);
    return this.#cluster;
  }

  #parts(instanceId: string): ClientParts {
    const { cluster, timeoutMs } = this.#options;
    const namespace = instanceId.startsWith(namespacePrefix) ? instanceId : this.#options.namespace;
    return {
      log: cluster.log,
      timeoutMs,
      namespace,
      rules: { fullTopic: (topic) => fullTopic(topic, namespace), bodyBytesMax: cluster.bodyBytesMax },
      fullGroup: (group) => fullGroup(group, namespace),
      // Results of the SDK name no topics.
      shortTopic: (topic) => topic,
      cluster: () => this.#open(),
      onClosed: () => {},
    };
  }

  /** Members of the group that proxies send under: where the commit got lost, any of them answers the same. */
  #transactionsOf(parts: ClientParts): TransactionProducer {
    const known = this.#transactions.get(parts.namespace);
    if (known !== undefined) return known;
    const transactions = new TransactionProducer(parts, { group: clientDefaults.producerGroup, check: () => 'commit' });
    this.#transactions.set(parts.namespace, transactions);
    return transactions;
  }

  async #firstCall<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw fromFirstCall(error, this.#config.endpoint);
    }
  }
}

const receiptText = { encode: encodeClaim, decode: decodeClaim };

const cleanedNothing: CleanupResult = {
  cleanedCount: 0,
  message: 'nothing was cleaned up: name an id, a topic or a group',
};

async function cleanUp(ports: readonly { close(): Promise<void> }[], what: string): Promise<CleanupResult> {
  await Promise.all(ports.map((port) => port.close()));
  return { cleanedCount: ports.length, message: `${ports.length} ${what} were cleaned up` };
}
