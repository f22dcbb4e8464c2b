import type { CallOptions, MessageData, SettleResult, TransactionResult } from './message.ts';

/** How the caller ends a transaction. */
export type TransactionOutcome = 'commit' | 'rollback';

/** A message that is stored, and that nobody receives before its transaction is committed. */
export interface HalfMessage extends Omit<MessageData, 'receiptHandle' | 'reconsumeTimes'> {
  /** The body as bytes, byte for byte. */
  bytes: Buffer;
  transactionId: string;
  /** What `endTransaction` takes. */
  transactionHandle: string;
}

/**
 * Looks up how a transaction ended, by what was written down with the work itself: it may be one of another producer of the group, also of a
 * program that has crashed. `unknown`, and what it throws: brokers ask again later, up to 15 times unless set up otherwise.
 */
export type TransactionChecker = (
  message: HalfMessage,
) => TransactionOutcome | 'unknown' | Promise<TransactionOutcome | 'unknown'>;

/** What a half message is known by when it is stored. */
export interface HalfResult extends TransactionResult {
  transactionHandle: string;
}

/** Ends a transaction. */
export type EndTransaction = (outcome: TransactionOutcome, call: CallOptions) => Promise<SettleResult>;

/** A transaction whose message is stored and waits for its end. Without one, brokers ask the checkers of its producer group. */
export class Transaction implements HalfResult {
  readonly messageId: string;
  readonly receiptHandle: string;
  readonly transactionId: string;
  /** What `endTransaction` takes, of any producer of this topic, also in another program. */
  readonly transactionHandle: string;
  readonly #end: EndTransaction;

  /** Not for users: `Producer.publishHalfMessage` makes them. */
  constructor({ messageId, receiptHandle, transactionId, transactionHandle }: HalfResult, end: EndTransaction) {
    this.messageId = messageId;
    this.receiptHandle = receiptHandle;
    this.transactionId = transactionId;
    this.transactionHandle = transactionHandle;
    this.#end = end;
  }

  /** The message is to be delivered. @throws MQError as `Producer.endTransaction`. */
  commit(call: CallOptions = {}): Promise<SettleResult> {
    return this.#end('commit', call);
  }

  /** The message is never to be delivered. @throws MQError as `Producer.endTransaction`. */
  rollback(call: CallOptions = {}): Promise<SettleResult> {
    return this.#end('rollback', call);
  }
}
