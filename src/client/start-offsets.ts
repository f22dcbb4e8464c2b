import type { Channel } from '../remoting/channel.ts';
import type { Deadline } from '../remoting/deadline.ts';
import {
  getMaxOffset,
  getMinOffset,
  queryConsumerOffset,
  searchOffset,
  updateConsumerOffset,
} from '../remoting/requests/consumer-offset.ts';
import { type ConsumeFrom, consumeFromDefault } from './consume-from.ts';
import { ClientError } from './errors.ts';
import type { Subscriber } from './subscriber.ts';

/** A queue at one broker, as a group reads it. */
export interface GroupQueue {
  readonly consumerGroup: string;
  readonly topic: string;
  readonly queueId: number;
}

/**
 * Gives a group that is new to a topic its starting point now. Without it the group would start where the queue ends at its first
 * POP or pull, and lose what was sent between the creation of the consumer and its first stream. Queues in which the group has a place
 * already stay as they are; so do young queues, which start at their first message, except for a time on brokers 5.x. Access control 2.0
 * lets receivers see offsets only where they have the right `Get`; without it new groups start where the broker has them start.
 */
export async function fixStartOffsets(
  { group: consumerGroup, topic }: Subscriber,
  queueCount: number,
  channel: Channel,
  deadline: Deadline,
  from: ConsumeFrom = consumeFromDefault,
): Promise<void> {
  const find = async (queue: GroupQueue): Promise<bigint | undefined> => {
    if ((await knownOffset(queue, channel, deadline, from)) !== undefined) return undefined;
    return startOffset(queue, channel, deadline, from);
  };
  const queues = Array.from({ length: queueCount }, (_, queueId) => ({ consumerGroup, topic, queueId }));
  const starts = await Promise.all(queues.map((queue) => find(queue).catch(ignoreDenied)));
  // One after the other: of several that come at once where a group has none, brokers keep one (Java `ConsumerOffsetManager.commitOffset`).
  for (const [index, queue] of queues.entries()) {
    const start = starts[index];
    if (start !== undefined) await storeOffset(queue, start, channel, deadline).catch(ignoreDenied);
  }
}

function ignoreDenied(error: unknown): undefined {
  if (!(error instanceof ClientError) || error.kind !== 'denied') throw error;
}

/** How far a group has got in a queue, as the broker knows it; undefined when it is new there. */
export async function knownOffset(
  queue: GroupQueue,
  channel: Channel,
  deadline: Deadline,
  from: ConsumeFrom,
): Promise<bigint | undefined> {
  const young = from.kind === 'timestamp' ? { setZeroIfNotFound: false } : {};
  const reply = await channel.invoke(queryConsumerOffset.encode({ ...queue, ...young }), deadline);
  return queryConsumerOffset.decodeReply(reply, channel.address).offset;
}

/** Where a group begins in a queue that is new to it. */
export async function startOffset(
  { topic, queueId }: GroupQueue,
  channel: Channel,
  deadline: Deadline,
  from: ConsumeFrom,
): Promise<bigint> {
  const queue = { topic, queueId };
  const { address } = channel;
  switch (from.kind) {
    case 'first':
      return getMinOffset.decodeReply(await channel.invoke(getMinOffset.encode(queue), deadline), address).offset;
    case 'last':
      return getMaxOffset.decodeReply(await channel.invoke(getMaxOffset.encode(queue), deadline), address).offset;
    case 'timestamp': {
      const search = searchOffset.encode({ ...queue, timestampMs: from.timestampMs });
      return searchOffset.decodeReply(await channel.invoke(search, deadline), address).offset;
    }
  }
}

/** Tells a broker how far a group has got; it believes anything. */
export async function storeOffset(
  queue: GroupQueue,
  commitOffset: bigint,
  channel: Channel,
  deadline: Deadline,
): Promise<void> {
  const update = updateConsumerOffset.encode({ ...queue, commitOffset });
  updateConsumerOffset.decodeReply(await channel.invoke(update, deadline), channel.address);
}
