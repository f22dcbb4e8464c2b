import type { Command } from '../command.ts';
import { RemotingError } from '../errors.ts';
import { defineRequest } from '../fields.ts';
import { readJsonObject } from '../json.ts';
import type { MessageQueue } from '../message.ts';
import { readQueueTable } from '../message-queues.ts';
import { RequestCode } from '../request-code.ts';

/** A broker 4.x tells each member of a group where an operator moved the group to (Java `ResetOffsetRequestHeader`). One-way. */
export const resetClientOffset = defineRequest({
  code: RequestCode.RESET_CONSUMER_CLIENT_OFFSET,
  name: 'RESET_CONSUMER_CLIENT_OFFSET',
  request: { topic: { kind: 'string' }, group: { kind: 'string' } },
  reply: {},
});

/** The new places of the group, of all queues of the broker (Java `ResetOffsetBody`). @throws RemotingError `malformed`. */
export function decodeClientOffsets(request: Command): ReadonlyMap<MessageQueue, bigint> {
  const rows = readQueueTable(readJsonObject(request.body, 'the offsets of a reset'), 'offsetTable');
  return new Map(
    rows.map(([queue, offset]) => {
      if (typeof offset === 'number' && Number.isSafeInteger(offset) && offset >= 0) return [queue, BigInt(offset)];
      throw new RemotingError('malformed', `the offset of a reset of queue ${queue.queueId} is no queue offset`);
    }),
  );
}
