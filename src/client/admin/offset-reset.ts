import type { Command, CommandContent } from '../../remoting/command.ts';
import { ResponseError } from '../../remoting/errors.ts';
import { getMaxOffset, searchOffset, updateConsumerOffset } from '../../remoting/requests/consumer-offset.ts';
import { decodeConsumerList, getConsumerList } from '../../remoting/requests/get-consumer-list.ts';
import { decodeResetOffsets, type ResetQueue, resetOffset } from '../../remoting/requests/reset-offset.ts';
import { ResponseCode } from '../../remoting/response-code.ts';

/** Where a group shall go. */
export interface OffsetReset {
  readonly group: string;
  readonly topic: string;
  /** To the first message that was stored at this time or later, in ms since 1970 (0: the oldest); `end`: behind the newest message. */
  readonly to: number | 'end';
}

/** One broker, as it is asked here. */
export interface AskedBroker {
  readonly brokerName: string;
  /** `host:port`. */
  readonly address: string;
  /** The reply, whatever its code, under the deadline of the call. */
  invoke(content: CommandContent): Promise<Command>;
}

/** What brokers call the end of a queue. */
const endTimestamp = -1;

/**
 * Moves a group at one broker. Brokers before 5.2 tell the members of the group to go there, and refuse when none is connected: then
 * nobody would contradict, and the offsets are written for it.
 */
export async function resetOffsetsAt(
  reset: OffsetReset,
  broker: AskedBroker & { readonly queueCount: number },
): Promise<readonly ResetQueue[]> {
  const { group, topic, to } = reset;
  const timestamp = BigInt(to === 'end' ? endTimestamp : to);
  const content = resetOffset.encode({ topic, group, timestamp, force: true });
  // Brokers 4.x do not know our language, and fail on it here.
  const reply = await broker.invoke({ ...content, language: 'OTHER' });
  const isRefused = reply.code === ResponseCode.CONSUMER_NOT_ONLINE || reply.code === ResponseCode.SYSTEM_ERROR;
  if (!isRefused || (await hasMembers(group, broker))) return decodeResetOffsets(reply, broker.address);
  const written: ResetQueue[] = [];
  // One after the other: of several that come at once where a group has none, brokers keep one (Java `ConsumerOffsetManager.commitOffset`).
  for (let queueId = 0; queueId < broker.queueCount; queueId += 1)
    written.push(await writeOffset(reset, queueId, broker));
  return written;
}

async function hasMembers(group: string, broker: AskedBroker): Promise<boolean> {
  try {
    const reply = await broker.invoke(getConsumerList.encode({ consumerGroup: group }));
    return decodeConsumerList(reply, broker.address).length > 0;
  } catch (error) {
    // Java's brokers say so of a group in which nobody is.
    if (error instanceof ResponseError && error.code === ResponseCode.SYSTEM_ERROR) return false;
    throw error;
  }
}

async function writeOffset(
  { group, topic, to }: OffsetReset,
  queueId: number,
  broker: AskedBroker,
): Promise<ResetQueue> {
  const { address, brokerName } = broker;
  const place = { topic, queueId };
  const { offset } =
    to === 'end'
      ? getMaxOffset.decodeReply(await broker.invoke(getMaxOffset.encode(place)), address)
      : searchOffset.decodeReply(await broker.invoke(searchOffset.encode({ ...place, timestampMs: to })), address);
  const update = updateConsumerOffset.encode({ ...place, consumerGroup: group, commitOffset: offset });
  updateConsumerOffset.decodeReply(await broker.invoke(update), address);
  return { queue: { ...place, brokerName }, offset: Number(offset) };
}
