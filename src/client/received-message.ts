import { decompressBody } from '../remoting/compression.ts';
import { MessageProperty } from '../remoting/message.ts';
import { encodeStoredHost } from '../remoting/stored-host.ts';
import type { StoredMessage } from '../remoting/stored-message.ts';
import type { Receipt } from './receipt.ts';

/** A message that a consumer has received and not yet acknowledged. @typeParam R receipts of the way by which it was received. */
export interface ReceivedMessage<R extends Receipt = Receipt> {
  /** UNIQ_KEY; of a message whose producer set none, its offset message id. */
  readonly messageId: string;
  readonly topic: string;
  /** As the producer gave it, decompressed. */
  readonly body: Buffer;
  readonly tag: string | undefined;
  /** All properties, those of RocketMQ too. */
  readonly properties: ReadonlyMap<string, string>;
  /** The same as they are stored (`decodeProperties` reads them), where that is at hand. */
  readonly propertyBytes?: Buffer | undefined;
  readonly bornTimestampMs: number;
  /** 0 on the first delivery. */
  readonly reconsumeTimes: number;
  /** Names this delivery: what acknowledges it. */
  readonly receipt: R;
}

/** What is known of a delivery besides the message. */
export interface DeliveryOf<R extends Receipt> {
  /** The topic that the message was sent to. */
  readonly topic: string;
  readonly reconsumeTimes: number;
  readonly receipt: R;
}

/**
 * A stored message as it is handed out.
 * @param bodyBytesMax longest body that is taken out of a compressed message, in bytes.
 * @throws RemotingError `malformed` when its body cannot be read.
 */
export async function toReceivedMessage<R extends Receipt>(
  stored: StoredMessage,
  delivery: DeliveryOf<R>,
  bodyBytesMax: number,
): Promise<ReceivedMessage<R>> {
  return readMessage(stored, delivery, await decompressBody(stored, bodyBytesMax));
}

/** A stored message as it is handed out, whose body is known: as it is stored, where it is not compressed. */
export function readMessage<R extends Receipt>(
  stored: StoredMessage,
  delivery: DeliveryOf<R>,
  body: Buffer,
): ReceivedMessage<R> {
  return new StoredDelivery(stored, delivery, body);
}

/** Reads what it is asked for out of the stored message. */
class StoredDelivery<R extends Receipt> implements ReceivedMessage<R> {
  readonly topic: string;
  readonly body: Buffer;
  readonly reconsumeTimes: number;
  readonly receipt: R;
  readonly #stored: StoredMessage;

  constructor(stored: StoredMessage, { topic, reconsumeTimes, receipt }: DeliveryOf<R>, body: Buffer) {
    this.topic = topic;
    this.body = body;
    this.reconsumeTimes = reconsumeTimes;
    this.receipt = receipt;
    this.#stored = stored;
  }

  get messageId(): string {
    return messageIdOf(this.#stored);
  }

  get tag(): string | undefined {
    return this.#stored.properties.get(MessageProperty.TAGS);
  }

  get properties(): ReadonlyMap<string, string> {
    return this.#stored.properties;
  }

  get propertyBytes(): Buffer | undefined {
    return this.#stored.propertyBytes;
  }

  get bornTimestampMs(): number {
    return this.#stored.bornTimestampMs;
  }
}

/** The same in every delivery of a message: where its producer gave it none, the id of where it lay first. */
function messageIdOf(stored: StoredMessage): string {
  const { properties } = stored;
  return (
    properties.get(MessageProperty.UNIQ_KEY) ??
    properties.get(MessageProperty.ORIGIN_MESSAGE_ID) ??
    offsetMessageId(stored)
  );
}

/** As brokers name a message whose producer did not (Java `MessageDecoder.createMessageId`). */
export function offsetMessageId({ storeHost, commitLogOffset }: StoredMessage): string {
  const offset = Buffer.alloc(8);
  offset.writeBigInt64BE(commitLogOffset);
  return Buffer.concat([encodeStoredHost(storeHost), offset])
    .toString('hex')
    .toUpperCase();
}
