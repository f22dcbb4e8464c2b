import { defineRequest, type FieldsOf, type FieldTable } from '../fields.ts';
import { RequestCode } from '../request-code.ts';
import { ResponseCode } from '../response-code.ts';

const request = {
  producerGroup: { wire: 'a', kind: 'string' },
  topic: { wire: 'b', kind: 'string' },
  /** Topic whose settings an auto-created one copies: TBW102. */
  defaultTopic: { wire: 'c', kind: 'string', optional: true },
  defaultTopicQueueCount: { wire: 'd', kind: 'int32', optional: true },
  /** -1: the broker picks one. */
  queueId: { wire: 'e', kind: 'int32' },
  sysFlag: { wire: 'f', kind: 'int32' },
  bornTimestampMs: { wire: 'g', kind: 'millis' },
  flag: { wire: 'h', kind: 'int32' },
  /** Encoded properties; none for a batch, whose records carry their own. */
  properties: { wire: 'i', kind: 'string', optional: true },
  reconsumeTimes: { wire: 'j', kind: 'int32', optional: true },
  unitMode: { wire: 'k', kind: 'boolean', optional: true },
  /** Retries after which a message of a retry topic goes to the dead letter queue. */
  maxReconsumeTimes: { wire: 'l', kind: 'int32', optional: true },
  /** Without it a body of several records is stored as one message. */
  batch: { wire: 'm', kind: 'boolean', optional: true },
  brokerName: { wire: 'n', kind: 'string', optional: true },
} as const satisfies FieldTable;

/** The same fields as old clients and rocketmq-client-go write them (Java `SendMessageRequestHeader`). */
const longNames = {
  producerGroup: { kind: 'string' },
  topic: { kind: 'string' },
  defaultTopic: { kind: 'string', optional: true },
  defaultTopicQueueCount: { wire: 'defaultTopicQueueNums', kind: 'int32', optional: true },
  queueId: { kind: 'int32' },
  sysFlag: { kind: 'int32' },
  bornTimestampMs: { wire: 'bornTimestamp', kind: 'millis' },
  flag: { kind: 'int32' },
  properties: { kind: 'string', optional: true },
  reconsumeTimes: { kind: 'int32', optional: true },
  unitMode: { kind: 'boolean', optional: true },
  maxReconsumeTimes: { kind: 'int32', optional: true },
  batch: { kind: 'boolean', optional: true },
  brokerName: { wire: 'bname', kind: 'string', optional: true },
} as const satisfies FieldTable;

/** What a send asks for, whatever names its fields had. */
export type SendMessageFields = FieldsOf<typeof request>;

const reply = {
  /** Offset message id: address of the broker and commit log offset; for a batch a list joined by commas. */
  messageId: { wire: 'msgId', kind: 'string' },
  queueId: { kind: 'int32' },
  /** For delayed and half messages the offset in the inner topic. */
  queueOffset: { kind: 'int64' },
  transactionId: { kind: 'string', optional: true },
  /** 5.3 and newer, timer messages only. */
  recallHandle: { kind: 'string', optional: true },
  /** Region that message traces name. */
  region: { wire: 'MSG_REGION', kind: 'string', optional: true },
  /** Whether clients shall trace. */
  traceOn: { wire: 'TRACE_ON', kind: 'boolean', optional: true },
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

/** Stores one message, with long field names (Java `SendMessageRequestHeader`). */
export const sendMessageV1 = defineRequest({
  code: RequestCode.SEND_MESSAGE,
  name: 'SEND_MESSAGE',
  request: longNames,
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
