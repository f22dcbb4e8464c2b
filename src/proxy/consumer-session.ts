import type { PopConsumer } from '../client/pop-consumer.ts';
import type { PopConsumerOptions } from '../client/pop-options.ts';
import { parseTagFilter } from '../client/tag-filter.ts';
import type { Deadline } from '../remoting/deadline.ts';
import type { Engines } from './engines.ts';
import { type ConsumerSpec, receiptOwner } from './session-specs.ts';

/** How messages are handed out: the proxy's settings. */
export type DeliverySettings = Pick<PopConsumerOptions, 'invisibleDurationMs' | 'renewalDurationMs' | 'pollDurationMs'>;

/** What this proxy holds for a consumer id: made on first use, let go when idle or cleaned up; the id outlives it. */
export class ConsumerSession {
  readonly spec: ConsumerSpec;
  /** Receipts of other groups, topics or clusters are not ours. */
  readonly receiptOwner: string;
  readonly #engines: Engines;
  readonly #settings: DeliverySettings;
  #consumer: PopConsumer | undefined;
  #opened: Promise<boolean> | undefined;

  constructor(spec: ConsumerSpec, engines: Engines, settings: DeliverySettings) {
    this.spec = spec;
    this.receiptOwner = receiptOwner(spec);
    this.#engines = engines;
    this.#settings = settings;
  }

  get isReceiving(): boolean {
    return (this.#consumer?.streamCount ?? 0) > 0;
  }

  /** The consumer, which may not be open. */
  get consumer(): PopConsumer {
    const { group, topic, tagExpression } = this.spec;
    this.#consumer ??= this.#engines.get(this.spec).popConsumer({
      subscriber: { group, topic },
      filter: parseTagFilter(tagExpression),
      ...this.#settings,
    });
    return this.#consumer;
  }

  /**
   * The consumer, open. Says whether its topic exists already.
   * @throws as `PopConsumer.open`; the next call tries again.
   */
  async open(deadline: Deadline): Promise<{ readonly consumer: PopConsumer; readonly topicExists: boolean }> {
    const { consumer } = this;
    this.#opened ??= consumer.open(deadline);
    try {
      return { consumer, topicExists: await this.#opened };
    } catch (error) {
      this.#opened = undefined;
      throw error;
    }
  }

  /** Lets go of what it holds; its streams end. */
  release(): void {
    this.#consumer?.close();
    this.#consumer = undefined;
    this.#opened = undefined;
  }
}
