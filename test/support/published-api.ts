/** The published API by its field numbers, from `published.proto` and not from `proto/` or `src/`. */
import { fileURLToPath } from 'node:url';
import type { ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

/** A message as the published SDK reads it: 64-bit numbers are strings. */
export interface Message {
  readonly message_id: string;
  readonly receipt_handle: string;
  readonly message_body: string;
  readonly tag: string;
  readonly properties: Readonly<Record<string, string>>;
  readonly born_timestamp: string;
  readonly reconsume_times: number;
}

interface Reply {
  readonly success: boolean;
  readonly message: string;
}

interface SendReply extends Reply {
  readonly message_id: string;
  readonly receipt_handle: string;
}

interface CleanupReply extends Reply {
  readonly cleaned_count: number;
}

/** The unary RPCs and what they answer. */
export interface Replies {
  readonly CreateProducer: Reply & { readonly producer_id: string };
  readonly SendMessage: SendReply;
  readonly SendOrderedMessage: SendReply;
  readonly SendDelayMessage: SendReply;
  readonly SendTransactionMessage: SendReply & { readonly transaction_id: string };
  readonly CreateConsumer: Reply & { readonly consumer_id: string };
  readonly AckMessage: Reply;
  readonly CleanupProducer: CleanupReply;
  readonly CleanupConsumer: CleanupReply;
  readonly HealthCheck: { readonly healthy: boolean; readonly message: string };
}

/** The fields of MessageProperties. */
export interface SentProperties {
  readonly properties?: Readonly<Record<string, string>>;
  readonly message_key?: string;
  readonly sharding_key?: string;
  readonly start_deliver_time?: number;
  readonly trans_check_immunity_time?: number;
}

/** What the four send RPCs take, besides the fields of their own. */
export interface SendRequest {
  readonly producer_id: string;
  readonly message_body: string;
  readonly tag?: string;
  readonly properties?: SentProperties;
  readonly sharding_key?: string;
  readonly delay_time_level?: number;
  readonly start_deliver_time?: number;
  readonly trans_check_immunity_time?: number;
}

/** The RPCs that send. */
export const sendRpcs = ['SendMessage', 'SendOrderedMessage', 'SendDelayMessage', 'SendTransactionMessage'] as const;
export type SendRpc = (typeof sendRpcs)[number];

/** What each send RPC has beyond the others; the published SDK sends every field, set or not. */
export const ownFields: Readonly<Record<SendRpc, object>> = {
  SendMessage: {},
  SendOrderedMessage: { sharding_key: '' },
  SendDelayMessage: { delay_time_level: 0, start_deliver_time: 0 },
  SendTransactionMessage: { trans_check_immunity_time: 0 },
};

export const noProperties = {
  properties: {},
  message_key: '',
  sharding_key: '',
  start_deliver_time: 0,
  trans_check_immunity_time: 0,
};

const service = loadService();

function loadService(): ServiceDefinition {
  const file = fileURLToPath(new URL('published.proto', import.meta.url));
  const definition = loadSync(file, { keepCase: true, longs: String, defaults: true })['rocketmq.RocketMQProxy'];
  if (definition === undefined || 'format' in definition) throw new Error('published.proto has no RocketMQProxy');
  return definition as ServiceDefinition;
}

/** How to call one RPC. */
export function methodOf(rpc: string) {
  const method = service[rpc];
  if (method === undefined) throw new Error(`published.proto has no ${rpc}`);
  return method;
}

/** A request by its published field numbers, for clients that are no grpc-js. */
export function encodeRequest(rpc: string, request: object): Buffer {
  return methodOf(rpc).requestSerialize(request);
}

/** Reads a reply by its published field numbers. */
export function decodeReply(rpc: string, bytes: Buffer): Readonly<Record<string, unknown>> {
  return { ...methodOf(rpc).responseDeserialize(bytes) };
}
