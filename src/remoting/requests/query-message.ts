import { defineRequest } from '../fields.ts';
import { RequestCode } from '../request-code.ts';

/** Asks a broker for messages with a key (Java `QueryMessageRequestHeader`). QUERY_NOT_FOUND: there are none. The body has the messages. */
export const queryMessage = defineRequest({
  code: RequestCode.QUERY_MESSAGE,
  name: 'QUERY_MESSAGE',
  request: {
    topic: { kind: 'string' },
    key: { kind: 'string' },
    countMax: { wire: 'maxNum', kind: 'int32' },
    /** Store times, in ms since 1970; clients say 0 and the highest int64 for any. */
    beginTimestamp: { kind: 'int64' },
    endTimestamp: { kind: 'int64' },
    /** True: the key is a UNIQ_KEY (Java `MixAll.UNIQUE_MSG_QUERY_FLAG`). */
    unique: { wire: '_UNIQUE_KEY_QUERY', kind: 'boolean', optional: true },
  },
  reply: {
    indexLastUpdateTimestamp: { kind: 'millis' },
    indexLastUpdateOffset: { wire: 'indexLastUpdatePhyoffset', kind: 'int64' },
  },
});

/** Asks a broker for the message at a place of its commit log (Java `ViewMessageRequestHeader`). SYSTEM_ERROR: none starts there. */
export const viewMessage = defineRequest({
  code: RequestCode.VIEW_MESSAGE_BY_ID,
  name: 'VIEW_MESSAGE_BY_ID',
  request: {
    offset: { kind: 'int64' },
    /** Without it brokers 5.x with access control refuse. */
    topic: { kind: 'string', optional: true },
  },
  reply: {},
});
