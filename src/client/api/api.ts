/** What `rocketmq-grpc-proxy/client` offers: Apache RocketMQ for programs in Node, straight from brokers 4.x and 5.x. */
export type { MessageQueue } from '../../remoting/message.ts';
export type { Reply } from '../send/request-reply.ts';
export type { CallOptions } from './call.ts';
export type { Logger, RocketMQClientOptions } from './client-options.ts';
export { LitePullConsumer, type LitePullConsumerOptions } from './lite-pull-consumer.ts';
export type { Message } from './message.ts';
export { Producer, type SendResult } from './producer.ts';
export { PushConsumer } from './push-consumer.ts';
export type { Handler, HandlerContext, HandlerResult, PushConsumerOptions } from './push-options.ts';
export { ReceivedMessage } from './received-message.ts';
export { RocketMQClient } from './rocketmq-client.ts';
export { RocketMQError, type RocketMQErrorCode } from './rocketmq-error.ts';
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
