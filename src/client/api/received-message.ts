import { inspect } from 'node:util';
import { MessageProperty } from '../../remoting/message.ts';
import { unwrapNamespace } from '../../remoting/topic-names.ts';
import type { Receipt } from '../receipt.ts';
import type { ReceivedMessage as Received } from '../received-message.ts';

/** What a message is made of. */
type Content = Omit<Received, 'receipt'> & {
  readonly receipt: Pick<Receipt, 'brokerName' | 'queueId' | 'queueOffset'>;
};

/** A message as a consumer gets it. */
export class ReceivedMessage {
  /** Without the namespace of the client. */
  readonly topic: string;
  /** As it was sent; compression is undone. */
  readonly body: Buffer;
  /** How often it has been delivered before: 0 the first time. */
  readonly reconsumeTimes: number;
  /** The broker and queue that it lies in. */
  readonly brokerName: string;
  readonly queueId: number;
  readonly queueOffset: bigint;
  readonly #received: Content;

  /** Not for users: consumers make them. */
  constructor(received: Content, namespace: string) {
    const { receipt } = received;
    this.#received = received;
    this.topic = unwrapNamespace(namespace, received.topic);
    this.body = received.body;
    this.reconsumeTimes = received.reconsumeTimes;
    this.brokerName = receipt.brokerName;
    this.queueId = receipt.queueId;
    this.queueOffset = receipt.queueOffset;
  }

  // What follows is read out of the message when it is asked for: few handlers look at all of it.

  /** Made by the producer, the same in every delivery. */
  get messageId(): string {
    return this.#received.messageId;
  }

  get tag(): string | undefined {
    return this.#received.tag;
  }

  get keys(): readonly string[] {
    return (this.properties.get(MessageProperty.KEYS) ?? '').split(' ').filter((key) => key !== '');
  }

  get shardingKey(): string | undefined {
    return this.properties.get(MessageProperty.SHARDING_KEY);
  }

  /** All properties: the sender's and RocketMQ's own. */
  get properties(): ReadonlyMap<string, string> {
    return this.#received.properties;
  }

  /** When it was sent, by the clock of the producer. */
  get bornAt(): Date {
    return new Date(this.#received.bornTimestampMs);
  }

  /** All of it, for `console.log`. */
  [inspect.custom](): object {
    const { messageId, tag, keys, shardingKey, properties, bornAt } = this;
    return { ...this, messageId, tag, keys, shardingKey, properties, bornAt };
  }

  /** The body as UTF-8; what is none becomes U+FFFD. */
  text(): string {
    return this.body.toString();
  }
}
