import { encodePopReceipt, type PopReceipt } from '../remoting/pop-receipt.ts';
import { popRetryTopicV1, popRetryTopicV2 } from '../remoting/topic-names.ts';

/** A consumer group and the topic that it reads. */
export interface Subscriber {
  readonly group: string;
  readonly topic: string;
}

/** The topic that the message of a receipt lies in: the subscriber's, or the group's retry topic. */
export function receiptTopic({ group, topic }: Subscriber, { retry }: PopReceipt): string {
  switch (retry) {
    case '0':
      return topic;
    case '1':
      return popRetryTopicV1(group, topic);
    case '2':
      return popRetryTopicV2(group, topic);
  }
}

/** What every request that spends a receipt says of it. */
export function receiptFields(subscriber: Subscriber, receipt: PopReceipt) {
  return {
    consumerGroup: subscriber.group,
    topic: receiptTopic(subscriber, receipt),
    queueId: receipt.queueId,
    extraInfo: encodePopReceipt(receipt),
    offset: receipt.queueOffset,
  };
}
