import type { ConsumerFilter, ConsumerLag, LiveConsumer, LiveProducer, ProducerFilter } from './listings.ts';
import type {
  CallOptions,
  Draft,
  MessageData,
  RecallResult,
  SendResult,
  SettleResult,
  TransactionResult,
} from './message.ts';
import type { HalfMessage, HalfResult, TransactionOutcome } from './transaction.ts';

/** What a consumer of one topic is made with; what is left out is decided by the proxy, or has the default of its settings. */
export interface ReceiveOptions {
  /** Bodies arrive as `Buffer`, byte for byte. Default: as text. */
  readonly binaryBodies?: boolean | undefined;
  /** A condition on properties, `price > 10 AND region = 'eu'`, in place of the tag expression. Default: none. */
  readonly sqlExpression?: string | undefined;
  /** Where a group begins that is new to the topic. Default: `last`, behind the last message. */
  readonly consumeFrom?: 'first' | 'last' | Date | undefined;
  /** The messages of a queue come one after the other; all of a group must say the same. Default: false. */
  readonly ordered?: boolean | undefined;
  /** How long a receiver has for its ack, in ms: 1,000 to 43,200,000. Default: the proxy's setting; 30,000 in direct mode. */
  readonly invisibleDurationMs?: number | undefined;
  /** By which way brokers are asked for messages. Default: `auto`. */
  readonly consumeMode?: 'auto' | 'pop' | 'pull' | undefined;
  /** Most messages that may be received and not acknowledged. Default, and most: the proxy's setting; 1,000 in direct mode. */
  readonly messagesMax?: number | undefined;
}

/** Whose producer or consumer is wanted. */
export interface SessionRequest {
  readonly instanceId: string;
  readonly topic: string;
}

export interface ProducerRequest extends SessionRequest {
  /** Of transactions that the caller ends; undefined: a group of the topic's name. */
  readonly producerGroup: string | undefined;
}

/** Whose lag is wanted. */
export interface LagRequest extends SessionRequest {
  readonly groupId: string;
}

export interface ConsumerRequest extends LagRequest {
  readonly tagExpression: string;
  readonly options: ReceiveOptions;
}

/** What `healthCheck` resolves with. */
export interface HealthStatus {
  healthy: boolean;
  message: string;
}

/** Which producers are to end: one by its id, or all of a topic (and endpoint). */
export interface CleanupProducerRequest {
  readonly producerId?: string | undefined;
  readonly topic?: string | undefined;
  readonly endpoint?: string | undefined;
}

/** Which consumers are to end: one by its id, or all of a group (and topic). */
export interface CleanupConsumerRequest {
  readonly consumerId?: string | undefined;
  readonly groupId?: string | undefined;
  readonly topic?: string | undefined;
}

/** What a clean-up resolves with. */
export interface CleanupResult {
  cleanedCount: number;
  message: string;
}

/** A way to RocketMQ: by proxies, or straight. Whatever fails, fails with an MQError. */
export interface Gateway {
  createProducer(request: ProducerRequest, call: CallOptions): Promise<ProducerPort>;
  createConsumer(request: ConsumerRequest, call: CallOptions): Promise<ConsumerPort>;
  cleanupProducer(request: CleanupProducerRequest, call: CallOptions): Promise<CleanupResult>;
  cleanupConsumer(request: CleanupConsumerRequest, call: CallOptions): Promise<CleanupResult>;
  listProducers(filter: ProducerFilter, call: CallOptions): Promise<LiveProducer[]>;
  listConsumers(filter: ConsumerFilter, call: CallOptions): Promise<LiveConsumer[]>;
  getConsumerLag(request: LagRequest, call: CallOptions): Promise<ConsumerLag>;
  healthCheck(call: CallOptions): Promise<HealthStatus>;
  /** Ends connections. */
  close(): Promise<void>;
}

export interface ProducerPort {
  readonly id: string;
  send(message: Draft, call: CallOptions): Promise<SendResult>;
  sendTransaction(message: Draft, call: CallOptions): Promise<TransactionResult>;
  /** Of those that the caller ends. */
  readonly transactions: TransactionsPort;
  recall(recallHandle: string, call: CallOptions): Promise<RecallResult>;
  /** Resolves when what is under way has ended. */
  close(): Promise<void>;
}

/** Transactions of one producer that the caller ends. */
export interface TransactionsPort {
  /** Stores a half message. */
  begin(message: Draft, call: CallOptions): Promise<HalfResult>;
  end(transactionHandle: string, outcome: TransactionOutcome, call: CallOptions): Promise<SettleResult>;
  /**
   * What brokers ask the producer group, in one stream. Returns when the signal is aborted.
   * @throws MQError when it broke; `retryable` says whether another stream may do better.
   */
  checks(signal: AbortSignal): AsyncGenerator<HalfMessage>;
}

export interface ConsumerPort {
  readonly id: string;
  /**
   * One stream. Returns when the consumer was cleaned up or the signal is aborted.
   * @throws MQError when it broke; `retryable` says whether another stream may do better.
   */
  stream(signal: AbortSignal): AsyncGenerator<MessageData<string | Buffer>>;
  ack(receiptHandle: string, call: CallOptions): Promise<SettleResult>;
  nack(receiptHandle: string, delayMs: number, call: CallOptions): Promise<SettleResult>;
  /** @returns the receipt handle to go on with. */
  changeInvisibleDuration(receiptHandle: string, durationMs: number, call: CallOptions): Promise<string>;
  /** Resolves when what is under way has ended. */
  close(): Promise<void>;
}
