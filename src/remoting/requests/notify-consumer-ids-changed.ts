import { defineRequest } from '../fields.ts';
import { RequestCode } from '../request-code.ts';

/**
 * A broker tells a consumer that somebody came to its group or left it, so that it shares out the queues anew. One-way
 * (Java `NotifyConsumerIdsChangedRequestHeader`).
 */
export const notifyConsumerIdsChanged = defineRequest({
  code: RequestCode.NOTIFY_CONSUMER_IDS_CHANGED,
  name: 'NOTIFY_CONSUMER_IDS_CHANGED',
  request: { consumerGroup: { kind: 'string' } },
  reply: {},
});
