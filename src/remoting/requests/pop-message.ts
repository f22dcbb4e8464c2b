import { defineRequest, type FieldTable } from '../fields.ts';
import { RequestCode } from '../request-code.ts';
import { ResponseCode } from '../response-code.ts';

/** Most messages that one POP may ask for; brokers answer INVALID_PARAMETER above. */
export const popMessagesMax = 32;

/** Queue that Java brokers name as the one of ordered POPs (`KeyBuilder.POP_ORDER_REVIVE_QUEUE`). */
export const orderedReviveQueueId = 999;

/** Where a group that is new to a queue starts. */
export const PopInitMode = { MIN: 0, MAX: 1 } as const;

/** What POP_MESSAGE and PEEK_MESSAGE are answered with (Java `PopMessageResponseHeader`). */
export const popReplyFields = {
  popTimeMs: { wire: 'popTime', kind: 'millis', optional: true },
  invisibleDurationMs: { wire: 'invisibleTime', kind: 'millis', optional: true },
  reviveQueueId: { wire: 'reviveQid', kind: 'int32', optional: true },
  restCount: { wire: 'restNum', kind: 'int64', optional: true },
  startOffsetInfo: { kind: 'string', optional: true },
  msgOffsetInfo: { kind: 'string', optional: true },
  orderCountInfo: { kind: 'string', optional: true },
} as const satisfies FieldTable;

/**
 * Takes messages and makes them invisible to the group for a while (Java `PopMessageRequestHeader`, 5.x brokers).
 * Nothing found is POLLING_TIMEOUT or PULL_NOT_FOUND, with an empty body.
 */
export const popMessage = defineRequest({
  code: RequestCode.POP_MESSAGE,
  name: 'POP_MESSAGE',
  request: {
    consumerGroup: { kind: 'string' },
    topic: { kind: 'string' },
    /** -1: all queues of the broker. */
    queueId: { kind: 'int32' },
    messageCountMax: { wire: 'maxMsgNums', kind: 'int32' },
    invisibleDurationMs: { wire: 'invisibleTime', kind: 'millis' },
    /** How long the broker may hold the request while there is nothing. */
    pollDurationMs: { wire: 'pollTime', kind: 'millis' },
    /** Now, by the broker's clock: it refuses a request that looks older than pollDurationMs + 500 ms. */
    bornTimeMs: { wire: 'bornTime', kind: 'millis', optional: true },
    initMode: { kind: 'int32', optional: true },
    expressionType: { wire: 'expType', kind: 'string', optional: true },
    expression: { wire: 'exp', kind: 'string', optional: true },
    /** Nothing overtakes what is in flight in its queue. */
    order: { kind: 'boolean', optional: true },
    /** Names an ordered POP, so that one sent again gets the same messages. */
    attemptId: { kind: 'string', optional: true },
  },
  reply: popReplyFields,
  successCodes: [ResponseCode.SUCCESS, ResponseCode.POLLING_TIMEOUT, ResponseCode.PULL_NOT_FOUND],
});
