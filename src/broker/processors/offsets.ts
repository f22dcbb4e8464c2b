import type { Answer, Command } from '../../remoting/command.ts';
import { RequestCode } from '../../remoting/request-code.ts';
import {
  getEarliestStoreTime,
  getMaxOffset,
  getMinOffset,
  queryConsumerOffset,
  searchOffset,
  updateConsumerOffset,
} from '../../remoting/requests/consumer-offset.ts';
import { ResponseCode } from '../../remoting/response-code.ts';
import type { ServerConnection } from '../../remoting/server-connection.ts';
import type { GroupQueue } from '../consumer-offsets.ts';
import type { Engine, ProcessorTable } from '../engine.ts';
import { invalid } from '../refused.ts';

export const offsetProcessors: ProcessorTable = [
  [RequestCode.QUERY_CONSUMER_OFFSET, queryOffset],
  [RequestCode.UPDATE_CONSUMER_OFFSET, updateOffset],
  [RequestCode.GET_MAX_OFFSET, maxOffset],
  [RequestCode.GET_MIN_OFFSET, minOffset],
  [RequestCode.GET_EARLIEST_MESSAGE_STORE_TIME, earliestStoreTime],
  [RequestCode.SEARCH_OFFSET_BY_TIMESTAMP, offsetByTime],
];

/** A group that is new to a queue which still has its first message starts with it, as RocketMQ has it for young queues. */
async function queryOffset(request: Command, _connection: ServerConnection, engine: Engine): Promise<Answer> {
  const { consumerGroup, topic, queueId, setZeroIfNotFound } = queryConsumerOffset.decode(request);
  await engine.groups.getOrCreate(consumerGroup, engine.state);
  const offset = engine.offsets.get({ group: consumerGroup, topic, queueId });
  if (offset !== undefined) return queryConsumerOffset.answer({ offset: BigInt(offset) });
  if (setZeroIfNotFound !== false && engine.store.minOffset(topic, queueId) === 0) {
    return queryConsumerOffset.answer({ offset: 0n });
  }
  const remark = `the group ${consumerGroup} has no offset in queue ${queueId} of ${topic}`;
  return queryConsumerOffset.answer({}, { code: ResponseCode.QUERY_NOT_FOUND, remark });
}

async function updateOffset(request: Command, _connection: ServerConnection, engine: Engine): Promise<Answer> {
  const { consumerGroup, topic, queueId, commitOffset } = updateConsumerOffset.decode(request);
  await engine.groups.getOrCreate(consumerGroup, engine.state);
  const { readQueueCount, writeQueueCount } = engine.topics.require(topic);
  if (queueId < 0 || queueId >= Math.max(readQueueCount, writeQueueCount))
    throw invalid(`${topic} has no queue ${queueId}`);
  await commit({ group: consumerGroup, topic, queueId }, Number(commitOffset), engine);
  return updateConsumerOffset.answer({});
}

/**
 * Stores how far a group says to have got. While it has not heard of a reset, what it says is old.
 * @throws RequestRefused on an offset that the queue never had; StoreError.
 */
export async function commit(queue: GroupQueue, offset: number, engine: Engine): Promise<void> {
  const max = engine.store.maxOffset(queue.topic, queue.queueId);
  if (offset < 0 || offset > max) throw invalid(`offset ${offset} cannot be committed: the queue has 0 to ${max}`);
  if (engine.offsets.pendingReset(queue) !== undefined) return;
  await engine.offsets.set(queue, offset, engine.state);
}

function maxOffset(request: Command, _connection: ServerConnection, { store }: Engine): Answer {
  const { topic, queueId } = getMaxOffset.decode(request);
  return getMaxOffset.answer({ offset: BigInt(store.maxOffset(topic, queueId)) });
}

function minOffset(request: Command, _connection: ServerConnection, { store }: Engine): Answer {
  const { topic, queueId } = getMinOffset.decode(request);
  return getMinOffset.answer({ offset: BigInt(store.minOffset(topic, queueId)) });
}

function earliestStoreTime(request: Command, _connection: ServerConnection, { store }: Engine): Answer {
  const { topic, queueId } = getEarliestStoreTime.decode(request);
  const timestampMs = store.storeTimestamp(topic, queueId, store.minOffset(topic, queueId));
  return getEarliestStoreTime.answer({ timestampMs });
}

function offsetByTime(request: Command, _connection: ServerConnection, { store }: Engine): Answer {
  const { topic, queueId, timestampMs, boundary } = searchOffset.decode(request);
  const side = boundary?.toUpperCase() === 'UPPER' ? 'upper' : 'lower';
  return searchOffset.answer({ offset: BigInt(store.offsetAt(topic, queueId, timestampMs, side)) });
}
