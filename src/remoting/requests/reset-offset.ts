import { defineRequest } from '../fields.ts';
import { encodeJson } from '../json-writer.ts';
import type { MessageQueue } from '../message.ts';
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
    /** Only this queue; negative or left out, as by clients 4.x: all. */
    queueId: { kind: 'int32', optional: true },
    /** Where to go in it, instead of by the time; -1: by the time. */
    offset: { kind: 'int64', optional: true },
  },
  reply: {},
});

/** The body of an answer: where the group now is (Java `ResetOffsetBody`). */
export function encodeResetOffsets(offsets: readonly { readonly queue: MessageQueue; readonly offset: number }[]) {
  return encodeJson({ offsetTable: new Map(offsets.map(({ queue, offset }) => [writeMessageQueue(queue), offset])) });
}
