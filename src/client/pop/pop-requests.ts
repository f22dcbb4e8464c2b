import type { Cancellation } from '../../basics/ending.ts';
import type { Channel } from '../../remoting/channel.ts';
import { Deadline } from '../../remoting/deadline.ts';
import { MessageProperty } from '../../remoting/message.ts';
import { type PopReceipt, popReceipts, popReconsumeTimes } from '../../remoting/pop-receipt.ts';
import { changeInvisibleDuration } from '../../remoting/requests/change-invisible-duration.ts';
import { notification } from '../../remoting/requests/notification.ts';
import { PopInitMode, popMessage, popMessagesMax } from '../../remoting/requests/pop-message.ts';
import { deadLetterDelayLevel, sendMessageBack } from '../../remoting/requests/send-message-back.ts';
import { readStoredMessages, type StoredMessage } from '../../remoting/stored-message.ts';
import type { BrokerClocks } from '../cluster/broker-clocks.ts';
import { ClientError } from '../errors.ts';
import type { MessageFilter } from '../message-filter.ts';
import { receiptFields, type Subscriber } from '../subscriber.ts';

const allQueues = -1;
/**
 * How far ahead of now a POP claims to be born, in ms. Brokers answer "nothing" to one that looks older than 500 ms, by their own
 * clock; one that does not wait may as well come from the future.
 */
const birthLeadMs = 3_600_000;
/** Shortest time between two questions whether there is something, in ms, however early a broker says that there is nothing. */
const emptyPauseMs = 1_000;
/** What a broker may take beyond the time that it was asked to wait, in ms. */
const answerTimeoutMs = 5_000;

/** What a message takes in a reply beyond its body, at most: properties, names, addresses. */
const envelopeBytesMax = 65_536;

/**
 * Largest reply to a POP, in bytes. Brokers bound it for each queue, but not for all queues together, and so exceed what they allow
 * for requests.
 */
export function popReplyBytesMax(bodyBytesMax: number): number {
  return (popMessagesMax + 1) * (bodyBytesMax + envelopeBytesMax);
}

/** One broker as one subscriber pops from it. */
export interface PopSource {
  readonly subscriber: Subscriber;
  readonly filter: MessageFilter;
  readonly brokerName: string;
  readonly channel: Channel;
  readonly clocks: BrokerClocks;
}

/** A message as it came, with the receipt of this delivery. */
export interface PoppedMessage {
  readonly stored: StoredMessage;
  readonly receipt: PopReceipt;
  /** Deliveries before this one. */
  readonly reconsumeTimes: number;
}

/** An ordered POP: it gets nothing of a queue of which something is in flight. */
export interface PopAttempt {
  /** Names it: who asks again by the same name gets what it took, if anything, and not what comes behind that. */
  readonly attemptId: string;
  /** The only queue to take from; undefined: any. */
  readonly queueId: number | undefined;
}

/** What one POP asks for. */
export interface PopAsk {
  readonly countMax: number;
  readonly invisibleDurationMs: number;
  /** Undefined: in no order. */
  readonly attempt: PopAttempt | undefined;
}

/**
 * Takes messages, without waiting for any. Not to be given up once it was sent: what the broker then hands out nobody would get before
 * its invisible duration is over.
 */
export async function takeMessages(
  source: PopSource,
  ask: PopAsk,
  onDamaged: (error: Error) => void,
): Promise<PoppedMessage[]> {
  const { subscriber, filter, brokerName, channel, clocks } = source;
  const { attempt } = ask;
  const request = popMessage.encode({
    consumerGroup: subscriber.group,
    topic: subscriber.topic,
    queueId: attempt?.queueId ?? allQueues,
    messageCountMax: ask.countMax,
    invisibleDurationMs: ask.invisibleDurationMs,
    pollDurationMs: 0,
    bornTimeMs: Date.now() + birthLeadMs,
    initMode: PopInitMode.MAX,
    expressionType: filter.type,
    expression: filter.expression,
    order: attempt !== undefined,
    attemptId: attempt?.attemptId,
  });
  const sentAtMs = Date.now();
  const reply = await channel.invoke(request, Deadline.after(answerTimeoutMs));
  const fields = popMessage.decodeReply(reply, channel.address);
  if (fields.popTimeMs !== undefined && fields.popTimeMs > 0) clocks.learn(brokerName, fields.popTimeMs, sentAtMs);
  const stored = readStoredMessages(reply.body, onDamaged);
  // An answer without messages may tell nothing else either.
  if (stored.length === 0) return [];
  const receipts = popReceipts(fields, brokerName, stored);
  const counts = attempt === undefined ? undefined : popReconsumeTimes(fields, stored, receipts);
  return stored.flatMap((message, index) => {
    const receipt = receipts[index];
    const reconsumeTimes = counts?.[index] ?? message.reconsumeTimes;
    return receipt === undefined ? [] : [{ stored: message, receipt, reconsumeTimes }];
  });
}

