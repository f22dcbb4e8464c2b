import { defineRequest, type FieldTable } from '../fields.ts';
import { RequestCode } from '../request-code.ts';
import { ResponseCode } from '../response-code.ts';

/** Bits of a pull's `sysFlag` (Java `PullSysFlag`). */
export const PullFlag = {
  /** `commitOffset` is to be stored with this pull. */
  COMMIT_OFFSET: 1,
  /** The broker may hold the request while there is nothing. */
  SUSPEND: 2,
  /** The subscription is in the request; otherwise the one of the heartbeat holds. */
  SUBSCRIPTION: 4,
  CLASS_FILTER: 8,
  LITE_PULL: 16,
} as const;

const request = {
  consumerGroup: { kind: 'string' },
  topic: { kind: 'string' },
  queueId: { kind: 'int32' },
  queueOffset: { kind: 'int64' },
  messageCountMax: { wire: 'maxMsgNums', kind: 'int32' },
  /** `PullFlag` bits. */
  sysFlag: { kind: 'int32' },
  commitOffset: { kind: 'int64', optional: true },
  /** How long the broker may hold the request. */
  suspendDurationMs: { wire: 'suspendTimeoutMillis', kind: 'millis', optional: true },
  subscription: { kind: 'string', optional: true },
  /** ms in most clients, ns in Go's. */
  subscriptionVersion: { wire: 'subVersion', kind: 'int64', optional: true },
  expressionType: { kind: 'string', optional: true },
  messageBytesMax: { wire: 'maxMsgBytes', kind: 'int32', optional: true },
} as const satisfies FieldTable;

const reply = {
  suggestedBrokerId: { wire: 'suggestWhichBrokerId', kind: 'int64' },
  nextBeginOffset: { kind: 'int64' },
  minOffset: { kind: 'int64' },
  maxOffset: { kind: 'int64' },
} as const satisfies FieldTable;

const successCodes = [
  ResponseCode.SUCCESS,
  ResponseCode.PULL_NOT_FOUND,
  ResponseCode.PULL_RETRY_IMMEDIATELY,
  ResponseCode.PULL_OFFSET_MOVED,
];

/** Reads a queue from an offset (Java `PullMessageRequestHeader`); all four success codes say where to go on. */
export const pullMessage = defineRequest({
  code: RequestCode.PULL_MESSAGE,
  name: 'PULL_MESSAGE',
  request,
  reply,
  successCodes,
});
