import type { Answer, Command } from '../../remoting/command.ts';
import { RequestCode } from '../../remoting/request-code.ts';
import { encodeResetOffsets, resetOffset as resetOffsetRequest } from '../../remoting/requests/reset-offset.ts';
import { ResponseCode } from '../../remoting/response-code.ts';
import type { ServerConnection } from '../../remoting/server-connection.ts';
import type { Engine, ProcessorTable } from '../engine.ts';
import { invalid, RequestRefused } from '../refused.ts';

export const resetOffsetProcessors: ProcessorTable = [[RequestCode.INVOKE_BROKER_TO_RESET_OFFSET, resetOffset]];

/** Time that means the oldest message; all others before 1970 mean the newest. */
const oldest = -2;

interface Target {
  readonly topic: string;
  readonly timestampMs: number;
  readonly offset: number | undefined;
}

/**
 * Moves a group in the queues of a topic. Its clients need not be there: their next pull is told where to go on, and what they popped
 * and have not acknowledged is forgotten.
 */
async function resetOffset(request: Command, _connection: ServerConnection, engine: Engine): Promise<Answer> {
  const { topic, group, timestamp = -1n, queueId = -1, offset } = resetOffsetRequest.decode(request);
  const { readQueueCount } = engine.topics.require(topic);
  if (engine.groups.get(group) === undefined) {
    throw new RequestRefused(ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST, `there is no group ${group.slice(0, 300)}`);
  }
  if (queueId >= readQueueCount) throw invalid(`${topic} has no queue ${queueId}, only 0 to ${readQueueCount - 1}`);
  const target = {
    topic,
    timestampMs: Number(timestamp),
    offset: queueId < 0 || offset === undefined || offset === -1n ? undefined : Number(offset),
  };
  const queueIds = queueId < 0 ? Array.from({ length: readQueueCount }, (_, id) => id) : [queueId];
  const offsets = queueIds.map((id) => ({
    queue: { topic, brokerName: engine.options.brokerName, queueId: id },
    offset: offsetIn(id, target, engine),
  }));
  await Promise.all(offsets.map((one) => move({ group, topic, queueId: one.queue.queueId }, one.offset, engine)));
  engine.held.wake(topic);
  return resetOffsetRequest.answer({}, { body: encodeResetOffsets(offsets) });
}

/** @throws RequestRefused INVALID_PARAMETER when the queue never had the offset. */
function offsetIn(queueId: number, { topic, timestampMs, offset }: Target, { store }: Engine): number {
  const min = store.minOffset(topic, queueId);
  const max = store.maxOffset(topic, queueId);
  if (offset !== undefined) {
    if (offset >= min && offset <= max) return offset;
    throw invalid(`queue ${queueId} of ${topic} has the offsets ${min} to ${max}, not ${offset}`);
  }
  if (timestampMs >= 0) return store.offsetAt(topic, queueId, timestampMs, 'lower');
  return timestampMs === oldest ? min : max;
}

type MovedQueue = Parameters<Engine['offsets']['reset']>[0];

async function move(queue: MovedQueue, offset: number, { offsets, pops, state }: Engine): Promise<void> {
  await pops.clear(queue);
  await offsets.reset(queue, offset, state);
}
