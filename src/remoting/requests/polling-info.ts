import { defineRequest } from '../fields.ts';
import { RequestCode } from '../request-code.ts';

/** How many POPs of a group wait for messages of a queue (Java `PollingInfoRequestHeader`, 5.x brokers). */
export const pollingInfo = defineRequest({
  code: RequestCode.POLLING_INFO,
  name: 'POLLING_INFO',
  request: {
    consumerGroup: { kind: 'string' },
    topic: { kind: 'string' },
    /** -1: those that wait for any queue. */
    queueId: { kind: 'int32' },
  },
  reply: {
    pollCount: { wire: 'pollingNum', kind: 'int32' },
  },
});
