import { requiredText } from '../body-fields.ts';
import type { Answer, Command, CommandContent } from '../command.ts';
import { defineRequest } from '../fields.ts';
import { readJsonObject } from '../json.ts';
import type { MessageQueue } from '../message.ts';
import { readMessageQueues } from '../message-queues.ts';
import { RequestCode } from '../request-code.ts';

/** Asks to be the only one of a group that reads some queues, for 60 s; those it got are in the reply (Java `LockBatchRequestBody`). */
export const lockBatch = defineRequest({
  code: RequestCode.LOCK_BATCH_MQ,
  name: 'LOCK_BATCH_MQ',
  request: {},
  reply: {},
});

/** Gives queues back (Java `UnlockBatchRequestBody`). */
export const unlockBatch = defineRequest({
  code: RequestCode.UNLOCK_BATCH_MQ,
  name: 'UNLOCK_BATCH_MQ',
  request: {},
  reply: {},
});

/** Queues that a client of a group asks for, or gives back. */
export interface QueueBatch {
  readonly consumerGroup: string;
  readonly clientId: string;
  readonly queues: readonly MessageQueue[];
}

export function encodeLockBatch(batch: QueueBatch): CommandContent {
  return lockBatch.encode({}, batchBody(batch));
}

export function encodeUnlockBatch(batch: QueueBatch): CommandContent {
  return unlockBatch.encode({}, batchBody(batch));
}

function batchBody({ consumerGroup, clientId, queues }: QueueBatch): Buffer {
  return Buffer.from(JSON.stringify({ consumerGroup, clientId, onlyThisBroker: false, mqSet: queues }));
}

/** The body of either request. @throws RemotingError `malformed`, naming the field. */
export function decodeQueueBatch(request: Command): QueueBatch {
  const body = readJsonObject(request.body, 'a batch of queues');
  return {
    consumerGroup: requiredText(body, 'consumerGroup'),
    clientId: requiredText(body, 'clientId'),
    queues: readMessageQueues(body, 'mqSet'),
  };
}

export function lockedQueuesAnswer(queues: readonly MessageQueue[]): Answer {
  return lockBatch.answer({}, { body: Buffer.from(JSON.stringify({ lockOKMQSet: queues })) });
}

/** The queues that are locked now. @throws ResponseError; RemotingError `malformed`. */
export function decodeLockedQueues(reply: Command, address: string): readonly MessageQueue[] {
  lockBatch.decodeReply(reply, address);
  return readMessageQueues(readJsonObject(reply.body, 'locked queues'), 'lockOKMQSet');
}
