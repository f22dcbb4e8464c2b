import { LRUCache } from 'lru-cache';
import type { Channel } from '../remoting/channel.ts';
import type { Command } from '../remoting/command.ts';
import type { Deadline } from '../remoting/deadline.ts';
import { MessageProperty } from '../remoting/message.ts';
import { decodeOffsetMessageId } from '../remoting/message-id.ts';
import { checkTransaction } from '../remoting/requests/check-transaction.ts';
import { endTransaction, TransactionOutcome } from '../remoting/requests/end-transaction.ts';
import { decodeStoredMessages, type StoredMessage } from '../remoting/stored-message.ts';
import { ClientError } from './errors.ts';
import type { ClientLog } from './options.ts';
import type { OutgoingMessage, Producer, SendResult } from './producer.ts';

/** A check that comes this soon after the end was sent crossed it on the way: brokers check again later, in ms. */
const crossingDurationMs = 30_000;
const endedTransactionsMax = 16_384;

/** Says how a transaction ended whose outcome the broker has not heard. */
export type TransactionChecker = (halfMessage: StoredMessage) => TransactionOutcome;

/** A half message that is stored and waits for its end. */
export interface PendingTransaction {
  readonly transactionId: string;
  readonly sent: SendResult;
}

interface Ended {
  readonly outcome: TransactionOutcome;
  readonly atMs: number;
}

/**
 * Half messages and their ends. END_TRANSACTION is not idempotent, so each is sent once, one-way, and never again: where it got
 * lost, the broker asks (CHECK_TRANSACTION_STATE) and is answered from what is remembered here, or by the checker.
 */
export class Transactions {
  readonly #producer: Producer;
  readonly #producerGroup: string;
  readonly #log: ClientLog;
  readonly #checker: TransactionChecker;
  readonly #ended = new LRUCache<string, Ended>({ max: endedTransactionsMax });

  constructor(producer: Producer, producerGroup: string, checker: TransactionChecker, log: ClientLog) {
    this.#producer = producer;
    this.#producerGroup = producerGroup;
    this.#checker = checker;
    this.#log = log;
  }

  /**
   * Stores the half message of a transaction. Fails as `Producer.send` does, and as `invalid` for one to be delivered later:
   * brokers take it, then discard it when its time has come.
   */
  async begin(
    message: OutgoingMessage,
    checkImmunitySeconds: number | undefined,
    deadline: Deadline,
  ): Promise<PendingTransaction> {
    if (message.delivery.kind !== 'now') {
      throw new ClientError('invalid', 'a transaction message cannot be delivered later: RocketMQ would lose it');
    }
    const half = { producerGroup: this.#producerGroup, checkImmunitySeconds };
    const sent = await this.#producer.sendHalf(message, half, deadline);
    return { transactionId: sent.transactionId ?? sent.messageId, sent };
  }

  /** Ends a transaction. When the connection is gone, the broker's check finds the outcome here. */
  end(transaction: PendingTransaction, outcome: TransactionOutcome): void {
    const { transactionId, sent } = transaction;
    const { commitLogOffset } = decodeOffsetMessageId(sent.offsetMessageId);
    this.#ended.set(sent.messageId, { outcome, atMs: performance.now() });
    const request = endTransaction.encode({
      producerGroup: this.#producerGroup,
      transactionStateTableOffset: sent.queueOffset,
      commitLogOffset,
      outcome,
      fromTransactionCheck: false,
      messageId: sent.messageId,
      transactionId,
      topic: sent.queue.topic,
    });
    try {
      sent.channel.sendOneWay(request);
    } catch (error) {
      this.#log.warn(
        { err: error, transactionId },
        'the end of a transaction was not sent; the broker will ask for it',
      );
    }
  }

  /** Answers a broker that asks how a transaction ended. */
  answerCheck(request: Command, channel: Channel): void {
    const [halfMessage] = decodeStoredMessages(request.body);
    if (halfMessage === undefined) return;
    const { transactionStateTableOffset, commitLogOffset, transactionId } = checkTransaction.decode(request);
    const messageId = halfMessage.properties.get(MessageProperty.UNIQ_KEY) ?? '';
    const outcome = this.#outcome(halfMessage, messageId);
    this.#log.info({ messageId, outcome, broker: channel.address }, 'a broker asked how a transaction ended');
    if (outcome === TransactionOutcome.UNKNOWN) return;
    const answer = endTransaction.encode({
      producerGroup: this.#producerGroup,
      transactionStateTableOffset,
      commitLogOffset,
      outcome,
      fromTransactionCheck: true,
      messageId,
      transactionId,
      topic: halfMessage.topic,
    });
    channel.sendOneWay(answer);
  }

  #outcome(halfMessage: StoredMessage, messageId: string): TransactionOutcome {
    // By message id alone: a broker that checks stores the half message again, so its offset is another one each time.
    const ended = this.#ended.get(messageId);
    if (ended === undefined) return this.#checker(halfMessage);
    return performance.now() - ended.atMs < crossingDurationMs ? TransactionOutcome.UNKNOWN : ended.outcome;
  }
}
