import { defineRequest } from '../fields.ts';
import { RequestCode } from '../request-code.ts';

/** A broker hands a requester the reply to its message; the body is the reply's (Java `ReplyMessageRequestHeader`). */
export const pushReplyMessage = defineRequest({
  code: RequestCode.PUSH_REPLY_MESSAGE_TO_CLIENT,
  name: 'PUSH_REPLY_MESSAGE_TO_CLIENT',
  request: {
    producerGroup: { kind: 'string' },
    topic: { kind: 'string' },
    /** Java demands this one and the next, but its brokers hand on replies of clients that leave them out. */
    defaultTopic: { kind: 'string', optional: true },
    defaultTopicQueueCount: { wire: 'defaultTopicQueueNums', kind: 'int32', optional: true },
    queueId: { kind: 'int32' },
    sysFlag: { kind: 'int32' },
    bornTimestampMs: { wire: 'bornTimestamp', kind: 'millis' },
    flag: { kind: 'int32' },
    /** Encoded properties, with those that tell the requester which of its requests this answers. */
    properties: { kind: 'string', optional: true },
    reconsumeTimes: { kind: 'int32', optional: true },
    unitMode: { kind: 'boolean', optional: true },
    /** `ip:port` of the one who replies. */
    bornHost: { kind: 'string' },
    /** `ip:port` of the broker. */
    storeHost: { kind: 'string' },
    storeTimestampMs: { wire: 'storeTimestamp', kind: 'millis' },
  },
  reply: {},
});
