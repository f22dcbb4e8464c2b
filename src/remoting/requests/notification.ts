import { defineRequest } from '../fields.ts';
import { RequestCode } from '../request-code.ts';

/**
 * Waits until a POP would find something, without taking it (Java `NotificationRequestHeader`, 5.x brokers). It also looks at the
 * group's retry topic, but is not woken by it.
 */
export const notification = defineRequest({
  code: RequestCode.NOTIFICATION,
  name: 'NOTIFICATION',
  request: {
    consumerGroup: { kind: 'string' },
    topic: { kind: 'string' },
    /** -1: all queues of the broker. */
    queueId: { kind: 'int32' },
    pollDurationMs: { wire: 'pollTime', kind: 'millis' },
    /** Now, by the broker's clock; 0: the broker takes its own. */
    bornTimeMs: { wire: 'bornTime', kind: 'millis', optional: true },
    /** What an ordered POP would find. */
    order: { kind: 'boolean', optional: true },
    attemptId: { kind: 'string', optional: true },
    /** With `expression`: only messages that match wake. Brokers before 5.5 do not know either, and wake for all. */
    expressionType: { wire: 'expType', kind: 'string', optional: true },
    expression: { wire: 'exp', kind: 'string', optional: true },
  },
  reply: {
    hasMessage: { wire: 'hasMsg', kind: 'boolean' },
    /** True when the broker holds too many requests already, and so did not wait. */
    pollingFull: { kind: 'boolean', optional: true },
  },
});
