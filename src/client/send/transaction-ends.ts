import { LRUCache } from 'lru-cache';
import type { Channel } from '../../remoting/channel.ts';
import { Deadline } from '../../remoting/deadline.ts';
import { RemotingError, ResponseError } from '../../remoting/errors.ts';
import { MessageProperty } from '../../remoting/message.ts';
import { endTransaction, TransactionOutcome } from '../../remoting/requests/end-transaction.ts';
import { queryMessage } from '../../remoting/requests/query-message.ts';
import { ResponseCode } from '../../remoting/response-code.ts';
import { decodeStoredMessages, type StoredMessage } from '../../remoting/stored-message.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { ClientError } from '../errors.ts';
import type { ClientLog } from '../options.ts';
import { type DecidedOutcome, endedTransactionsMax, endTimeoutMs } from './transactions.ts';

/** How far the clocks of producers and brokers may be apart where a committed message is looked for, in ms. */
const clockSkewMs = 3_600_000;
const endOfTime = 2n ** 63n - 1n;

/** Names one copy of a half message at its broker: all that its end needs, whichever client sent it. */
export interface HalfMessage {
  readonly topic: string;
  readonly brokerName: string;
  /** In the inner topic of half messages. */
  readonly queueOffset: bigint;
  readonly commitLogOffset: bigint;
  /** UNIQ_KEY: the same for all copies. */
  readonly messageId: string;
  readonly transactionId: string;
  readonly producerGroup: string;
  readonly bornTimestampMs: number;
  /** A broker has asked about this copy. */
  readonly isChecked: boolean;
}

interface End {
  readonly half: HalfMessage;
  readonly outcome: DecidedOutcome;
  /** `unknown`: END_TRANSACTION was sent and not answered. */
  state: 'pending' | 'confirmed' | 'unknown';
  /** Fails as `end` does. */
  work: Promise<void>;
}

/**
 * Ends transactions that this client or another one began. END_TRANSACTION is not idempotent: brokers deliver a copy for each commit, also of
 * what was rolled back. So it is sent once for each copy of a half message, and never again after no answer came; a broker that did not carry
 * it out asks (CHECK_TRANSACTION_STATE), about another copy. What another client has committed is found at the broker by the message's
 * id before anything is sent; only commits of two clients in the same moment, and a commit elsewhere after a rollback, are not noticed.
 */
export class TransactionEnds {
  readonly #cluster: Cluster;
  readonly #log: ClientLog;
  /** By message id. */
  readonly #ends = new LRUCache<string, End>({ maxSize: endedTransactionsMax, sizeCalculation: () => 1 });
  /** None of them fails. */
  readonly #underWay = new Set<Promise<void>>();

  constructor(cluster: Cluster, log: ClientLog) {
    this.#cluster = cluster;
    this.#log = log;
  }

  /**
   * Resolves when the broker has carried it out; at once where that is known already.
   * @throws ClientError `invalid` when it has ended with the other outcome, `outcomeUnknown`, `expired` when the broker takes no end of this
   * copy any more; `noRoute`, `noBroker`, `denied`; ResponseError; RemotingError. Of all these only `outcomeUnknown` leaves it open.
   */
  async end(half: HalfMessage, outcome: DecidedOutcome, deadline: Deadline): Promise<void> {
    const end = this.#ends.get(half.messageId) ?? this.#begin(half, outcome);
    if (end.outcome !== outcome) throw contrary(half);
    if (end.state === 'pending') await waitFor(end, deadline);
    if (isSameCopy(end.half, half)) {
      if (end.state === 'unknown') await this.#lookAgain(end, deadline);
      return;
    }
    // The broker has stored the half message once more: it asks about the copy, or a send of it was tried again.
    if (end.state === 'confirmed') this.#track(this.#drop(half));
    else await waitFor(this.#begin(half, outcome), deadline);
  }

  /** Waits until brokers have answered. Never fails. */
  async settled(deadline: Deadline): Promise<void> {
    await deadline.wait(Promise.all(this.#underWay), 'the ends of transactions').catch(() => {});
  }

  #begin(half: HalfMessage, outcome: DecidedOutcome): End {
    const end: End = { half, outcome, state: 'pending', work: Promise.resolve() };
    this.#ends.set(half.messageId, end);
    end.work = this.#carryOut(end, Deadline.after(endTimeoutMs));
    this.#track(end.work.catch(() => {}));
    return end;
  }

  #track(work: Promise<void>): void {
    const underWay = work.finally(() => this.#underWay.delete(underWay));
    this.#underWay.add(underWay);
  }

  async #carryOut(end: End, deadline: Deadline): Promise<void> {
    try {
      if (await this.#isCommitted(end, deadline)) return;
      await this.#send(end, deadline);
    } catch (error) {
      // Nothing was carried out, so there is nothing to remember.
      if (end.state !== 'unknown' && this.#ends.get(end.half.messageId) === end) this.#ends.delete(end.half.messageId);
      throw error;
    }
  }

  async #isCommitted(end: End, deadline: Deadline): Promise<boolean> {
    const { half, outcome } = end;
    const committed = await this.#findCommitted(half, deadline);
    if (committed === undefined) return false;
    if (outcome === TransactionOutcome.ROLLBACK) throw contrary(half);
    end.state = 'confirmed';
    if (committed.preparedTransactionOffset !== half.commitLogOffset) this.#track(this.#drop(half));
    return true;
  }

  /** The end of this copy was sent and not answered: only a look can tell. */
  async #lookAgain(end: End, deadline: Deadline): Promise<void> {
    const isDone = end.outcome === TransactionOutcome.COMMIT && (await this.#isCommitted(end, deadline));
    if (!isDone) throw notConfirmed(end.half);
  }

  async #send(end: End, deadline: Deadline): Promise<void> {
    const { half, outcome } = end;
    const channel = await this.#channelOf(half, deadline);
    try {
      await invokeEnd(channel, half, outcome, deadline);
      end.state = 'confirmed';
    } catch (error) {
      if (error instanceof RemotingError && error.outcomeUnknown) {
        end.state = 'unknown';
        throw notConfirmed(half, error);
      }
      if (error instanceof ResponseError && error.code === ResponseCode.ILLEGAL_OPERATION) throw tooLate(half, error);
      throw error;
    }
  }

  /** Never fails: the broker goes on to ask about this copy, and is answered the same. */
  async #drop(half: HalfMessage): Promise<void> {
    try {
      const deadline = Deadline.after(endTimeoutMs);
      await invokeEnd(await this.#channelOf(half, deadline), half, TransactionOutcome.ROLLBACK, deadline);
    } catch (error) {
      this.#log.debug(
        { err: error, messageId: half.messageId },
        'a copy of an ended half message could not be dropped',
      );
    }
  }

