import type { ReceivedMessage } from '../client/received-message.ts';
import { shownProperties } from '../client/shown-properties.ts';
import type { Message } from '../gen/rocketmq/rocketmq_pb.ts';
import { rpcBytesMax } from './call.ts';

/** What the rest of a message takes at most: properties of 32,767 bytes, each with its headers, in which every byte is no UTF-8. */
const aroundBodyBytesMax = 262_144;

const noBytes = new Uint8Array();

/**
 * A message as the API delivers it.
 * @param binaryBodies false, as published: the body is a string, with U+FFFD where it is not UTF-8; true: it is bytes, as they were sent.
 * @returns undefined for a body that is too large for any reply; sending it would end the stream each time that it comes.
 */
export function toMessage(
  message: Omit<ReceivedMessage, 'receipt'>,
  receiptHandle: string,
  binaryBodies = false,
): Message | undefined {
  const { body } = message;
  const text = binaryBodies ? undefined : body.toString();
  if (!fits(body, text)) return undefined;
  // Not by `create`, which looks at each field's type.
  return {
    $typeName: 'rocketmq.Message',
    messageId: message.messageId,
    receiptHandle,
    messageBody: text ?? '',
    binaryBody: text === undefined ? body : noBytes,
    tag: message.tag ?? '',
    properties: shownProperties(message.properties),
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
