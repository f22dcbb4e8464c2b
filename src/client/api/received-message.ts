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
  /** Made by the producer, the same in every delivery. */
  readonly messageId: string;
  /** Without the namespace of the client. */
  readonly topic: string;
  /** As it was sent; compression is undone. */
  readonly body: Buffer;
  readonly tag: string | undefined;
  readonly keys: readonly string[];
  readonly shardingKey: string | undefined;
  /** All properties: the sender's and RocketMQ's own. */
  readonly properties: ReadonlyMap<string, string>;
  /** When it was sent, by the clock of the producer. */
  readonly bornAt: Date;
  /** How often it has been delivered before: 0 the first time. */
  readonly reconsumeTimes: number;
  /** The broker and queue that it lies in. */
  readonly brokerName: string;
  readonly queueId: number;
  readonly queueOffset: bigint;

  /** Not for users: consumers make them. */
  constructor(received: Content, namespace: string) {
    const { properties, receipt } = received;
    this.messageId = received.messageId;
    this.topic = unwrapNamespace(namespace, received.topic);
    this.body = received.body;
    this.tag = received.tag;
    this.keys = (properties.get(MessageProperty.KEYS) ?? '').split(' ').filter((key) => key !== '');
    this.shardingKey = properties.get(MessageProperty.SHARDING_KEY);
    this.properties = properties;
    this.bornAt = new Date(received.bornTimestampMs);
    this.reconsumeTimes = received.reconsumeTimes;
    this.brokerName = receipt.brokerName;
    this.queueId = receipt.queueId;
    this.queueOffset = receipt.queueOffset;
  }

  /** The body as UTF-8; what is none becomes U+FFFD. */
  text(): string {
    return this.body.toString();
  }
}
