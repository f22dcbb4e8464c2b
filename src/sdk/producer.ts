import { Closing } from '../client/closing.ts';
import { Checking } from './checking.ts';
import type { ProducerPort } from './gateway.ts';
import {
  type CallOptions,
  type DelayOptions,
  type DraftSource,
  type MessageBody,
  type RecallResult,
  type SendResult,
  type SettleResult,
  type TransactionResult,
  toDraft,
} from './message.ts';
import type { MessageProperties } from './message-properties.ts';
import { checkTimeout, type Logger } from './mq-config.ts';
import { closedError, invalid } from './mq-error.ts';
import { Transaction, type TransactionChecker, type TransactionOutcome } from './transaction.ts';

/** What a message has besides body and tag; null and undefined for nothing. */
export type SentProperties = Partial<MessageProperties> | null | undefined;

/** How a producer takes part in transactions that it ends itself. */
export interface ProducerOptions {
  /**
   * Producer group: brokers ask any of its producers of the topic that have a `checker`, in whichever program. 1 to 120 letters, digits and
   * `| _ -`. Default: a group of the topic's name.
   */
  readonly producerGroup?: string | undefined;
  /** Is asked how transactions ended that nobody has told the broker of, from now on until the producer is closed. Default: nobody here is. */
  readonly checker?: TransactionChecker | undefined;
}

/** What producers have of their client. */
export interface ProducerParts {
  readonly port: ProducerPort;
  readonly logger: Logger;
  /** How long `close` waits for checkers, in ms. */
  readonly timeoutMs: number;
  /** Told when it is closed. */
  readonly onClosed: () => void;
}

/**
 * Publishes messages of one topic. Any number of publishes may be under way at once; those of one turn of the event loop leave together, and
 * each settles by its own outcome. Messages of one sharding key are stored in the order in which they were published.
 *
 * All publish calls reject with an MQError. Only the reason `OUTCOME_UNKNOWN` leaves open whether the message is stored.
 */
export class Producer implements AsyncDisposable {
  readonly #port: ProducerPort;
  readonly #closing: Closing;

