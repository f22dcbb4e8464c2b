import type { MessageQueue } from '../../remoting/message.ts';
import {
  type ClientConnection,
  decodeClientConnections,
  getConsumerConnections,
} from '../../remoting/requests/client-connections.ts';
import { queryConsumerOffset } from '../../remoting/requests/consumer-offset.ts';
import { decodeTopicStats, getTopicStats, type QueueStats } from '../../remoting/requests/get-topic-stats.ts';
import { ResponseCode } from '../../remoting/response-code.ts';
import { isRetryTopic, popRetryTopicV1, popRetryTopicV2, retryTopic } from '../../remoting/topic-names.ts';
import { eachAtOnce } from '../each-at-once.ts';
import type { Subscriber } from '../subscriber.ts';
import type { AskedBroker } from './offset-reset.ts';

/** Queues of one broker that are asked about side by side. */
const queuesAtOnce = 64;

/** How far a group is in one queue. */
export interface QueueLag {
  /** Of the topic, or of one of the group's retry topics. */
  readonly queue: MessageQueue;
  /** Offset of the next message to be stored. */
  readonly maxOffset: bigint;
  /** The group is done with all before it, as the broker knows; undefined: it has not begun. */
  readonly committedOffset: bigint | undefined;
  /** Messages that the queue has and the group is not done with; all where it has not begun. */
  readonly lagCount: bigint;
  /** Whether it is of a retry topic, where messages are that come again; by pull also those of the group's other topics. */
  readonly isRetry: boolean;
}

/** How far a group is behind in a topic, and who is in it. */
export interface ConsumerLag {
  /** Those of retry topics only where they ever had a message. */
  readonly queues: readonly QueueLag[];
  readonly members: readonly ClientConnection[];
}

/**
 * Asks one broker. Brokers of 4.x say 0 of a young queue in which the group has not begun. What brokers have handed out by POP they count
 * as done at once (seen with 5.5.0): it is in no queue until it lies in a retry topic.
 * @throws ResponseError TOPIC_NOT_EXIST; as a request fails.
 */
export async function consumerLagAt(subscriber: Subscriber, broker: AskedBroker): Promise<ConsumerLag> {
  const { group, topic } = subscriber;
  const retryTopics = [retryTopic(group), popRetryTopicV1(group, topic), popRetryTopicV2(group, topic)];
  const [members, stats, ...retryStats] = await Promise.all([
    membersAt(group, broker),
    queueStats(topic, broker),
    ...retryTopics.map((retry) => retryQueueStats(retry, broker)),
  ]);
  const queues: QueueLag[] = [];
  await eachAtOnce([...stats, ...retryStats.flat()], queuesAtOnce, async (queue) => {
    queues.push(await queueLag(group, queue, broker));
  });
  return { queues, members };
}

async function queueStats(topic: string, broker: AskedBroker): Promise<readonly QueueStats[]> {
  return decodeTopicStats(await broker.invoke(getTopicStats.encode({ topic })), broker.address);
}

/** What ever had a message: brokers make the topic before that. */
async function retryQueueStats(topic: string, broker: AskedBroker): Promise<readonly QueueStats[]> {
  const reply = await broker.invoke(getTopicStats.encode({ topic }));
  if (reply.code === ResponseCode.TOPIC_NOT_EXIST) return [];
  return decodeTopicStats(reply, broker.address).filter(({ maxOffset }) => maxOffset > 0);
}

async function membersAt(group: string, broker: AskedBroker): Promise<readonly ClientConnection[]> {
  const reply = await broker.invoke(getConsumerConnections.encode({ consumerGroup: group }));
  if (reply.code === ResponseCode.CONSUMER_NOT_ONLINE) return [];
  return decodeClientConnections(getConsumerConnections, reply, broker.address);
}

async function queueLag(consumerGroup: string, stats: QueueStats, broker: AskedBroker): Promise<QueueLag> {
  const { queue, minOffset, maxOffset } = stats;
  const { topic, queueId } = queue;
  const content = queryConsumerOffset.encode({ consumerGroup, topic, queueId, setZeroIfNotFound: false });
  const { offset } = queryConsumerOffset.decodeReply(await broker.invoke(content), broker.address);
  // What is no longer stored is nobody's to read, and brokers believe any offset that a group says to be at.
  const begin = Math.max(minOffset, Number(offset ?? 0n));
  return {
    queue,
    maxOffset: BigInt(maxOffset),
    committedOffset: offset,
    lagCount: BigInt(Math.max(0, maxOffset - begin)),
    isRetry: isRetryTopic(topic),
  };
}
