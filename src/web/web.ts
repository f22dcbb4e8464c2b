/** What `rocketmq-grpc-proxy/web` offers. */
export type {
  ConsumerOptions,
  PublishOptions,
  PublishResult,
  Token,
  WebClient,
  WebClientOptions,
  WebConsumer,
  WebProducer,
} from './api.ts';
export { MQError, type MQErrorCode, type PublishOutcome } from './errors.ts';
export type { MessageOptions, OutgoingMessage } from './outgoing-message.ts';
export type { WebMessage } from './received-message.ts';
export type { CallOptions } from './scope.ts';
export { createWebClient } from './web-client.ts';