/** What somebody waits for. */
export interface PopWait {
  readonly pollDurationMs: number;
  /** Only queues count of which nothing is in flight. */
  readonly order: boolean;
}

/** Waits, at most `pollDurationMs`, until there is something to take. Giving up early does no harm. */
export async function waitForMessages(
  source: PopSource,
  { pollDurationMs, order }: PopWait,
  signal: Cancellation,
): Promise<boolean> {
  const { subscriber, filter, brokerName, channel, clocks } = source;
  const wanted = isAll(filter) ? {} : { expressionType: filter.type, expression: filter.expression };
  const request = notification.encode({
    consumerGroup: subscriber.group,
    topic: subscriber.topic,
    queueId: allQueues,
    pollDurationMs,
    bornTimeMs: clocks.birth(brokerName),
    order,
    ...wanted,
  });
  const askedAtMs = performance.now();
  const reply = await channel.invoke(request, Deadline.after(pollDurationMs + answerTimeoutMs, signal));
  const { hasMessage } = notification.decodeReply(reply, channel.address);
  if (!hasMessage) {
    // A broker that holds too many requests already, or has another time than we think, does not wait at all.
    const leftMs = Math.min(emptyPauseMs, pollDurationMs) - (performance.now() - askedAtMs);
    if (leftMs > 0) await Deadline.after(leftMs, signal).sleep(leftMs);
  }
  return hasMessage;
}

function isAll({ type, expression }: MessageFilter): boolean {
  return type === 'TAG' && expression === '*';
}

/**
 * Spends the receipt and returns the one that replaces it; 0 ms makes the message visible at once.
 * @throws ClientError `expired` when the broker knows that the receipt is good for nothing; ResponseError, RemotingError.
 */
export async function changeInvisible(
  subscriber: Subscriber,
  receipt: PopReceipt,
  invisibleDurationMs: number,
  channel: Channel,
  deadline: Deadline,
): Promise<PopReceipt> {
  const request = changeInvisibleDuration.encode({ ...receiptFields(subscriber, receipt), invisibleDurationMs });
  const reply = changeInvisibleDuration.decodeReply(await channel.invoke(request, deadline), channel.address);
  const { popTimeMs, invisibleDurationMs: grantedMs, reviveQueueId = receipt.reviveQueueId } = reply;
  if (popTimeMs === undefined || grantedMs === undefined) {
    throw new ClientError('expired', 'the broker says that the message is acknowledged already');
  }
  return { ...receipt, popTimeMs, invisibleDurationMs: grantedMs, reviveQueueId, startOffset: receipt.queueOffset };
}

/** Puts a message into the dead letter queue of its group; it still has to be acknowledged. */
export async function sendToDeadLetters(
  subscriber: Subscriber,
  stored: StoredMessage,
  channel: Channel,
): Promise<void> {
  const request = sendMessageBack.encode({
    offset: stored.commitLogOffset,
    group: subscriber.group,
    delayLevel: deadLetterDelayLevel,
    originMessageId: stored.properties.get(MessageProperty.UNIQ_KEY),
    originTopic: subscriber.topic,
    maxReconsumeTimes: 0,
  });
  sendMessageBack.decodeReply(await channel.invoke(request, Deadline.after(answerTimeoutMs)), channel.address);
}
