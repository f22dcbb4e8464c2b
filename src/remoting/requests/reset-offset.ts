import type { Command } from '../command.ts';
import { RemotingError } from '../errors.ts';
import { defineRequest } from '../fields.ts';
import { readJsonObject } from '../json.ts';
import { encodeJson } from '../json-writer.ts';
import type { MessageQueue } from '../message.ts';
import { readQueueTable } from '../message-queues.ts';
import { RequestCode } from '../request-code.ts';
import { writeMessageQueue } from './get-topic-stats.ts';

/** Has a broker move a group to another place of a topic (Java `ResetOffsetRequestHeader`). */
export const resetOffset = defineRequest({
  code: RequestCode.INVOKE_BROKER_TO_RESET_OFFSET,
  name: 'INVOKE_BROKER_TO_RESET_OFFSET',
  request: {
    topic: { kind: 'string' },
    group: { kind: 'string' },
    /** In ms since 1970; -1: behind the newest message; -2: to the oldest. */
    timestamp: { kind: 'int64', optional: true },
    /** Also where that skips messages; without it brokers 4.x move a group back only. Brokers 5.x always do. */
    force: { wire: 'isForce', kind: 'boolean', optional: true },
    /** Only this queue; negative or left out, as by clients 4.x: all. */
    queueId: { kind: 'int32', optional: true },
    /** Where to go in it, instead of by the time; -1: by the time. */
    offset: { kind: 'int64', optional: true },
  },
  reply: {},
});

/** Where a group now is in one queue. */
export interface ResetQueue {
  readonly queue: MessageQueue;
  readonly offset: number;
}

/** The body of an answer: where the group now is (Java `ResetOffsetBody`). */
export function encodeResetOffsets(offsets: readonly ResetQueue[]) {
  return encodeJson({ offsetTable: new Map(offsets.map(({ queue, offset }) => [writeMessageQueue(queue), offset])) });
}

/** The queues of a reply; brokers 4.x write only where members of the group were told to go. @throws ResponseError; RemotingError `malformed`. */
export function decodeResetOffsets(reply: Command, address: string): readonly ResetQueue[] {
  resetOffset.decodeReply(reply, address);
  if (reply.body.length === 0) return [];
  return readQueueTable(readJsonObject(reply.body, 'the offsets of a reset'), 'offsetTable').map(([queue, offset]) => {
    if (typeof offset === 'number') return { queue, offset };
    throw new RemotingError('malformed', 'an offset of a reset is not a number');
  });
}
