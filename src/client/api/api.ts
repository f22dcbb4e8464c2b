/** What `rocketmq-grpc-proxy/client` offers: Apache RocketMQ for programs in Node, straight from brokers 4.x and 5.x. */

export type { TlsOptions } from '../../remoting/dial.ts';
export type { MessageQueue } from '../../remoting/message.ts';
export type { Credentials } from '../../remoting/signature.ts';
export type { BrokerInfo } from '../admin/admin.ts';
export type { CredentialsProvider, TemporaryCredentials } from '../cluster/credentials.ts';
export type { CompressionOptions, ConsumeMode, Vendor } from '../options.ts';
export {
  type AllocationRequest,
  type AllocationStrategy,
  averageAllocation,
  averageByCircleAllocation,
  configuredAllocation,
} from '../pull/allocation.ts';
export {
  type MachineRooms,
  machineRoomAllocation,
  machineRoomNearbyAllocation,
} from '../pull/allocation-machine-room.ts';
export type { Reply } from '../send/request-reply.ts';
export {
  Admin,
  type AdminCall,
  type GroupInfo,
  type GroupOffsets,
  type GroupSettings,
  type QueueOffsets,
  type TopicSettings,
} from './admin.ts';
export { consistentHashAllocation } from './allocation.ts';
export type { LocalOffsets } from './broadcast.ts';
export type { CallOptions } from './call.ts';
export type { Logger, RocketMQClientOptions } from './client-options.ts';
export { LitePullConsumer, type LitePullConsumerOptions } from './lite-pull-consumer.ts';
export type { Message } from './message.ts';
export { Producer } from './producer.ts';
export { PushConsumer } from './push-consumer.ts';
export type { Handler, HandlerContext, HandlerResult, PushConsumerOptions } from './push-options.ts';
export { type FoundMessage, type KeyQuery, Queries } from './queries.ts';
export { ReceivedMessage } from './received-message.ts';
export { RocketMQClient } from './rocketmq-client.ts';
export { RocketMQError, type RocketMQErrorCode, type ServerOutcomes } from './rocketmq-error.ts';
export type { SendOutcome, SendResult } from './send-result.ts';
export { type ReceiveCall, SimpleConsumer, type SimpleConsumerOptions } from './simple-consumer.ts';
export type { ConsumeFrom, Filter, ReceiveOptions } from './subscription.ts';
export {
  type HalfMessage,
  Transaction,
  type TransactionCheck,
  TransactionProducer,
  type TransactionProducerOptions,
  type TransactionState,
} from './transaction-producer.ts';
