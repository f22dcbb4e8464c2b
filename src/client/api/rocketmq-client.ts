import { unwrapNamespace } from '../../remoting/topic-names.ts';
import { ClusterClient } from '../client.ts';
import { Closing } from '../closing.ts';
import { Admin } from './admin.ts';
import { type CheckedOptions, checkOptions, type RocketMQClientOptions } from './client-options.ts';
import type { ClientParts, Closable } from './client-parts.ts';
import { LitePullConsumer, type LitePullConsumerOptions } from './lite-pull-consumer.ts';
import { fullGroup, fullTopic } from './names.ts';
import { Producer } from './producer.ts';
import { PushConsumer } from './push-consumer.ts';
import type { PushConsumerOptions } from './push-options.ts';
import { Queries } from './queries.ts';
import { closedError } from './rocketmq-error.ts';
import { SimpleConsumer, type SimpleConsumerOptions } from './simple-consumer.ts';
import { TransactionProducer, type TransactionProducerOptions } from './transaction-producer.ts';

/**
 * A RocketMQ cluster, under one set of credentials. Producers and consumers are made from it and share its connections, which are made
 * when they are first needed. A program ends by itself once its clients are closed.
 */
export class RocketMQClient implements AsyncDisposable {
  readonly #options: CheckedOptions;
  readonly #parts: ClientParts;
  readonly #made = new Set<Closable>();
  readonly #closing = new Closing(
    () => closedError('the client'),
    () => this.#close(),
  );
  #cluster: ClusterClient | undefined;

  /** Connects to nothing yet. @throws RocketMQError `INVALID_ARGUMENT`, naming the option. */
  constructor(options: RocketMQClientOptions) {
    this.#options = checkOptions(options);
    const { cluster, namespace, timeoutMs } = this.#options;
    this.#parts = {
      log: cluster.log,
      timeoutMs,
      namespace,
      rules: { fullTopic: (topic) => fullTopic(topic, namespace), bodyBytesMax: cluster.bodyBytesMax },
      fullGroup: (group) => fullGroup(group, namespace),
      shortTopic: (topic) => unwrapNamespace(namespace, topic),
      cluster: () => this.#open(),
      onClosed: (closed) => void this.#made.delete(closed),
    };
  }

  /** Sends messages. @throws RocketMQError `CLOSED`. */
  producer(): Producer {
    return this.#make(() => new Producer(this.#parts));
  }

  /** Sends messages of transactions. @throws RocketMQError `INVALID_ARGUMENT`, `CLOSED`. */
  transactionProducer(options: TransactionProducerOptions): TransactionProducer {
    return this.#make(() => new TransactionProducer(this.#parts, options));
  }

  /** Gives messages to a handler. @throws RocketMQError `INVALID_ARGUMENT`, `CLOSED`. */
  pushConsumer(options: PushConsumerOptions): PushConsumer {
    return this.#make(() => new PushConsumer(this.#parts, options));
  }

  /** Receives messages when it is asked to. @throws RocketMQError `INVALID_ARGUMENT`, `CLOSED`. */
  simpleConsumer(options: SimpleConsumerOptions): SimpleConsumer {
    return this.#make(() => new SimpleConsumer(this.#parts, options));
  }

  /** Receives by pull from queues, and keeps its own place in them. @throws RocketMQError `INVALID_ARGUMENT`, `CLOSED`. */
  litePullConsumer(options: LitePullConsumerOptions): LitePullConsumer {
    return this.#make(() => new LitePullConsumer(this.#parts, options));
  }

  /** Makes, changes and deletes topics and groups, and says how far groups are. @throws RocketMQError `CLOSED`. */
  admin(): Admin {
    this.#closing.check();
    return new Admin(this.#parts);
  }

  /** Looks messages up by id or key. @throws RocketMQError `CLOSED`. */
  queries(): Queries {
    this.#closing.check();
    return new Queries(this.#parts);
  }

  /** Records of message traces that were dropped: too many at once, or no broker took them. */
  get droppedTraceCount(): number {
    return this.#cluster?.droppedTraceCount ?? 0;
  }

  /**
   * Closes all that was made from it, which waits for sends and handlers under way as their own `close` does, then its connections. Never
   * fails; a second call waits for the same end.
   */
  close(): Promise<void> {
    return this.#closing.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #make<T extends Closable>(create: () => T): T {
    this.#closing.check();
    const made = create();
    this.#made.add(made);
    return made;
  }

  /** What was made is closed before the cluster: until then it may still need it. */
  #open(): ClusterClient {
    if (this.#cluster === undefined) this.#closing.check();
    this.#cluster ??= new ClusterClient(this.#options.cluster);
    return this.#cluster;
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#made].map((made) => made.close()));
    await this.#cluster?.close();
  }
}
