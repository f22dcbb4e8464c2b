import type { Channel } from '../../remoting/channel.ts';
import { MessageProperty, type MessageQueue } from '../../remoting/message.ts';
import type { Delivery } from './delivery.ts';

/**
 * Most bytes of all properties of a user together, tag and keys included. Brokers take 32,767 with their own, which are up to 1,000 by the
 * time that a message has been delayed, retried and given up.
 */
export const userPropertiesBytesMax = 31_744;

/** A message to be sent. */
export interface OutgoingMessage {
  readonly topic: string;
  /** 1 byte to the broker's maximum, 4 MiB unless configured otherwise. */
  readonly body: Uint8Array;
  readonly tag?: string | undefined;
  /** Index keys, separated by spaces. */
  readonly keys?: string | undefined;
  /** User properties; reserved names are the caller's to refuse. */
  readonly properties?: Iterable<readonly [string, string]> | undefined;
  /** More user properties, as `encodeProperties` writes them. */
  readonly propertyBytes?: Buffer | undefined;
  /** Messages of one key are stored in one queue. */
  readonly shardingKey?: string | undefined;
  readonly delivery: Delivery;
}

/** Where a message was stored. */
export interface SendResult {
  /** UNIQ_KEY: the id that receivers see too. */
  readonly messageId: string;
  /** Id that holds the broker's address and the commit log offset: not for clients of the proxy. */
  readonly offsetMessageId: string;
  readonly queue: MessageQueue;
  /** For delayed and half messages the offset in the inner topic. */
  readonly queueOffset: bigint;
  readonly bornTimestampMs: number;
  readonly transactionId: string | undefined;
  /** Takes back a message that waits for its time: brokers 5.3 and newer. */
  readonly recallHandle: string | undefined;
  /** What the broker calls its region, which message traces name; undefined where it wants no traces. */
  readonly region?: string | undefined;
  /** The connection by which it was stored. */
  readonly channel: Channel;
}

/** What makes a message a half message. */
export interface HalfMessageProperties {
  readonly producerGroup: string;
  readonly checkImmunitySeconds: number | undefined;
}

/** What RocketMQ's own properties say of a message besides what it says itself. */
export interface StoredMore {
  /** What makes a broker deliver it later (`deliveryProperty`). */
  readonly delivery?: readonly [string, string] | undefined;
  readonly half?: HalfMessageProperties | undefined;
  /** Of the sender; undefined or '' for none. */
  readonly namespace?: string | undefined;
}

/** What is stored with a message behind its `propertyBytes`: the user's other properties and RocketMQ's own. */
export function storedProperties(
  message: OutgoingMessage,
  messageId: string,
  { delivery, half, namespace }: StoredMore = {},
): [string, string][] {
  const properties: [string, string][] = [];
  for (const [name, value] of message.properties ?? []) properties.push([name, value]);
  const add = (name: string, value: string | undefined): void => {
    if (value !== undefined && value !== '') properties.push([name, value]);
  };
  add(MessageProperty.UNIQ_KEY, messageId);
  add(MessageProperty.TAGS, message.tag);
  add(MessageProperty.KEYS, message.keys);
  add(MessageProperty.SHARDING_KEY, message.shardingKey);
  add(MessageProperty.INSTANCE_ID, namespace);
  if (delivery !== undefined) add(...delivery);
  if (half !== undefined) {
    add(MessageProperty.TRAN_MSG, 'true');
    add(MessageProperty.PGROUP, half.producerGroup);
    add(MessageProperty.CHECK_IMMUNITY_TIME, half.checkImmunitySeconds?.toString());
  }
  return properties;
}
