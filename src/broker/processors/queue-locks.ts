import type { Answer, Command } from '../../remoting/command.ts';
import type { MessageQueue } from '../../remoting/message.ts';
import { RequestCode } from '../../remoting/request-code.ts';
import { decodeQueueBatch, lockedQueuesAnswer, unlockBatch } from '../../remoting/requests/lock-batch.ts';
import type { ServerConnection } from '../../remoting/server-connection.ts';
import type { Engine, ProcessorTable } from '../engine.ts';

export const queueLockProcessors: ProcessorTable = [
  [RequestCode.LOCK_BATCH_MQ, lock],
  [RequestCode.UNLOCK_BATCH_MQ, unlock],
];

/** Queues that do not exist are nobody's to lock: they are left out of the answer, like those of others. */
function lock(request: Command, _connection: ServerConnection, engine: Engine): Answer {
  const { consumerGroup, clientId, queues } = decodeQueueBatch(request);
  const existing = queues.filter((queue) => exists(queue, engine));
  return lockedQueuesAnswer(engine.locks.lock(consumerGroup, clientId, existing));
}

function unlock(request: Command, _connection: ServerConnection, engine: Engine): Answer {
  const { consumerGroup, clientId, queues } = decodeQueueBatch(request);
  engine.locks.unlock(consumerGroup, clientId, queues);
  return unlockBatch.answer({});
}

function exists({ topic, brokerName, queueId }: MessageQueue, { options, topics }: Engine): boolean {
  const { readQueueCount = 0, writeQueueCount = 0 } = topics.get(topic) ?? {};
  const queueCount = Math.max(readQueueCount, writeQueueCount);
  return brokerName === options.brokerName && queueId >= 0 && queueId < queueCount;
}
