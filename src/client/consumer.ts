import type { Cancellation } from '../basics/ending.ts';
import type { Deadline } from '../remoting/deadline.ts';
import type { ConsumeFrom } from './consume-from.ts';
import type { Demand } from './demand.ts';
import type { MessageFilter } from './message-filter.ts';
import type { RenewalOptions } from './pop/renewals.ts';
import type { AllocationStrategy } from './pull/allocation.ts';
import type { ClaimOf, Receipt } from './receipt.ts';
import type { ReceivedMessage } from './received-message.ts';
import type { StreamGrace } from './stream-grace.ts';
import type { Subscriber } from './subscriber.ts';
import type { UnreadStream } from './unread-bytes.ts';

/** What one consumer wants, whichever way it receives. */
export interface ConsumerOptions extends RenewalOptions {
  readonly subscriber: Subscriber;
  readonly filter: MessageFilter;
  /** How long brokers hold a request while there is nothing, in ms. POP is not woken by retried messages, so 5 s at most. */
  readonly pollDurationMs: number;
  /**
   * The messages of a queue come one after the other: the next one when the one before is acknowledged, or is in the dead letter queue
   * of the group; a nack or the end of a time holds up the queue, and nothing else. Default: false.
   */
  readonly orderly?: boolean;
  /** Where a group begins that is new to the topic. Default: `last`. */
  readonly consumeFrom?: ConsumeFrom;
  /** Redeliveries after which a message is dead. Default: what brokers say of the group, 16 unless set otherwise. */
  readonly reconsumeTimesMax?: number | undefined;
  /** How the members of a group that receives by pull share out its queues; all must have the same. Default: `averageAllocation`. */
  readonly strategy?: AllocationStrategy | undefined;
  /** Every member gets everything, by pull, and keeps its place itself. What it gives back comes again here, and when it is dead it is dropped. */
  readonly broadcast?: Broadcast | undefined;
}

/** How a member of a broadcast keeps its place. */
export interface Broadcast {
  /** Where, and as whom; undefined: only in memory, so that each start begins anew. */
  readonly localOffsets: { readonly directory: string; readonly clientId: string } | undefined;
}

export interface StreamOptions {
  /** Messages that may be handed out and not yet acknowledged, at least 1. */
  readonly messagesMax: number;
  /** Ends the stream. */
  readonly signal: Cancellation;
  /** Called each time that the stream stops polling because its reader has enough. */
  readonly onPaused?: () => void;
  /** What its receivers have when the signal ends it. Default: what they have not settled is given back at once. */
  readonly grace?: StreamGrace | undefined;
  /** How many more messages its reader wants now; it is asked each time that some may be taken. Default: as many as there is room for. */
  readonly demand?: Demand;
  /** Its part of what all streams may take ahead of their readers, which says when they have read. Default: no bound in bytes. */
  readonly unread?: UnreadStream;
}

/** The messages of one stream, for one reader. What is iterated ends for good when the loop is left. */
export interface MessageStream<R extends Receipt = Receipt> extends AsyncIterableIterator<ReceivedMessage<R>> {
  /** The next message where it is at hand: a reader that asks for it first, and for a promise only when there is none, works far faster. */
  takeNow(): ReceivedMessage<R> | undefined;
  /** Ends the stream. Resolves when what it leaves is given back. */
  return(): Promise<IteratorReturnResult<undefined>>;
}

/**
 * Receives messages of one topic for one group. What is handed out is nobody else's until it is acknowledged, given back, or its
 * invisible duration is over. @typeParam R receipts of the way by which it receives.
 */
export interface Consumer<R extends Receipt = Receipt> {
  readonly streamCount: number;
  /** Messages that its streams have handed out and that are not acknowledged. */
  readonly inFlightCount: number;

  /**
   * Makes sure that the topic can be received, and fixes where a new group starts. A topic that does not exist is waited for where the
   * brokers create topics by themselves.
   * @returns whether the topic exists.
   * @throws ClientError `noRoute`, `noBroker`, `closed`, `unsupported`, `invalid`; ResponseError; RemotingError.
   */
  open(deadline: Deadline): Promise<boolean>;

  /**
   * A new stream, which begins when its reader asks for the first message; several of one consumer share the messages. What it leaves
   * un-acknowledged is given back when it ends.
   * @throws (its first message) ResponseError when the brokers refuse the group or the topic to us; ClientError `closed`.
   */
  stream(options: StreamOptions): MessageStream<R>;

  /**
   * Ends the delivery of a message; a second time is a success too.
   * @throws ClientError `expired` when the message is, or soon will be, visible to others again; RemotingError, ResponseError.
   */
  ack(receipt: ClaimOf<R>, deadline: Deadline): Promise<void>;

  /**
   * As `ack`, where that needs no broker and so no waiting. Unset: it always does.
   * @returns false where it does need one: nothing is done then.
   * @throws ClientError `expired`.
   */
  ackNow?(receipt: ClaimOf<R>): boolean;

  /**
   * Gives a message back: it comes again, with one more of `reconsumeTimes`, after the delay, or as soon after it as the broker can.
   * @param delayMs 0: as soon as it can be.
   * @throws as `ack`.
   */
  nack(receipt: ClaimOf<R>, delayMs: number, deadline: Deadline): Promise<void>;

  /**
   * Counts the invisible duration anew from now on. The receipt is spent: go on with the one that is returned.
   * @throws as `ack`.
   */
  changeInvisibleDuration(receipt: ClaimOf<R>, durationMs: number, deadline: Deadline): Promise<R>;

  /** Ends every stream, and resolves when what they left behind is given back. */
  close(): Promise<void>;
}
