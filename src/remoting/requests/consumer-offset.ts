import { defineRequest } from '../fields.ts';
import { RequestCode } from '../request-code.ts';
import { ResponseCode } from '../response-code.ts';

const queue = { topic: { kind: 'string' }, queueId: { kind: 'int32' } } as const;
const groupQueue = { consumerGroup: { kind: 'string' }, ...queue } as const;

/**
 * Asks how far a group has got in a queue (Java `QueryConsumerOffsetRequestHeader`). No offset with QUERY_NOT_FOUND: the group is new
 * there, and the queue no longer starts at its first message (a young queue answers 0 instead).
 */
export const queryConsumerOffset = defineRequest({
  code: RequestCode.QUERY_CONSUMER_OFFSET,
  name: 'QUERY_CONSUMER_OFFSET',
  request: groupQueue,
  reply: { offset: { kind: 'int64', optional: true } },
  successCodes: [ResponseCode.SUCCESS, ResponseCode.QUERY_NOT_FOUND],
});

/** Sets how far a group has got; brokers accept anything (Java `UpdateConsumerOffsetRequestHeader`). */
export const updateConsumerOffset = defineRequest({
  code: RequestCode.UPDATE_CONSUMER_OFFSET,
  name: 'UPDATE_CONSUMER_OFFSET',
  request: { ...groupQueue, commitOffset: { kind: 'int64' } },
  reply: {},
});

/** Asks for the offset that the next message of a queue gets (Java `GetMaxOffsetRequestHeader`). */
export const getMaxOffset = defineRequest({
  code: RequestCode.GET_MAX_OFFSET,
  name: 'GET_MAX_OFFSET',
  request: queue,
  reply: { offset: { kind: 'int64' } },
});
