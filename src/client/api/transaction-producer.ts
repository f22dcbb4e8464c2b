import { decompressBody } from '../../remoting/compression.ts';
import { Deadline } from '../../remoting/deadline.ts';
import { MessageProperty } from '../../remoting/message.ts';
import { TransactionOutcome } from '../../remoting/requests/end-transaction.ts';
import type { StoredMessage } from '../../remoting/stored-message.ts';
import type { ClusterClient } from '../client.ts';
import { Closing } from '../closing.ts';
import type { TransactionGroup } from '../send/transaction-groups.ts';
import { type DecidedOutcome, decidedOutcomes } from '../send/transactions.ts';
import { type CallOptions, checkNumber } from './call.ts';
import { type ClientParts, runOnCluster } from './client-parts.ts';
import { type Message, toOutgoing } from './message.ts';
import { ReceivedMessage } from './received-message.ts';
import { closedError, invalidArgument, RocketMQError, toRocketMQError } from './rocketmq-error.ts';
import { type SendResult, toSendResult } from './send-result.ts';

/** The message of a transaction whose end the brokers do not know. */
export type HalfMessage = Pick<
  ReceivedMessage,
  'messageId' | 'topic' | 'body' | 'text' | 'tag' | 'keys' | 'shardingKey' | 'properties' | 'bornAt'
>;

/** How a transaction ended, as far as it is known now. */
export type TransactionState = 'commit' | 'rollback' | 'unknown';

/**
 * Looks up how a transaction ended, by what was written down with the work itself; it may be one of another member of the group, also of
 * one that has crashed. `unknown`, and what it throws: brokers ask again later, up to 15 times unless set up otherwise.
 */
export type TransactionCheck = (message: HalfMessage) => TransactionState | Promise<TransactionState>;

/** Options of a producer of transactions. */
export interface TransactionProducerOptions {
  /** Producer group: brokers ask any of its members how a transaction ended. 1 to 120 letters, digits and `% | _ -`, the namespace included. */
  readonly group: string;
  readonly check: TransactionCheck;
  /** Topics to be asked about from the start. Brokers ask those members only that are connected, which the first send makes them, too. */
  readonly topics?: readonly string[];
  /** How old a message must be before brokers ask about it, in s: 1 to 86,400. Default: the brokers' own, 6 s. */
  readonly checkImmunitySeconds?: number;
}

/** How often it is made sure that all brokers of the topics are connected, in ms. */
const connectIntervalMs = 30_000;

/** A message that is stored, and that nobody receives before the transaction is committed. */
export class Transaction implements SendResult {
  readonly messageId: string;
  readonly offsetMessageId: string;
  readonly queue: SendResult['queue'];
  readonly queueOffset: bigint;
  readonly transactionId: string;
  readonly #end: (outcome: DecidedOutcome) => void;

  /** Not for users: `TransactionProducer.send` makes them. */
  constructor(transactionId: string, sent: SendResult, end: (outcome: DecidedOutcome) => void) {
    this.messageId = sent.messageId;
    this.offsetMessageId = sent.offsetMessageId;
    this.queue = sent.queue;
    this.queueOffset = sent.queueOffset;
    this.transactionId = transactionId;
    this.#end = end;
  }

  /**
   * The message is to be delivered. The broker is told once; where that gets lost, it asks, and is answered the same, for which a member of
   * the group must be there. A second time nothing is done.
   * @throws RocketMQError `INVALID_ARGUMENT` when it was rolled back.
   */
  commit(): void {
    this.#end(TransactionOutcome.COMMIT);
  }

  /** The message is to be dropped; else as `commit`. @throws RocketMQError `INVALID_ARGUMENT` when it was committed. */
  rollback(): void {
    this.#end(TransactionOutcome.ROLLBACK);
  }
}

/** Sends messages that are delivered when, and only when, some work of the program has succeeded. */
export class TransactionProducer implements AsyncDisposable {
  readonly #parts: ClientParts;
  readonly #options: TransactionProducerOptions;
  readonly #group: string;
  /** Topics whose brokers are to be connected. */
  readonly #topics = new Set<string>();
  /** Messages whose work is running here: what the check could not know yet. */
  readonly #running = new Set<string>();
  readonly #closing: Closing;
  readonly #timer: NodeJS.Timeout;
  #joined: TransactionGroup | undefined;

  /** Not for users: `RocketMQClient.transactionProducer` makes them. */
  constructor(parts: ClientParts, options: TransactionProducerOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#group = parts.fullGroup(options.group);
    const { check, checkImmunitySeconds, topics = [] } = options;
    if (typeof check !== 'function')
      throw invalidArgument('check is no function: give the one that looks up transactions');
    if (checkImmunitySeconds !== undefined)
      checkNumber('checkImmunitySeconds', checkImmunitySeconds, { min: 1, max: 86_400 });
    for (const topic of topics) this.#topics.add(parts.rules.fullTopic(topic));
    this.#closing = new Closing(
      () => closedError('the producer'),
      () => this.#close(),
    );
    this.#timer = setInterval(() => this.#connect(), connectIntervalMs).unref();
    if (this.#topics.size > 0) this.#connect();
  }

