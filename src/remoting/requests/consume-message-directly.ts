import { defineRequest } from '../fields.ts';
import { RequestCode } from '../request-code.ts';

/**
 * A tool has a consumer consume one message again; a broker passes the request on with the message as the body, and the consumer's JSON
 * body back (Java `ConsumeMessageDirectlyResultRequestHeader`).
 */
export const consumeMessageDirectly = defineRequest({
  code: RequestCode.CONSUME_MESSAGE_DIRECTLY,
  name: 'CONSUME_MESSAGE_DIRECTLY',
  request: {
    consumerGroup: { kind: 'string' },
    clientId: { kind: 'string', optional: true },
    /** Offset message id. */
    messageId: { wire: 'msgId', kind: 'string', optional: true },
    brokerName: { kind: 'string', optional: true },
    topic: { kind: 'string', optional: true },
    /** Set by the broker. */
    topicSysFlag: { kind: 'int32', optional: true },
    /** Set by the broker. */
    groupSysFlag: { kind: 'int32', optional: true },
  },
  reply: {},
});
