import { LRUCache } from 'lru-cache';
import type { Channel } from '../../remoting/channel.ts';
import type { Command, CommandContent } from '../../remoting/command.ts';
import { Deadline } from '../../remoting/deadline.ts';
import { MessageProperty } from '../../remoting/message.ts';
import { decodeOffsetMessageId } from '../../remoting/message-id.ts';
import { checkTransaction } from '../../remoting/requests/check-transaction.ts';
import { endTransaction, TransactionOutcome } from '../../remoting/requests/end-transaction.ts';
import { decodeStoredMessages, type StoredMessage } from '../../remoting/stored-message.ts';
import { ClientError } from '../errors.ts';
import type { ClientLog } from '../options.ts';
import type { OutgoingMessage, SendResult } from './outgoing-message.ts';
import type { Producer } from './producer.ts';

/**
 * Longest wait for a broker to confirm the end of a transaction, in ms. A broker that is busy carries it out late, and asks meanwhile: whoever
 * commits the copy that it asks about commits twice. A broker that is gone is noticed sooner, by the end of its connection.
 */
export const endTimeoutMs = 30_000;
/** Ended transactions that are remembered. */
export const endedTransactionsMax = 16_384;

/** Says how a transaction ended whose outcome the broker has not heard. It may take its time; what it throws is told to the log. */
export type TransactionChecker = (halfMessage: StoredMessage) => TransactionOutcome | Promise<TransactionOutcome>;

/** A half message that is stored and waits for its end. */
export interface PendingTransaction {
  readonly transactionId: string;
  readonly sent: SendResult;
}

/** How a transaction ends. */
export type DecidedOutcome = Exclude<TransactionOutcome, typeof TransactionOutcome.UNKNOWN>;

/** As programs name them. */
export const decidedOutcomes = {
  commit: TransactionOutcome.COMMIT,
  rollback: TransactionOutcome.ROLLBACK,
} as const satisfies Readonly<Record<string, DecidedOutcome>>;

/** A broker that wants to know, and the copy of the half message that it asks about. */
interface Check {
  readonly request: Command;
  readonly halfMessage: StoredMessage;
  readonly channel: Channel;
}

interface Ended {
  readonly outcome: DecidedOutcome;
  /** Of the half message that was ended; another try of the same send has another one. */
  readonly bornTimestampMs: number;
  /** Whether the broker has said that it carried out the outcome. */
  state: 'pending' | 'confirmed' | 'unconfirmed';
}

/**
 * Half messages and their ends. END_TRANSACTION is not idempotent, so each is sent once and never again by itself: where it got
 * lost, the broker asks (CHECK_TRANSACTION_STATE) and is answered from what is remembered here, or by the checker. A broker that asks
 * has stored the half message once more before, and asks about that copy: to commit one whose original was committed already
 * would deliver the message twice, so the broker is asked to confirm each end, and the copies of confirmed ones are rolled back.
 */
export class Transactions {
  readonly #producer: Producer;
  readonly #producerGroup: string;
  readonly #log: ClientLog;
  readonly #checker: TransactionChecker;
  /** Of each transaction that the checker is asked about, the last check: the copies of those before it are past. */
  readonly #checking = new Map<string, Check>();
  /** Ends on their way, and checks; none of them fails. */
  readonly #underWay = new Set<Promise<void>>();
  readonly #ended = new LRUCache<string, Ended>({ maxSize: endedTransactionsMax, sizeCalculation: () => 1 });

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

  /**
   * Ends a transaction. When that gets lost, the broker's check finds the outcome here. A second time nothing is done.
   * @throws ClientError `invalid` when it has ended with the other outcome already.
   */
  end(transaction: PendingTransaction, outcome: DecidedOutcome): void {
    const { transactionId, sent } = transaction;
    const { messageId, bornTimestampMs } = sent;
    const known = this.#ended.get(messageId);
    if (known?.outcome === outcome) return;
    if (known !== undefined) {
      throw new ClientError('invalid', `transaction ${transactionId} has ended with the other outcome already`);
    }
    const { commitLogOffset } = decodeOffsetMessageId(sent.offsetMessageId);
    const ended = this.#remember(messageId, { outcome, bornTimestampMs, state: 'pending' });
    const request = endTransaction.encode({
      producerGroup: this.#producerGroup,
      transactionStateTableOffset: sent.queueOffset,
      commitLogOffset,
      outcome,
      fromTransactionCheck: false,
      messageId,
      transactionId,
      topic: sent.queue.topic,
    });
    this.#track(this.#send(request, sent.channel, ended));
  }