  /**
   * Stores the message; `commit` or `rollback` of what is returned ends its transaction. One that is never ended is left to the check.
   * Messages of transactions cannot be delayed.
   * @throws RocketMQError. After `OUTCOME_UNKNOWN` the message may be stored, and the check decides about it.
   */
  send(message: Message, call: CallOptions = {}): Promise<Transaction> {
    return this.#closing.during(() =>
      runOnCluster(this.#parts, call, async (cluster, deadline) => {
        const outgoing = toOutgoing(message, this.#parts.rules);
        const { transactions } = this.#join(cluster);
        const pending = await transactions.begin(outgoing, this.#options.checkImmunitySeconds, deadline);
        this.#topics.add(outgoing.topic);
        const sent = toSendResult(pending.sent, this.#parts.shortTopic);
        return new Transaction(pending.transactionId, sent, (outcome) => end(() => transactions.end(pending, outcome)));
      }),
    );
  }

  /**
   * Stores the message, does the work, and commits when it succeeded. Work that throws rolls back: it must have undone, or not begun, what
   * it does; where it cannot know, it says so by `RocketMQError` with code `OUTCOME_UNKNOWN`, and the check decides.
   * @returns what the work returns. @throws as `send`, before the work has begun; else what the work throws.
   */
  sendInTransaction<T>(
    message: Message,
    work: (transaction: SendResult & { readonly transactionId: string }) => Promise<T> | T,
    call: CallOptions = {},
  ): Promise<T> {
    return this.#closing.during(async () => {
      const transaction = await this.send(message, call);
      this.#running.add(transaction.messageId);
      try {
        const result = await done(transaction, work);
        transaction.commit();
        return result;
      } finally {
        this.#running.delete(transaction.messageId);
      }
    });
  }

  /** Takes no more messages, waits for sends and work under way, and leaves the group: other members are asked from now on. */
  close(): Promise<void> {
    return this.#closing.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await this.#closing.ended();
    clearInterval(this.#timer);
    await this.#joined?.leave();
    this.#parts.onClosed(this);
  }

  #join(cluster: ClusterClient): TransactionGroup {
    this.#joined ??= cluster.transactionGroups.join(this.#group, (half) => this.#check(half));
    return this.#joined;
  }

  /** Makes and keeps the connections by which brokers ask. Never fails: it is tried again. */
  #connect(): void {
    const connecting = async (topic: string): Promise<void> => {
      try {
        const cluster = this.#parts.cluster();
        this.#join(cluster);
        await cluster.checkTopic(topic, Deadline.after(this.#parts.timeoutMs));
      } catch (error) {
        if (!this.#closing.isClosed)
          this.#parts.log.warn({ err: error, topic }, 'the brokers of a topic cannot be reached');
      }
    };
    for (const topic of this.#topics) void connecting(topic);
  }

  async #check(half: StoredMessage): Promise<TransactionOutcome> {
    const messageId = half.properties.get(MessageProperty.UNIQ_KEY) ?? '';
    if (this.#running.has(messageId)) return TransactionOutcome.UNKNOWN;
    const body = await decompressBody(half, this.#parts.rules.bodyBytesMax);
    const { topic, properties, bornTimestampMs, reconsumeTimes, queueId, queueOffset } = half;
    const receipt = { brokerName: '', queueId, queueOffset };
    const tag = properties.get(MessageProperty.TAGS);
    const content = { messageId, topic, body, tag, properties, bornTimestampMs, reconsumeTimes, receipt };
    const state = await this.#options.check(new ReceivedMessage(content, this.#parts.namespace));
    const outcome = outcomes[state];
    if (outcome === undefined)
      throw invalidArgument(`the check returned ${String(state)}; it must be commit, rollback or unknown`);
    return outcome;
  }
}

/** Rolls back where the work failed. */
async function done<T>(transaction: Transaction, work: (transaction: Transaction) => Promise<T> | T): Promise<T> {
  try {
    return await work(transaction);
  } catch (error) {
    if (!(error instanceof RocketMQError && error.code === 'OUTCOME_UNKNOWN')) transaction.rollback();
    throw error;
  }
}

const outcomes: Readonly<Partial<Record<string, TransactionOutcome>>> = {
  ...decidedOutcomes,
  unknown: TransactionOutcome.UNKNOWN,
} satisfies Record<TransactionState, TransactionOutcome>;

function end(work: () => void): void {
  try {
    work();
  } catch (error) {
    throw toRocketMQError(error);
  }
}
