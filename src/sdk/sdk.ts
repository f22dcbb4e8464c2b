/** The Node SDK: what `rocketmq-grpc-proxy` offers to programs. */
export { Consumer, type ConsumerOptions, type MessagesOptions } from './consumer.ts';
export type {
  CleanupConsumerRequest,
  CleanupProducerRequest,
  CleanupResult,
  HealthStatus,
  ReceiveOptions,
} from './gateway.ts';
export type {
  ConsumerFilter,
  ConsumerLag,
  GroupMember,
  LiveConsumer,
  LiveProducer,
  ProducerFilter,
  QueueLag,
} from './listings.ts';
export type {
  CallOptions,
  DelayOptions,
  MessageBody,
  MessageData,
  RecallResult,
  SendResult,
  SettleResult,
  TransactionResult,
} from './message.ts';
export { MessageProperties } from './message-properties.ts';
export { MQClient } from './mq-client.ts';
export type { Logger, MQConfig, TlsOptions } from './mq-config.ts';
export { MQError, type MQErrorCode } from './mq-error.ts';
export { Producer, type ProducerOptions, type SentProperties } from './producer.ts';
export type { MessageHandler, ReceiveStream } from './receiving.ts';
export type { HalfMessage, Transaction, TransactionChecker, TransactionOutcome } from './transaction.ts';