  /** Answers a broker that asks how a transaction ended, when the checker knows. */
  answerCheck(request: Command, channel: Channel): void {
    const [halfMessage] = decodeStoredMessages(request.body);
    if (halfMessage === undefined) return;
    const messageId = halfMessage.properties.get(MessageProperty.UNIQ_KEY) ?? '';
    const check = { request, halfMessage, channel };
    const ended = this.#ended.get(messageId);
    if (ended === undefined) this.#track(this.#askChecker(messageId, check));
    else this.#answer(messageId, check, ended);
  }

  /**
   * Waits until brokers have heard of all ends, and checks are answered. Never fails: of what takes longer than the deadline, brokers
   * ask other members of the group.
   */
  async settled(deadline: Deadline): Promise<void> {
    while (this.#underWay.size > 0 && deadline.remainingMs() > 0) {
      await deadline.wait(Promise.all(this.#underWay), 'the ends of transactions').catch(() => {});
    }
  }

  #track(work: Promise<void>): void {
    const underWay = work.finally(() => this.#underWay.delete(underWay));
    this.#underWay.add(underWay);
  }

  #answer(messageId: string, { request, halfMessage, channel }: Check, ended: Ended): void {
    const outcome = outcomeOfCopy(ended, halfMessage);
    this.#log.info({ messageId, outcome, broker: channel.address }, 'a broker asked how a transaction ended');
    if (outcome === TransactionOutcome.UNKNOWN) return;
    const { transactionStateTableOffset, commitLogOffset, transactionId } = checkTransaction.decode(request);
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
    this.#track(this.#send(answer, channel, outcome === ended.outcome ? ended : undefined));
  }

  /** Never fails. Checks that come while the checker is at work have the same answer. */
  async #askChecker(messageId: string, check: Check): Promise<void> {
    const isAsked = this.#checking.has(messageId);
    this.#checking.set(messageId, check);
    if (isAsked) return;
    try {
      const outcome = await this.#checker(check.halfMessage);
      const last = this.#checking.get(messageId) ?? check;
      // It may have been ended here meanwhile, which counts.
      const ended = this.#ended.get(messageId) ?? this.#rememberChecked(messageId, outcome, last);
      if (ended !== undefined) this.#answer(messageId, last, ended);
    } catch (error) {
      this.#log.error({ err: error, messageId }, 'the check of a transaction failed; the broker will ask again');
    } finally {
      this.#checking.delete(messageId);
    }
  }

  #rememberChecked(messageId: string, outcome: TransactionOutcome, { halfMessage }: Check): Ended | undefined {
    if (outcome === TransactionOutcome.UNKNOWN) return undefined;
    const { bornTimestampMs } = halfMessage;
    return this.#remember(messageId, { outcome, bornTimestampMs, state: 'unconfirmed' });
  }

  #remember(messageId: string, ended: Ended): Ended {
    this.#ended.set(messageId, ended);
    return ended;
  }

  /** Never fails: a broker that did not carry it out asks again. */
  async #send(content: CommandContent, channel: Channel, ended: Ended | undefined): Promise<void> {
    if (ended !== undefined) ended.state = 'pending';
    try {
      endTransaction.decodeReply(await channel.invoke(content, Deadline.after(endTimeoutMs)), channel.address);
      if (ended !== undefined) ended.state = 'confirmed';
    } catch (error) {
      if (ended !== undefined) ended.state = 'unconfirmed';
      this.#log.warn(
        { err: error, messageId: content.extFields['msgId'] },
        'the end of a transaction was not confirmed; the broker will ask for it',
      );
    }
  }
}

/** What to answer a broker that asks about this copy of a half message; UNKNOWN: nothing. */
function outcomeOfCopy({ outcome, bornTimestampMs, state }: Ended, copy: StoredMessage): TransactionOutcome {
  // Another try of the same send: its answer was lost, a later one was ended in its place.
  if (copy.bornTimestampMs !== bornTimestampMs) return TransactionOutcome.ROLLBACK;
  // The check has crossed the end on the way.
  if (state === 'pending') return TransactionOutcome.UNKNOWN;
  return state === 'confirmed' ? TransactionOutcome.ROLLBACK : outcome;
}
