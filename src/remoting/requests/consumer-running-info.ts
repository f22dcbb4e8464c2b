import { defineRequest } from '../fields.ts';
import { RequestCode } from '../request-code.ts';

/**
 * A tool asks what a consumer is doing; a broker passes the request on to it and its JSON body back
 * (Java `GetConsumerRunningInfoRequestHeader`).
 */
export const getConsumerRunningInfo = defineRequest({
  code: RequestCode.GET_CONSUMER_RUNNING_INFO,
  name: 'GET_CONSUMER_RUNNING_INFO',
  request: {
    consumerGroup: { kind: 'string' },
    clientId: { kind: 'string' },
    /** Whether the stacks of its threads are wanted. */
    withStacks: { wire: 'jstackEnable', kind: 'boolean', optional: true },
  },
  reply: {},
});
