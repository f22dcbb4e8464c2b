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
  request: {
    ...groupQueue,
    /** `false`: QUERY_NOT_FOUND rather than 0 for a young queue (5.x). */
    setZeroIfNotFound: { kind: 'boolean', optional: true },
  },
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

/** Asks for the offset of the first message that a queue still has (Java `GetMinOffsetRequestHeader`). */
export const getMinOffset = defineRequest({
  code: RequestCode.GET_MIN_OFFSET,
  name: 'GET_MIN_OFFSET',
  request: queue,
  reply: { offset: { kind: 'int64' } },
});

/** Asks when the first message that a queue still has was stored; -1: it has none (Java `GetEarliestMsgStoretimeRequestHeader`). */
export const getEarliestStoreTime = defineRequest({
  code: RequestCode.GET_EARLIEST_MESSAGE_STORE_TIME,
  name: 'GET_EARLIEST_MSG_STORETIME',
  request: queue,
  reply: { timestampMs: { wire: 'timestamp', kind: 'millis' } },
});

/** Asks which offset belongs to a store time (Java `SearchOffsetRequestHeader`). */
export const searchOffset = defineRequest({
  code: RequestCode.SEARCH_OFFSET_BY_TIMESTAMP,
  name: 'SEARCH_OFFSET_BY_TIMESTAMP',
  request: {
    ...queue,
    timestampMs: { wire: 'timestamp', kind: 'millis' },
    /** `LOWER`: the first message at or after the time; `UPPER`: the last one at or before it (5.x). */
    boundary: { wire: 'boundaryType', kind: 'string', optional: true },
  },
  reply: { offset: { kind: 'int64' } },
});
