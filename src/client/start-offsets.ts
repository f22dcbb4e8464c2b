import type { Channel } from '../remoting/channel.ts';
import type { Deadline } from '../remoting/deadline.ts';
import { getMaxOffset, queryConsumerOffset, updateConsumerOffset } from '../remoting/requests/consumer-offset.ts';
import type { Subscriber } from './subscriber.ts';

/**
 * Gives a group that is new to a topic its starting point now: the end of each queue. Without it the group would start where the
 * queue ends at its first POP, and lose what was sent between the creation of the consumer and its first stream.
 * Queues in which the group has a place already, and young queues, which start at their first message, stay as they are.
 */
export async function fixStartOffsets(
  { group: consumerGroup, topic }: Subscriber,
  queueCount: number,
  channel: Channel,
  deadline: Deadline,
): Promise<void> {
  const { address } = channel;
  const fix = async (queueId: number): Promise<void> => {
    const queue = { consumerGroup, topic, queueId };
    const known = queryConsumerOffset.decodeReply(
      await channel.invoke(queryConsumerOffset.encode(queue), deadline),
      address,
    );
    if (known.offset !== undefined) return;
    const end = getMaxOffset.decodeReply(
      await channel.invoke(getMaxOffset.encode({ topic, queueId }), deadline),
      address,
    );
    const update = updateConsumerOffset.encode({ ...queue, commitOffset: end.offset });
    updateConsumerOffset.decodeReply(await channel.invoke(update, deadline), address);
  };
  await Promise.all(Array.from({ length: queueCount }, (_, queueId) => fix(queueId)));
}
