import { defineRequest } from '../fields.ts';
import { RequestCode } from '../request-code.ts';

/** Takes back a message that waits for its time (Java `RecallMessageRequestHeader`); brokers 5.3 and newer. */
export const recallMessage = defineRequest({
  code: RequestCode.RECALL_MESSAGE,
  name: 'RECALL_MESSAGE',
  request: {
    producerGroup: { kind: 'string', optional: true },
    topic: { kind: 'string' },
    /** `recallHandle` of the answer to the send. */
    recallHandle: { kind: 'string' },
    brokerName: { wire: 'bname', kind: 'string', optional: true },
  },
  reply: {
    /** UNIQ_KEY of the message that was taken back. */
    messageId: { wire: 'msgId', kind: 'string' },
  },
});
