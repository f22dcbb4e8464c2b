import { decodeOffsetMessageId } from '../../remoting/message-id.ts';
import type { SendResult } from './outgoing-message.ts';
import type { HalfMessage } from './transaction-ends.ts';

/** What was sent, as its end names it. */
export function halfMessageOf(sent: SendResult, producerGroup: string): HalfMessage {
  const { messageId, queue, queueOffset, bornTimestampMs, transactionId = messageId } = sent;
  const { commitLogOffset } = decodeOffsetMessageId(sent.offsetMessageId);
  const { topic, brokerName } = queue;
  const place = { topic, brokerName, queueOffset, commitLogOffset };
  return { ...place, messageId, transactionId, producerGroup, bornTimestampMs, isChecked: false };
}

/** What a transaction handle holds, short: the topic is the producer's, and names that mostly agree stand there once. */
export function encodeHalf(half: HalfMessage): string {
  const { topic, brokerName, queueOffset, commitLogOffset, messageId, bornTimestampMs } = half;
  const transactionId = half.transactionId === messageId ? '' : half.transactionId;
  const producerGroup = half.producerGroup === topic ? '' : half.producerGroup;
  const offsets = [String(queueOffset), String(commitLogOffset)];
  const isChecked = half.isChecked ? 1 : 0;
  return JSON.stringify([isChecked, ...offsets, bornTimestampMs, brokerName, messageId, transactionId, producerGroup]);
}

/** Reads what `encodeHalf` wrote, which is not looked at: it is for who wrote it to know that it is that. @param topic of the producer that uses it. */
export function decodeHalf(text: string, topic: string): HalfMessage {
  const [isChecked, queueOffset, commitLogOffset, bornTimestampMs, brokerName, messageId, transactionId, group] =
    JSON.parse(text);
  return {
    topic,
    brokerName,
    queueOffset: BigInt(queueOffset),
    commitLogOffset: BigInt(commitLogOffset),
    messageId,
    transactionId: transactionId === '' ? messageId : transactionId,
    producerGroup: group === '' ? topic : group,
    bornTimestampMs,
    isChecked: isChecked === 1,
  };
}
