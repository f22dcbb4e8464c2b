import { Closing } from '../client/closing.ts';
import { Consumer, type ConsumerOptions, checkConsumerOptions } from './consumer.ts';
import { DirectGateway } from './direct/direct-gateway.ts';
import type {
  CleanupConsumerRequest,
  CleanupProducerRequest,
  CleanupResult,
  ConsumerRequest,
  Gateway,
  HealthStatus,
} from './gateway.ts';
import type { ConsumerFilter, ConsumerLag, LiveConsumer, LiveProducer, ProducerFilter } from './listings.ts';
import type { CallOptions } from './message.ts';
import { type CheckedConfig, checkConfig, checkTimeout, type MQConfig } from './mq-config.ts';
import { closedError } from './mq-error.ts';
import { checkProducerOptions, Producer, type ProducerOptions } from './producer.ts';
import { ProxyGateway } from './proxy/proxy-gateway.ts';

/** What is closed with its client. */
interface Closable {
  close(): Promise<void>;
}

/**
 * RocketMQ, by a proxy (or several) or straight. One for as long as the program runs: producers and consumers share its connections, which are
 * made when they are first needed. `close()` it in the end; every call rejects with an MQError.
 */
export class MQClient implements AsyncDisposable {
  readonly #config: CheckedConfig;
  readonly #gateway: Gateway;
  readonly #made = new Set<Closable>();
  readonly #closing = new Closing(
    () => closedError('the client'),
    () => this.#close(),
  );

  /** Connects to nothing yet. @throws MQError INVALID_ARGUMENT, naming the option. */
  constructor(config: MQConfig) {
    this.#config = checkConfig(config);
    this.#gateway = this.#config.direct ? new DirectGateway(this.#config) : new ProxyGateway(this.#config);
  }

  /**
   * A producer of one topic.
   * @param instanceId of a cloud vendor; empty: that of the configuration.
   * @throws MQError `ENDPOINT_UNREACHABLE`, `TOPIC_NOT_FOUND`, …
   */
  getProducer(
    instanceId: string | null | undefined,
    topic: string,
    { producerGroup, checker, ...call }: ProducerOptions & CallOptions = {},
  ): Promise<Producer> {
    return this.#during(call, async () => {
      checkProducerOptions({ checker });
      const request = { instanceId: this.#instance(instanceId), topic, producerGroup };
      const port = await this.#gateway.createProducer(request, call);
      const { logger, timeoutMs } = this.#config;
      const onClosed = (): boolean => this.#made.delete(producer);
      const producer: Producer = new Producer({ port, logger, timeoutMs, onClosed }, checker);
      return this.#keep(producer);
    });
  }

  /**
   * A consumer of one topic for one group.
   * @param instanceId of a cloud vendor; empty: that of the configuration.
   * @param tagExpression `*` for all messages, or tags as `tag1||tag2`.
   * @throws MQError as `getProducer`.
   */
  getConsumer(
    instanceId: string | null | undefined,
    topic: string,
    groupId: string,
    tagExpression: string | undefined,
    options: ConsumerOptions & CallOptions & { readonly binaryBodies: true },
  ): Promise<Consumer<Buffer>>;
  getConsumer(
    instanceId: string | null | undefined,
    topic: string,
    groupId: string,
    tagExpression?: string,
    options?: ConsumerOptions & CallOptions & { readonly binaryBodies?: false | undefined },
  ): Promise<Consumer>;
  getConsumer(
    instanceId: string | null | undefined,
    topic: string,
    groupId: string,
    tagExpression = '*',
    { timeoutMs, signal, ...options }: ConsumerOptions & CallOptions = {},
  ): Promise<Consumer<string> | Consumer<Buffer>> {
    const names = { instanceId: this.#instance(instanceId), topic, groupId };
    const request = { ...names, tagExpression: options.sqlExpression === undefined ? tagExpression : '', options };
    return this.#during({ timeoutMs }, () => this.#createConsumer(request, options, { timeoutMs, signal }));
  }

  /**
   * The caller's producers that the proxies hold which can be reached, the newest first, at most 1,000. In direct mode, those of this client.
   */
  listProducers(filter: ProducerFilter = {}, call: CallOptions = {}): Promise<LiveProducer[]> {
    return this.#during(call, () => this.#gateway.listProducers(filter, call));
  }

  /** The caller's consumers, as `listProducers`. */
  listConsumers(filter: ConsumerFilter = {}, call: CallOptions = {}): Promise<LiveConsumer[]> {
    return this.#during(call, () => this.#gateway.listConsumers(filter, call));
  }

  /** How far a group is behind in a topic, as brokers know it, and who is in it. @throws MQError `TOPIC_NOT_FOUND`, … */
  getConsumerLag(
    instanceId: string | null | undefined,
    topic: string,
    groupId: string,
    call: CallOptions = {},
  ): Promise<ConsumerLag> {
    const request = { instanceId: this.#instance(instanceId), topic, groupId };
    return this.#during(call, () => this.#gateway.getConsumerLag(request, call));
  }

  /** Whether the proxy serves; in direct mode, whether a name server answers. @throws MQError where there is none. */
  healthCheck(call: CallOptions = {}): Promise<HealthStatus> {
    return this.#during(call, () => this.#gateway.healthCheck(call));
  }

  /** Ends producers, also other programs': one by its id, or all of a topic. In direct mode, those of this client. */
  cleanupProducer(request: CleanupProducerRequest, call: CallOptions = {}): Promise<CleanupResult> {
    return this.#during(call, () => this.#gateway.cleanupProducer(request, call));
  }

  /** Ends consumers, also other programs': one by its id, or all of a group (and topic). In direct mode, those of this client. */
  cleanupConsumer(request: CleanupConsumerRequest, call: CallOptions = {}): Promise<CleanupResult> {
    return this.#during(call, () => this.#gateway.cleanupConsumer(request, call));
  }

  /**
   * Closes producers and consumers as their own `close` does, then connections. A program whose clients are closed ends by itself. Never fails; a
   * second call waits for the same end.
   */
  close(): Promise<void> {
    return this.#closing.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #createConsumer(request: ConsumerRequest, options: ConsumerOptions, call: CallOptions): Promise<Consumer> {
    const handling = checkConsumerOptions(options);
    const port = await this.#gateway.createConsumer(request, call);
    const { logger, timeoutMs } = this.#config;
    const onClosed = (): boolean => this.#made.delete(consumer);
    const consumer: Consumer = new Consumer({ port, logger, timeoutMs, onClosed }, handling);
    return this.#keep(consumer);
  }

  #keep<T extends Closable>(made: T): T {
    this.#made.add(made);
    return made;
  }

  async #close(): Promise<void> {
    await this.#closing.ended();
    await Promise.all([...this.#made].map((made) => made.close()));
    await this.#gateway.close();
  }

  #instance(instanceId: string | null | undefined): string {
    return instanceId || this.#config.instanceId;
  }

  async #during<T>({ timeoutMs }: CallOptions, work: () => Promise<T>): Promise<T> {
    checkTimeout(timeoutMs);
    return this.#closing.during(work);
  }
}
