/** One queue of a topic on one broker: the place where order holds. */
export interface MessageQueue {
  readonly topic: string;
  readonly brokerName: string;
  readonly queueId: number;
}

/**
 * Names of the properties that brokers and clients give a meaning to (Java `MessageConst`, and what cloud brokers add).
 * Where a wire name says too little, the key here says more.
 */
export const MessageProperty = {
  /** What consumers filter by. */
  TAGS: 'TAGS',
  /** Index keys, separated by spaces. */
  KEYS: 'KEYS',
  /** Message id, made by the producing client. */
  UNIQ_KEY: 'UNIQ_KEY',
  /** `false`: the broker answers without waiting for disk and replica. */
  WAIT: 'WAIT',
  /** Delay level, 1 to 18. */
  DELAY: 'DELAY',
  /** Deliver timestamp in ms; brokers 5.x only, others deliver at once. */
  TIMER_DELIVER_MS: 'TIMER_DELIVER_MS',
  TIMER_DELAY_MS: 'TIMER_DELAY_MS',
  TIMER_DELAY_SEC: 'TIMER_DELAY_SEC',
  TIMER_DELAY_LEVEL: 'TIMER_DELAY_LEVEL',
  TIMER_OUT_MS: 'TIMER_OUT_MS',
  TIMER_ENQUEUE_MS: 'TIMER_ENQUEUE_MS',
  TIMER_DEQUEUE_MS: 'TIMER_DEQUEUE_MS',
  TIMER_ROLL_TIMES: 'TIMER_ROLL_TIMES',
  TIMER_ROLL_LABEL: 'TIMER_ROLL_LABEL',
  TIMER_DEL_UNIQKEY: 'TIMER_DEL_UNIQKEY',
  /** Deliver timestamp in ms on cloud brokers; open-source brokers ignore it and deliver at once. */
  START_DELIVER_TIME: '__STARTDELIVERTIME',
  /** Marks an ordered message; the producing client chooses the queue by it. */
  SHARDING_KEY: '__SHARDINGKEY',
  /** `true`: a half message. Stays on the committed copy. */
  TRAN_MSG: 'TRAN_MSG',
  /** Producer group that the broker asks about a half message. */
  PGROUP: 'PGROUP',
  TRAN_PREPARED_QUEUE_OFFSET: 'TRAN_PREPARED_QUEUE_OFFSET',
  TRANS_OFFSET: 'TRANS_OFFSET',
  TRANSACTION_CHECK_TIMES: 'TRANSACTION_CHECK_TIMES',
  TRANSACTION_ID: '__transactionId__',
  /** Seconds before the first transaction check. */
  CHECK_IMMUNITY_TIME: 'CHECK_IMMUNITY_TIME_IN_SECONDS',
  /** Topic and queue that a delayed or half message goes to in the end. */
  REAL_TOPIC: 'REAL_TOPIC',
  REAL_QUEUE_ID: 'REAL_QID',
  /** Original topic of a message that was sent back. */
  RETRY_TOPIC: 'RETRY_TOPIC',
  ORIGIN_MESSAGE_ID: 'ORIGIN_MESSAGE_ID',
  ORIGIN_GROUP: 'ORIGIN_GROUP',
  RECONSUME_TIME: 'RECONSUME_TIME',
  MAX_RECONSUME_TIMES: 'MAX_RECONSUME_TIMES',
  DLQ_ORIGIN_TOPIC: 'DLQ_ORIGIN_TOPIC',
  DLQ_ORIGIN_MESSAGE_ID: 'DLQ_ORIGIN_MESSAGE_ID',
  /** Receipt handle of a POP, as the broker puts it on messages of the retry topic. */
  POP_CK: 'POP_CK',
  POP_CK_OFFSET: 'POP_CK_OFFSET',
  /** When a message was popped for the first time, in ms. */
  FIRST_POP_TIME: '1ST_POP_TIME',
  MIN_OFFSET: 'MIN_OFFSET',
  MAX_OFFSET: 'MAX_OFFSET',
  CONSUME_START_TIME: 'CONSUME_START_TIME',
  /** Namespace of the producing client. */
  INSTANCE_ID: 'INSTANCE_ID',
  CORRELATION_ID: 'CORRELATION_ID',
  REPLY_TO_CLIENT: 'REPLY_TO_CLIENT',
  TTL: 'TTL',
  MSG_TYPE: 'MSG_TYPE',
  ARRIVE_TIME: 'ARRIVE_TIME',
  PUSH_REPLY_TIME: 'PUSH_REPLY_TIME',
  MSG_REGION: 'MSG_REGION',
  TRACE_ON: 'TRACE_ON',
  TRACE_CONTEXT: 'TRACE_CONTEXT',
  CLUSTER: 'CLUSTER',
  BORN_TIMESTAMP: 'BORN_TIMESTAMP',
  BORN_HOST: '__BORNHOST',
  TRANSFER_FLAG: 'TRANSFER_FLAG',
  CORRECTION_FLAG: 'CORRECTION_FLAG',
  MQ2_FLAG: 'MQ2_FLAG',
  BUYER_ID: 'BUYER_ID',
  DUP_INFO: 'DUP_INFO',
  EXTEND_UNIQ_INFO: 'EXTEND_UNIQ_INFO',
  REDIRECT: 'REDIRECT',
  FORWARD_QUEUE_ID: 'PROPERTY_FORWARD_QUEUE_ID',
  INNER_NUM: 'INNER_NUM',
  INNER_BASE: 'INNER_BASE',
  INNER_MULTI_DISPATCH: 'INNER_MULTI_DISPATCH',
  INNER_MULTI_QUEUE_OFFSET: 'INNER_MULTI_QUEUE_OFFSET',
  /** Brokers from 5.4. */
  PRIORITY: '_SYS_MSG_PRIORITY_',
  LITE_TOPIC: '__LITE_TOPIC',
  CRC32: '__CRC32#',
} as const;

const reservedNames: ReadonlySet<string> = new Set(Object.values(MessageProperty));

/** Properties with this prefix are never stored (Java `MessageConst.PROPERTY_TRANSIENT_PREFIX`). */
const transientPrefix = '__RMQ.TRANSIENT.';

/** True for names that mean something to brokers or clients: no user property may have one. */
export function isReservedProperty(name: string): boolean {
  return reservedNames.has(name) || name.startsWith(transientPrefix);
}

const reservedStarts: ReadonlySet<number> = new Set(
  [...reservedNames, transientPrefix].map((name) => name.charCodeAt(0)),
);

/** False where no name that begins so is one of `isReservedProperty`: for who has bytes in hand and no string. @param first its first byte. */
export function mayBeReservedProperty(first: number): boolean {
  return reservedStarts.has(first);
}

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;

/**
 * How long each delay level lasts by default, in ms: level 1 is the first entry. Brokers can be set up otherwise
 * (Java `MessageStoreConfig.messageDelayLevel`).
 */
export const delayLevelsMs: readonly number[] = [
  ...[1, 5, 10, 30].map((count) => count * second),
  ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 30].map((count) => count * minute),
  ...[1, 2].map((count) => count * hour),
];