  /** The message as its topic has it; undefined also where the broker does not let us look. */
  async #findCommitted(half: HalfMessage, deadline: Deadline): Promise<StoredMessage | undefined> {
    const { topic, messageId, bornTimestampMs } = half;
    const channel = await this.#channelOf(half, deadline);
    const content = queryMessage.encode({
      topic,
      key: messageId,
      countMax: 32,
      beginTimestamp: BigInt(Math.max(0, bornTimestampMs - clockSkewMs)),
      endTimestamp: endOfTime,
      unique: true,
    });
    const reply = await channel.invoke(content, deadline).catch((error: unknown) => {
      if (error instanceof ClientError && error.kind === 'denied') return undefined;
      throw error;
    });
    if (reply === undefined || cannotTell.has(reply.code)) return undefined;
    if (reply.code !== ResponseCode.SUCCESS) {
      throw new ResponseError(reply.code, reply.remark ?? '', channel.address);
    }
    return decodeStoredMessages(reply.body).find(
      (message) => message.topic === topic && message.properties.get(MessageProperty.UNIQ_KEY) === messageId,
    );
  }

  async #channelOf({ topic, brokerName }: HalfMessage, deadline: Deadline): Promise<Channel> {
    const route = await this.#cluster.routes.findForSend(topic, deadline);
    return this.#cluster.broker(route, brokerName, deadline);
  }
}

/** There is no such message, or the broker keeps no index. */
const cannotTell: ReadonlySet<number> = new Set([
  ResponseCode.QUERY_NOT_FOUND,
  ResponseCode.REQUEST_CODE_NOT_SUPPORTED,
]);

async function invokeEnd(
  channel: Channel,
  half: HalfMessage,
  outcome: DecidedOutcome,
  deadline: Deadline,
): Promise<void> {
  const { topic, producerGroup, commitLogOffset, messageId, transactionId } = half;
  const content = endTransaction.encode({
    producerGroup,
    transactionStateTableOffset: half.queueOffset,
    commitLogOffset,
    outcome,
    fromTransactionCheck: half.isChecked,
    messageId,
    transactionId,
    topic,
  });
  endTransaction.decodeReply(await channel.invoke(content, deadline), channel.address);
}

/** Work that goes on behind the deadline is as good as unanswered. */
async function waitFor(end: End, deadline: Deadline): Promise<void> {
  try {
    await deadline.wait(end.work, `the end of transaction ${end.half.transactionId}`);
  } catch (error) {
    if (end.state === 'pending' && error instanceof RemotingError && error.kind === 'timeout')
      throw notConfirmed(end.half, error);
    throw error;
  }
}

function isSameCopy(one: HalfMessage, other: HalfMessage): boolean {
  return one.commitLogOffset === other.commitLogOffset && one.brokerName === other.brokerName;
}

function contrary({ transactionId }: HalfMessage): ClientError {
  return new ClientError('invalid', `transaction ${transactionId} has ended with the other outcome already`);
}

function notConfirmed({ transactionId }: HalfMessage, cause?: unknown): ClientError {
  return new ClientError(
    'outcomeUnknown',
    `the broker has not confirmed the end of transaction ${transactionId}, which is not sent twice: where it was not carried out, ` +
      'the broker asks for it, and the answer to that ends it',
    cause,
  );
}

function tooLate({ transactionId }: HalfMessage, cause: unknown): ClientError {
  return new ClientError(
    'expired',
    `the broker does not take this end of transaction ${transactionId}: the time is over after which it asks itself, so answer its ` +
      'check; or it has ended otherwise',
    cause,
  );
}