  /** Not for users: `MQClient.getProducer` makes them. @param checker that of its options, which are right. */
  constructor({ port, logger, timeoutMs, onClosed }: ProducerParts, checker: TransactionChecker | undefined) {
    this.#port = port;
    const checking = checker && new Checking({ port: port.transactions, checker, logger });
    this.#closing = new Closing(
      () => closedError('the producer'),
      async () => {
        await this.#closing.ended();
        await checking?.stop(timeoutMs);
        // What cannot be told goes by itself when it is idle.
        await this.#port.close().catch(() => {});
        onClosed();
      },
    );
  }

  /** As proxies name it; opaque. */
  get producerId(): string {
    return this.#port.id;
  }

  /**
   * Publishes a message.
   * @param messageBody text, bytes, or an object, which is sent as JSON.
   * @param tag what consumers filter by; '' for none.
   */
  publishMessage(
    messageBody: MessageBody,
    tag = '',
    properties: SentProperties = null,
    call: CallOptions = {},
  ): Promise<SendResult> {
    return this.#send({ kind: 'normal', body: messageBody, tag, properties }, call);
  }

  /**
   * Publishes a message that keeps its order among those of its sharding key.
   * @param shardingKey default: that of the properties; one of the two must be there.
   */
  publishOrderedMessage(
    messageBody: MessageBody,
    tag = '',
    properties: SentProperties = null,
    shardingKey = '',
    call: CallOptions = {},
  ): Promise<SendResult> {
    return this.#send({ kind: 'ordered', body: messageBody, tag, properties, shardingKey }, call);
  }

  /** Publishes a message that is delivered later. */
  publishDelayMessage(
    messageBody: MessageBody,
    tag = '',
    properties: SentProperties = null,
    delay: DelayOptions = {},
    call: CallOptions = {},
  ): Promise<SendResult> {
    return this.#send({ kind: 'delayed', body: messageBody, tag, properties, delay }, call);
  }

  /**
   * Publishes a message as a transaction that is committed as soon as it is stored.
   * @param transCheckImmunityTime seconds before a broker first asks for the outcome; 0: its own.
   */
  publishTransactionMessage(
    messageBody: MessageBody,
    tag = '',
    properties: SentProperties = null,
    transCheckImmunityTime = 0,
    call: CallOptions = {},
  ): Promise<TransactionResult> {
    const source = { body: messageBody, tag, properties, checkImmunitySeconds: transCheckImmunityTime };
    return this.#during(call, () => this.#port.sendTransaction(toDraft({ kind: 'normal', ...source }), call));
  }

  /**
   * Stores a message that nobody receives before its transaction is committed. One that is neither committed nor rolled back is asked for by its
   * broker, which gives it up when it has asked in vain (15 times unless set up otherwise). Such messages cannot be delayed.
   * @param transCheckImmunityTime seconds before the broker first asks; 0: its own.
   */
  publishHalfMessage(
    messageBody: MessageBody,
    tag = '',
    properties: SentProperties = null,
    transCheckImmunityTime = 0,
    call: CallOptions = {},
  ): Promise<Transaction> {
    const source = { body: messageBody, tag, properties, checkImmunitySeconds: transCheckImmunityTime };
    return this.#during(call, async () => {
      const half = await this.#port.transactions.begin(toDraft({ kind: 'normal', ...source }), call);
      return new Transaction(half, (outcome, by) => this.endTransaction(half.transactionHandle, outcome, by));
    });
  }

  /**
   * Commits or rolls back a transaction, when the broker has confirmed it. A second time with the same outcome is a success too.
   * @param transactionHandle of a `Transaction` or a `HalfMessage`, of this topic.
   * @throws MQError `INVALID_REQUEST` when it has ended with the other outcome; `RECEIPT_EXPIRED` when the broker takes no end any more before it
   * asks; `OUTCOME_UNKNOWN` when it did not confirm: end it again later, or answer its check.
   */
  endTransaction(
    transactionHandle: string,
    outcome: TransactionOutcome,
    call: CallOptions = {},
  ): Promise<SettleResult> {
    return this.#during(call, async () => {
      if (outcome !== 'commit' && outcome !== 'rollback')
        throw invalid(`the outcome is ${String(outcome)}; it must be commit or rollback`);
      return this.#port.transactions.end(String(transactionHandle), outcome, call);
    });
  }

  /**
   * Takes back a message whose time of delivery has not come. In the last seconds before that time it may come all the same.
   * @param recallHandle of its `SendResult`.
   * @throws MQError `NOT_SUPPORTED` where brokers are older than 5.3 or not told to (`recallMessageEnable`); `RECEIPT_EXPIRED` when its time has come.
   */
  recallMessage(recallHandle: string, call: CallOptions = {}): Promise<RecallResult> {
    return this.#during(call, () => this.#port.recall(String(recallHandle), call));
  }

  /**
   * Takes no more messages, and resolves when the publishes that are under way have ended, and the checkers too (no later than the client's
   * `timeoutMs`). Never fails.
   */
  close(): Promise<void> {
    return this.#closing.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #send(source: DraftSource, call: CallOptions): Promise<SendResult> {
    return this.#during(call, () => this.#port.send(toDraft(source), call));
  }

  #during<T>({ timeoutMs }: CallOptions, work: () => Promise<T>): Promise<T> {
    return this.#closing.during(async () => {
      checkTimeout(timeoutMs);
      return work();
    });
  }
}

/** @throws MQError INVALID_ARGUMENT, naming the option. */
export function checkProducerOptions({ checker }: ProducerOptions): void {
  if (checker !== undefined && typeof checker !== 'function') throw invalid('the checker is no function');
}
