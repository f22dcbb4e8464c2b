import type { CommandContent } from '../remoting/command.ts';
import { RemotingError } from '../remoting/errors.ts';
import { MessageProperty } from '../remoting/message.ts';
import { checkTransaction } from '../remoting/requests/check-transaction.ts';
import { TransactionOutcome } from '../remoting/requests/end-transaction.ts';
import { ResponseCode } from '../remoting/response-code.ts';
import { encodeStoredMessage, type StoredMessage } from '../remoting/stored-message.ts';
import { SysFlag } from '../remoting/sys-flag.ts';
import { SystemTopic } from '../remoting/topic-names.ts';
import { invalid, RequestRefused } from './refused.ts';
import type { MessageDraft, MessageStore } from './store/message-store.ts';
import { draftOf, readMessage, realPlaceOf, withRealPlace } from './stored-draft.ts';

/** How a half message ended. */
export type Ended = 'committed' | 'rolled back' | 'given up';

/** What a producer says of a half message. */
export interface TransactionEnd {
  readonly producerGroup: string;
  readonly commitLogOffset: number;
  /** In the inner topic, as the answer to the send has it. */
  readonly queueOffset: number;
  /** `TransactionOutcome` */
  readonly outcome: number;
}

/**
 * The record that is stored for a message of a transaction that has not ended (Java `TransactionalMessageBridge.parseHalfMessageInner`).
 * @throws RequestRefused MESSAGE_ILLEGAL where nobody could be asked for its end.
 */
export function halfDraft(draft: MessageDraft): MessageDraft {
  if ((draft.properties.get(MessageProperty.PGROUP) ?? '') === '') {
    throw new RequestRefused(ResponseCode.MESSAGE_ILLEGAL, 'a transaction message names its producer group in PGROUP');
  }
  const half = withRealPlace(draft, { topic: SystemTopic.HALF, queueId: 0 });
  const uniqKey = draft.properties.get(MessageProperty.UNIQ_KEY);
  const properties = new Map(half.properties);
  if (uniqKey !== undefined) properties.set(MessageProperty.TRANSACTION_ID, uniqKey);
  return { ...half, sysFlag: draft.sysFlag & ~SysFlag.TRANSACTION_MASK, properties };
}

/**
 * The message of a half message that is committed, in place of it. TRAN_MSG stays, as in Java `EndTransactionProcessor`. Undefined for
 * a record that does not say where its message goes.
 */
export function committedDraft(half: StoredMessage): MessageDraft | undefined {
  const place = realPlaceOf(half);
  if (place === undefined) return undefined;
  const properties = new Map(half.properties);
  properties.delete(MessageProperty.REAL_TOPIC);
  properties.delete(MessageProperty.REAL_QUEUE_ID);
  const sysFlag = (half.sysFlag & ~SysFlag.TRANSACTION_MASK) | SysFlag.TRANSACTION_COMMIT;
  return draftOf(half, { ...place, sysFlag, properties, replaces: Number(half.commitLogOffset) });
}

/** The record that ends a half message for good and delivers nothing. */
export function rollbackDraft(half: StoredMessage): MessageDraft {
  return draftOf(half, {
    topic: SystemTopic.HALF_ENDED,
    queueId: 0,
    sysFlag: 0,
    body: Buffer.from(`${half.queueOffset}`),
    properties: new Map([[MessageProperty.TAGS, 'd']]),
    replaces: Number(half.commitLogOffset),
  });
}

/** The record that keeps a half message for whoever looks into what became of it. */
export function givenUpDraft(half: StoredMessage): MessageDraft {
  return draftOf(half, { topic: SystemTopic.HALF_GIVEN_UP, queueId: 0, replaces: Number(half.commitLogOffset) });
}

/** Age at which a half message is checked for the first time (Java `TransactionalMessageUtil.getImmunityTime`). */
export function immunityMsOf({ properties }: Pick<StoredMessage, 'properties'>, timeoutMs: number): number {
  const text = properties.get(MessageProperty.CHECK_IMMUNITY_TIME) ?? '';
  return /^\d{1,10}$/.test(text) ? Math.max(1_000 * Number(text), timeoutMs) : timeoutMs;
}

/** Where and how often a half message is checked. */
export interface Check {
  /** Offset message id. */
  readonly offsetMessageId: string;
  readonly brokerName: string;
  /** This one included. */
  readonly checkCount: number;
}

/**
 * Asks how a transaction ended; the body is the half message as its producer sent it (Java
 * `AbstractTransactionalMessageCheckListener.sendCheckMessage`).
 */
export function checkContent(half: StoredMessage, { offsetMessageId, brokerName, checkCount }: Check): CommandContent {
  const uniqKey = half.properties.get(MessageProperty.UNIQ_KEY);
  const message = { ...half, ...realPlaceOf(half) };
  const counted = new Map([...half.properties, [MessageProperty.TRANSACTION_CHECK_TIMES, `${checkCount}`]]);
  return checkTransaction.encode(
    {
      transactionStateTableOffset: half.queueOffset,
      commitLogOffset: half.commitLogOffset,
      messageId: uniqKey,
      transactionId: uniqKey,
      offsetMessageId,
      topic: SystemTopic.HALF,
      brokerName,
    },
    encodeIfItFits({ ...message, properties: counted }) ?? encodeStoredMessage(message),
  );
}

/** Undefined where its properties are longer than they may be. */
function encodeIfItFits(message: StoredMessage): Buffer | undefined {
  try {
    return encodeStoredMessage(message);
  } catch (error) {
    if (error instanceof RemotingError) return undefined;
    throw error;
  }
}

/** How a half message ended whose place was taken by a record of this topic. */
export function endedBy(topic: string): Ended {
  if (topic === SystemTopic.HALF_ENDED) return 'rolled back';
  return topic === SystemTopic.HALF_GIVEN_UP ? 'given up' : 'committed';
}

/** Undefined for the outcome that says nothing. @throws RequestRefused INVALID_PARAMETER. */
export function endedByOutcome(outcome: number): Ended | undefined {
  switch (outcome) {
    case TransactionOutcome.COMMIT:
      return 'committed';
    case TransactionOutcome.ROLLBACK:
      return 'rolled back';
    case TransactionOutcome.UNKNOWN:
      return undefined;
    default:
      throw invalid(`${outcome} is no outcome of a transaction`);
  }
}

/** The half message that a producer speaks of (Java `EndTransactionProcessor.checkPrepareMessage`). @throws RequestRefused SYSTEM_ERROR. */
export function requireHalf(store: Pick<MessageStore, 'read'>, end: TransactionEnd): StoredMessage {
  const { commitLogOffset, queueOffset, producerGroup } = end;
  const message = readMessage(store, commitLogOffset);
  if (message?.topic !== SystemTopic.HALF) {
    throw new RequestRefused(ResponseCode.SYSTEM_ERROR, `there is no half message at ${commitLogOffset}`);
  }
  if (message.properties.get(MessageProperty.PGROUP) !== producerGroup) {
    throw new RequestRefused(ResponseCode.SYSTEM_ERROR, 'the half message is of another producer group');
  }
  if (Number(message.queueOffset) !== queueOffset) {
    throw new RequestRefused(
      ResponseCode.SYSTEM_ERROR,
      `the half message does not have the queue offset ${queueOffset}`,
    );
  }
  return message;
}
