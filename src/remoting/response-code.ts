/** Codes that servers put into replies (Java `ResponseCode`, `RemotingSysResponseCode`). */
export const ResponseCode = {
  SUCCESS: 0,
  SYSTEM_ERROR: 1,
  /** Flow control: the request was not executed. */
  SYSTEM_BUSY: 2,
  REQUEST_CODE_NOT_SUPPORTED: 3,
  TRANSACTION_FAILED: 4,
  /** Stored on the master, not flushed to its disk in time. */
  FLUSH_DISK_TIMEOUT: 10,
  /** Stored on the master, no replica was there. */
  SLAVE_NOT_AVAILABLE: 11,
  /** Stored on the master, not replicated in time. */
  FLUSH_SLAVE_TIMEOUT: 12,
  MESSAGE_ILLEGAL: 13,
  SERVICE_NOT_AVAILABLE: 14,
  VERSION_NOT_SUPPORTED: 15,
  /** On 5.x also every failure of authentication. */
  NO_PERMISSION: 16,
  TOPIC_NOT_EXIST: 17,
  PULL_NOT_FOUND: 19,
  PULL_RETRY_IMMEDIATELY: 20,
  PULL_OFFSET_MOVED: 21,
  QUERY_NOT_FOUND: 22,
  SUBSCRIPTION_PARSE_FAILED: 23,
  SUBSCRIPTION_NOT_EXIST: 24,
  SUBSCRIPTION_NOT_LATEST: 25,
  SUBSCRIPTION_GROUP_NOT_EXIST: 26,
  /** 5.x; 4.x brokers use SYSTEM_ERROR for the same. */
  INVALID_PARAMETER: 29,
  NO_BUYER_ID: 204,
  NOT_IN_CURRENT_UNIT: 205,
  CONSUMER_NOT_ONLINE: 206,
  /** A consumer that was asked for something did not answer in time. */
  CONSUME_MSG_TIMEOUT: 207,
  NO_MESSAGE: 208,
  /** 5.x. On 4.x brokers 209 to 211 are failures of access control. */
  POLLING_FULL: 209,
  /** 5.x: a POP found nothing. */
  POLLING_TIMEOUT: 210,
  FLOW_CONTROL: 215,
  NOT_LEADER_FOR_QUEUE: 501,
  ILLEGAL_OPERATION: 604,
  GO_AWAY: 1500,
} as const;
