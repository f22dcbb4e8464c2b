import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ReceivedMessage } from '../client/received-message.ts';
import type { MessageSchema } from '../gen/rocketmq/rocketmq_pb.ts';
import { isReservedProperty, MessageProperty } from '../remoting/message.ts';
import { rpcBytesMax } from './call.ts';

/** RocketMQ's own properties that receivers see; the others hold plain receipts, addresses and the broker's bookkeeping. */
const shownProperties: ReadonlySet<string> = new Set([
  MessageProperty.KEYS,
  MessageProperty.TAGS,
  MessageProperty.UNIQ_KEY,
  MessageProperty.SHARDING_KEY,
]);

/** What the rest of a message takes at most: properties of 32,767 bytes, each with its headers, in which every byte is no UTF-8. */
const aroundBodyBytesMax = 262_144;

/**
 * A message as the API delivers it.
 * @param binaryBodies false, as published: the body is a string, with U+FFFD where it is not UTF-8; true: it is bytes, as they were sent.
 * @returns undefined for a body that is too large for any reply; sending it would end the stream each time that it comes.
 */
export function toMessage(
  message: Omit<ReceivedMessage, 'receipt'>,
  receiptHandle: string,
  binaryBodies = false,
): MessageInitShape<typeof MessageSchema> | undefined {
  const body = binaryBodies ? { binaryBody: message.body } : { messageBody: message.body.toString() };
  if (!fits(message.body, body.messageBody)) return undefined;
  const properties: Record<string, string> = Object.create(null);
  for (const [name, value] of message.properties) {
    if (shownProperties.has(name) || !isReservedProperty(name)) properties[name] = value;
  }
  return {
    messageId: message.messageId,
    receiptHandle,
    ...body,
    tag: message.tag ?? '',
    properties,
    bornTimestamp: BigInt(message.bornTimestampMs),
    reconsumeTimes: message.reconsumeTimes,
  };
}

/** @param text undefined for a body that is delivered as bytes. */
function fits(body: Buffer, text: string | undefined): boolean {
  const bytesMax = rpcBytesMax - aroundBodyBytesMax;
  if (text === undefined) return body.length <= bytesMax;
  // A byte that is not UTF-8 becomes three.
  return body.length * 3 <= bytesMax || Buffer.byteLength(text) <= bytesMax;
}
