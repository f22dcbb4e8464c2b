import { defineRequest } from '../fields.ts';
import { RequestCode } from '../request-code.ts';

/**
 * Ends the invisibility of one message for good (Java `AckMessageRequestHeader`). Success proves nothing: brokers answer it for
 * a second ack, one after the invisible duration, and one with the receipt of another group.
 */
export const ackMessage = defineRequest({
  code: RequestCode.ACK_MESSAGE,
  name: 'ACK_MESSAGE',
  request: {
    consumerGroup: { kind: 'string' },
    /** The topic that the message lies in: for a retried one the retry topic. */
    topic: { kind: 'string' },
    queueId: { kind: 'int32' },
    /** Encoded receipt of the POP. */
    extraInfo: { kind: 'string' },
    offset: { kind: 'int64' },
  },
  reply: {},
});
