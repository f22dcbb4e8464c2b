import { defineRequest } from '../fields.ts';
import { RequestCode } from '../request-code.ts';

/**
 * Makes a message visible again after another duration (Java `ChangeInvisibleTimeRequestHeader`); 0 at once. The receipt used is
 * spent: the reply makes a new one, and using the old one again delivers the message twice.
 */
export const changeInvisibleDuration = defineRequest({
  code: RequestCode.CHANGE_MESSAGE_INVISIBLE_TIME,
  name: 'CHANGE_MESSAGE_INVISIBLETIME',
  request: {
    consumerGroup: { kind: 'string' },
    topic: { kind: 'string' },
    queueId: { kind: 'int32' },
    extraInfo: { kind: 'string' },
    offset: { kind: 'int64' },
    invisibleDurationMs: { wire: 'invisibleTime', kind: 'millis' },
  },
  /** Without fields where the message is acknowledged already, which brokers notice of ordered POPs only. */
  reply: {
    popTimeMs: { wire: 'popTime', kind: 'millis', optional: true },
    invisibleDurationMs: { wire: 'invisibleTime', kind: 'millis', optional: true },
    reviveQueueId: { wire: 'reviveQid', kind: 'int32', optional: true },
  },
});
