import { Closing } from '../client/closing.ts';
import type { ProducerPort } from './gateway.ts';
import {
  type CallOptions,
  type DelayOptions,
  type DraftSource,
  type MessageBody,
  type SendResult,
  type TransactionResult,
  toDraft,
} from './message.ts';
import type { MessageProperties } from './message-properties.ts';
import { checkTimeout } from './mq-config.ts';
import { closedError } from './mq-error.ts';

/** What a message has besides body and tag; null and undefined for nothing. */
export type SentProperties = Partial<MessageProperties> | null | undefined;

/**
 * Publishes messages of one topic. Any number of publishes may be under way at once; those of one turn of the event loop leave together, and
 * each settles by its own outcome. Messages of one sharding key are stored in the order in which they were published.
 *
 * All publish calls reject with an MQError. Only the reason `OUTCOME_UNKNOWN` leaves open whether the message is stored.
 */
export class Producer implements AsyncDisposable {
  readonly #port: ProducerPort;
  readonly #closing: Closing;

  /** Not for users: `MQClient.getProducer` makes them. @param onClosed told when it is closed. */
  constructor(port: ProducerPort, onClosed: () => void) {
    this.#port = port;
    this.#closing = new Closing(
      () => closedError('the producer'),
      async () => {
        await this.#closing.ended();
        // What cannot be told goes by itself when it is idle.
        await this.#port.close().catch(() => {});
        onClosed();
      },
    );
  }

  /** As proxies name it; opaque. */
  get producerId(): string {
    return this.#port.id;
  }

  /**
   * Publishes a message.
   * @param messageBody text, bytes, or an object, which is sent as JSON.
   * @param tag what consumers filter by; '' for none.
   */
  publishMessage(
    messageBody: MessageBody,
    tag = '',
    properties: SentProperties = null,
    call: CallOptions = {},
  ): Promise<SendResult> {
    return this.#send({ kind: 'normal', body: messageBody, tag, properties }, call);
  }

  /**
   * Publishes a message that keeps its order among those of its sharding key.
   * @param shardingKey default: that of the properties; one of the two must be there.
   */
  publishOrderedMessage(
    messageBody: MessageBody,
    tag = '',
    properties: SentProperties = null,
    shardingKey = '',
    call: CallOptions = {},
  ): Promise<SendResult> {
    return this.#send({ kind: 'ordered', body: messageBody, tag, properties, shardingKey }, call);
  }

  /** Publishes a message that is delivered later. */
  publishDelayMessage(
    messageBody: MessageBody,
    tag = '',
    properties: SentProperties = null,
    delay: DelayOptions = {},
    call: CallOptions = {},
  ): Promise<SendResult> {
    return this.#send({ kind: 'delayed', body: messageBody, tag, properties, delay }, call);
  }

  /**
   * Publishes a message as a transaction that is committed as soon as it is stored.
   * @param transCheckImmunityTime seconds before a broker first asks for the outcome; 0: its own.
   */
  publishTransactionMessage(
    messageBody: MessageBody,
    tag = '',
    properties: SentProperties = null,
    transCheckImmunityTime = 0,
    call: CallOptions = {},
  ): Promise<TransactionResult> {
    const source = { body: messageBody, tag, properties, checkImmunitySeconds: transCheckImmunityTime };
    return this.#closing.during(async () => {
      checkTimeout(call.timeoutMs);
      return this.#port.sendTransaction(toDraft({ kind: 'normal', ...source }), call);
    });
  }

  /** Takes no more messages, and resolves when the publishes that are under way have ended. Never fails. */
  close(): Promise<void> {
    return this.#closing.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #send(source: DraftSource, call: CallOptions): Promise<SendResult> {
    return this.#closing.during(async () => {
      checkTimeout(call.timeoutMs);
      return this.#port.send(toDraft(source), call);
    });
  }
}
