/**
 * Names of OpenTelemetry's semantic conventions for messaging and for RocketMQ, which are still in development: they change here only.
 * RocketMQ's own were `messaging.rocketmq.*` before.
 */
export const Attribute = {
  SYSTEM: 'messaging.system',
  OPERATION_NAME: 'messaging.operation.name',
  OPERATION_TYPE: 'messaging.operation.type',
  DESTINATION: 'messaging.destination.name',
  /** Id of the queue. */
  PARTITION: 'messaging.destination.partition.id',
  GROUP: 'messaging.consumer.group.name',
  MESSAGE_ID: 'messaging.message.id',
  BODY_SIZE: 'messaging.message.body.size',
  BATCH_COUNT: 'messaging.batch.message_count',
  SERVER_ADDRESS: 'server.address',
  SERVER_PORT: 'server.port',
  ERROR_TYPE: 'error.type',
  TAG: 'rocketmq.message.tag',
  KEYS: 'rocketmq.message.keys',
  MESSAGE_GROUP: 'rocketmq.message.group',
  DELAY_LEVEL: 'rocketmq.message.delay_time_level',
  DELIVERY_TIMESTAMP: 'rocketmq.message.delivery_timestamp',
  MESSAGE_TYPE: 'rocketmq.message.type',
} as const;

/** What `messaging.system` is. */
export const messagingSystem = 'rocketmq';

/** Values of `messaging.operation.type`. */
export type OperationType = 'create' | 'send' | 'receive' | 'process' | 'settle';

/** Metrics, each with its unit. */
export const Metric = {
  /** How long sends, receives and settlements took. */
  OPERATION_DURATION: { name: 'messaging.client.operation.duration', unit: 's' },
  PROCESS_DURATION: { name: 'messaging.process.duration', unit: 's' },
  SENT: { name: 'messaging.client.sent.messages', unit: '{message}' },
  CONSUMED: { name: 'messaging.client.consumed.messages', unit: '{message}' },
} as const;
