import { defineRequest, type FieldsOf, type FieldTable } from '../fields.ts';
import { RequestCode } from '../request-code.ts';
import { ResponseCode } from '../response-code.ts';

const request = {
  producerGroup: { wire: 'a', kind: 'string' },
  topic: { wire: 'b', kind: 'string' },
  /** Topic whose settings an auto-created one copies: TBW102. */
  defaultTopic: { wire: 'c', kind: 'string' },
  defaultTopicQueueCount: { wire: 'd', kind: 'int32' },
  queueId: { wire: 'e', kind: 'int32' },
  sysFlag: { wire: 'f', kind: 'int32' },
  bornTimestampMs: { wire: 'g', kind: 'millis' },
  flag: { wire: 'h', kind: 'int32' },
  /** Encoded properties; empty for a batch, whose records carry their own. */
  properties: { wire: 'i', kind: 'string' },
  reconsumeTimes: { wire: 'j', kind: 'int32' },
  unitMode: { wire: 'k', kind: 'boolean' },
  /** Without it a body of several records is stored as one message. */
  batch: { wire: 'm', kind: 'boolean' },
  brokerName: { wire: 'n', kind: 'string', optional: true },
} as const satisfies FieldTable;

const reply = {
  /** Offset message id: address of the broker and commit log offset; for a batch a list joined by commas. */
  messageId: { wire: 'msgId', kind: 'string' },
  queueId: { kind: 'int32' },
  /** For delayed and half messages the offset in the inner topic. */
  queueOffset: { kind: 'int64' },
  transactionId: { kind: 'string', optional: true },
  /** 5.3 and newer, timer messages only. */
  recallHandle: { kind: 'string', optional: true },
} as const satisfies FieldTable;

/** SUCCESS, and the codes that say stored on the master but not yet on its disk or its replicas. */
const successCodes = [
  ResponseCode.SUCCESS,
  ResponseCode.FLUSH_DISK_TIMEOUT,
  ResponseCode.SLAVE_NOT_AVAILABLE,
  ResponseCode.FLUSH_SLAVE_TIMEOUT,
];

export type SendMessageReply = FieldsOf<typeof reply>;

/** Stores one message, with one-letter field names (Java `SendMessageRequestHeaderV2`). */
export const sendMessage = defineRequest({
  code: RequestCode.SEND_MESSAGE_V2,
  name: 'SEND_MESSAGE_V2',
  request,
  reply,
  successCodes,
});

/** Stores several messages of one topic as a whole; the body is a batch, `batch` is true. */
export const sendBatchMessage = defineRequest({
  code: RequestCode.SEND_BATCH_MESSAGE,
  name: 'SEND_BATCH_MESSAGE',
  request,
  reply,
  successCodes,
});
