import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ReceivedMessage } from '../client/received-message.ts';
import type { MessageSchema } from '../gen/rocketmq/rocketmq_pb.ts';
import { isReservedProperty, MessageProperty } from '../remoting/message.ts';

/** RocketMQ's own properties that receivers see; the others hold plain receipts, addresses and the broker's bookkeeping. */
const shownProperties: ReadonlySet<string> = new Set([
  MessageProperty.KEYS,
  MessageProperty.TAGS,
  MessageProperty.UNIQ_KEY,
  MessageProperty.SHARDING_KEY,
]);

/** A message as the published API delivers it. A body that is not UTF-8 has U+FFFD where it is not: the field is a string. */
export function toMessage(message: ReceivedMessage, receiptHandle: string): MessageInitShape<typeof MessageSchema> {
  const properties: Record<string, string> = Object.create(null);
  for (const [name, value] of message.properties) {
    if (shownProperties.has(name) || !isReservedProperty(name)) properties[name] = value;
  }
  return {
    messageId: message.messageId,
    receiptHandle,
    messageBody: message.body.toString(),
    tag: message.tag ?? '',
    properties,
    bornTimestamp: BigInt(message.bornTimestampMs),
    reconsumeTimes: message.reconsumeTimes,
  };
}
