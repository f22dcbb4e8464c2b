import type { MQError } from './errors.ts';
import type { MessageOptions, OutgoingMessage } from './outgoing-message.ts';
import type { WebMessage } from './received-message.ts';
import type { CallOptions } from './scope.ts';

/** A bearer token of the proxy, or what gives one: it is asked before each call. */
export type Token = string | (() => string | Promise<string>);

/** What a client is made of. */
export interface WebClientOptions {
  /** Of the proxy, such as `https://mq.example:50051`. By `https` browsers speak HTTP/2, which one connection is enough for. */
  readonly baseUrl: string;
  /** Default: `connect`. */
  readonly protocol?: 'connect' | 'grpc-web';
  /** The bearer token, or what gives one, so that a token may be followed by another. Default: none. */
  readonly token?: Token;
  /** Milliseconds for a call that does not say it. Default: 20,000, which is longer than proxies wait for RocketMQ. */
  readonly timeoutMs?: number;
  /** Name servers, where the token brings none and the proxy's default is not meant. */
  readonly endpoint?: string;
  /** Instance of a cloud vendor. Default: that of the token or the proxy. */
  readonly instanceId?: string;
  /** In place of the global one. */
  readonly fetch?: typeof globalThis.fetch;
}

/** What a consumer receives, and how. */
export interface ConsumerOptions {
  /** Tags as `tag1||tag2`. Default: all messages. */
  readonly tagExpression?: string;
  /** SQL92 condition on properties, in place of tags. */
  readonly sqlExpression?: string;
  /** Where a group begins that is new to the topic: at the end, at the oldest message, or at a time. Default: `last`. */
  readonly consumeFrom?: 'last' | 'first' | Date;
  /** The messages of a queue come one after the other, the next one when the one before is acknowledged. Default: false. */
  readonly ordered?: boolean;
  /** Milliseconds that a page has for its ack, 1,000 to 12 h. Default: the proxy's setting. */
  readonly invisibleDurationMs?: number;
  /** Most messages that may be delivered and not yet acknowledged. Default: 100. */
  readonly messagesMax?: number;
  /** Called each time that a stream has broken and is opened again, with why and in how many ms. */
  readonly onResume?: (error: MQError, delayMs: number) => void;
}

/** Talks to a proxy from a web page, a worker, or any program that has `fetch`. It holds no access keys. */
export interface WebClient extends AsyncDisposable {
  /** @throws MQError `CLOSED` */
  producer(topic: string): WebProducer;
  /** It receives when it is iterated. @throws MQError `CLOSED` */
  consumer(topic: string, groupId: string, options?: ConsumerOptions): WebConsumer;
  /** Closes its consumers, then ends what is still under way with `CLOSED`. Never fails. */
  close(): Promise<void>;
}

/** What a message may have, and how long its call may take. */
export interface PublishOptions extends MessageOptions, CallOptions {}

/** A message that is stored. */
export interface PublishResult {
  /** The id that receivers see. */
  readonly messageId: string;
}

/** Sends messages to a topic. It holds nothing that must be closed. */
export interface WebProducer {
  /**
   * Sends one message, and says yes once it is stored. Messages that are sent together leave as one call; those of one sharding key are
   * stored in the order of their publishes, as far as those are answered. Where no answer comes it may be stored all the same, and browsers
   * themselves send a call again whose connection was closed before they got an answer: a message may be stored twice.
   * @param body text is sent as UTF-8.
   * @throws MQError
   */
  publish(body: string | Uint8Array, options?: PublishOptions): Promise<PublishResult>;
  /**
   * Sends messages in as few calls as can be, in order, 1,000 or 4 MiB in each.
   * @returns one for each message, in order.
   * @throws MQError whose `outcomes` say how each message fared, where not all are known to be stored.
   */
  publishAll(messages: Iterable<OutgoingMessage>, call?: CallOptions): Promise<PublishResult[]>;
}

/** Receives the messages of a topic as a member of a group. */
export interface WebConsumer extends AsyncIterable<WebMessage>, AsyncDisposable {
  /**
   * Messages, one after the other, until the loop is left, the signal is aborted, or the consumer is closed or cleaned up. A stream
   * that breaks is opened again for as long as it takes; what was not acknowledged then comes again, `reconsumeTimes` says so. To leave
   * the loop gives back what was delivered and not acknowledged.
   * @throws MQError `CLOSED`; where the consumer cannot be made at first; and where a stream ends with what time does not heal.
   */
  messages(options?: Pick<CallOptions, 'signal'>): AsyncGenerator<WebMessage, void, undefined>;
  /** Acknowledges a message: it does not come again. Acks that are made together leave as one call. @throws MQError */
  ack(message: WebMessage, call?: CallOptions): Promise<void>;
  /** Gives a message back. @param delayMs until it comes again, at most 12 h. Default: as soon as it can. @throws MQError */
  nack(message: WebMessage, delayMs?: number, call?: CallOptions): Promise<void>;
  /** Takes longer over a message. @param durationMs from now on, at most 12 h. @throws MQError */
  changeInvisibleDuration(message: WebMessage, durationMs: number, call?: CallOptions): Promise<void>;
  /** Hands out no more messages, waits for acks under way, and gives back what was not acknowledged. Never fails. */
  close(): Promise<void>;
}
