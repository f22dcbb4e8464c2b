import { isUtf8 } from 'node:buffer';
import type { ReceivedMessage } from '../../client/received-message.ts';
import { shownProperties } from '../../client/shown-properties.ts';
import type { Message } from '../../gen/rocketmq/rocketmq_pb.ts';
import { rpcBytesMax } from '../rpc/call.ts';

/** What the rest of a message takes at most: properties of 32,767 bytes, each with its headers, in which every byte is no UTF-8. */
const aroundBodyBytesMax = 262_144;
const bodyBytesMax = rpcBytesMax - aroundBodyBytesMax;

const noBytes = new Uint8Array();

/**
 * A message as the API delivers it.
 * @param binaryBodies false, as published: the body is a string, with U+FFFD where it is not UTF-8; true: it is bytes, as they were sent.
 */
export function toMessage(
  message: Omit<ReceivedMessage, 'receipt'>,
  receiptHandle: string,
  binaryBodies = false,
): Message {
  const { body } = message;
  // Not by `create`, which looks at each field's type.
  return {
    $typeName: 'rocketmq.Message',
    messageId: message.messageId,
    receiptHandle,
    messageBody: binaryBodies ? '' : body.toString(),
    binaryBody: binaryBodies ? body : noBytes,
    tag: message.tag ?? '',
    properties: shownProperties(message.properties),
    bornTimestamp: BigInt(message.bornTimestampMs),
    reconsumeTimes: message.reconsumeTimes,
  };
}

/** Whether a message with this body is no longer than any reply may be; to send a longer one would end its stream each time that it comes. */
export function isDeliverable(body: Buffer, binaryBodies = false): boolean {
  // A byte that is not UTF-8 becomes three.
  if (body.length * 3 <= bodyBytesMax) return true;
  const bytes = binaryBodies || isUtf8(body) ? body.length : Buffer.byteLength(body.toString());
  return bytes <= bodyBytesMax;
}
