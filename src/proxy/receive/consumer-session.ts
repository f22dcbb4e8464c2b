import { consumeFromDefault } from '../../client/consume-from.ts';
import type { Consumer, ConsumerOptions } from '../../client/consumer.ts';
import { parseTagFilter, sqlFilter } from '../../client/message-filter.ts';
import { Deadline } from '../../remoting/deadline.ts';
import type { Engines } from '../engines.ts';
import { createTimeoutMs } from '../rpc/call.ts';
import { type ConsumerFields, receiptOwner } from '../session/session-specs.ts';

/** How messages are handed out: the proxy's settings. */
export type DeliverySettings = Pick<ConsumerOptions, 'invisibleDurationMs' | 'renewalDurationMs' | 'pollDurationMs'>;

/** What this proxy holds for a consumer id: made on first use, let go when idle or cleaned up; the id outlives it. */
export class ConsumerSession {
  readonly fields: ConsumerFields;
  /** Receipts of other groups, topics or clusters are not ours. */
  readonly receiptOwner: string;
  readonly #engines: Engines;
  readonly #settings: DeliverySettings;
  #consumer: Consumer | undefined;
  #opened: Promise<boolean> | undefined;
  #openingCount = 0;

  constructor(fields: ConsumerFields, engines: Engines, settings: DeliverySettings) {
    this.fields = fields;
    this.receiptOwner = receiptOwner(fields);
    this.#engines = engines;
    this.#settings = settings;
  }

  /** True while it has a stream, or one is about to start. */
  get isReceiving(): boolean {
    return this.#openingCount > 0 || this.streamCount > 0;
  }

  /** Streams that are open. */
  get streamCount(): number {
    return this.#consumer?.streamCount ?? 0;
  }

  /** Messages that its streams have handed out and that are not acknowledged. */
  get inFlightCount(): number {
    return this.#consumer?.inFlightCount ?? 0;
  }

  /** The consumer, which may not be open. */
  get consumer(): Consumer {
    this.#consumer ??= this.#create();
    return this.#consumer;
  }

  /**
   * The consumer, open. Says whether its topic exists already.
   * @throws as `Consumer.open`; the next call tries again.
   */
  async open(deadline: Deadline): Promise<{ readonly consumer: Consumer; readonly topicExists: boolean }> {
    const { consumer } = this;
    this.#opened ??= this.#open(consumer);
    this.#openingCount += 1;
    try {
      return { consumer, topicExists: await deadline.wait(this.#opened, 'opening a consumer') };
    } finally {
      this.#openingCount -= 1;
    }
  }

  /** Lets go of what it holds; its streams end. */
  release(): void {
    // It never fails, and nobody has to wait until the messages of its streams are given back.
    void this.#consumer?.close();
    this.#consumer = undefined;
    this.#opened = undefined;
  }

  #create(): Consumer {
    const { group, topic, tagExpression, choices = {} } = this.fields;
    const { sqlCondition, consumeFrom = consumeFromDefault, orderly = false, consumeMode } = choices;
    const { invisibleDurationMs = this.#settings.invisibleDurationMs } = choices;
    const { renewalDurationMs, pollDurationMs } = this.#settings;
    const filter = sqlCondition === undefined ? parseTagFilter(tagExpression) : sqlFilter(sqlCondition);
    const subscriber = { group, topic };
    // Not by spreading, as in `consumerSpec`.
    const how = { filter, consumeFrom, orderly, invisibleDurationMs, renewalDurationMs, pollDurationMs, subscriber };
    return this.#engines.get(this.fields).consumer(how, consumeMode);
  }

  #open(consumer: Consumer): Promise<boolean> {
    // Callers with different deadlines share it, so it has one of its own.
    const opened = consumer.open(Deadline.after(createTimeoutMs));
    opened.catch(() => {
      if (this.#opened === opened) this.#opened = undefined;
    });
    return opened;
  }
}
