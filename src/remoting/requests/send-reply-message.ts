import type { FieldTable, RequestDefinition } from '../fields.ts';
import { RequestCode } from '../request-code.ts';
import { sendMessage, sendMessageV1 } from './send-message.ts';

/** A send by another code. */
function withCode<Q extends FieldTable, R extends FieldTable>(
  send: RequestDefinition<Q, R>,
  code: number,
  name: string,
): RequestDefinition<Q, R> {
  return { ...send, code, name, encode: (values, body) => ({ ...send.encode(values, body), code }) };
}

/**
 * Answers a message that asked for a reply: the broker hands it to the client that the property REPLY_TO_CLIENT names
 * (Java `ReplyMessageProcessor`). Fields and reply are those of a send.
 */
export const sendReplyMessage = withCode(sendMessage, RequestCode.SEND_REPLY_MESSAGE_V2, 'SEND_REPLY_MESSAGE_V2');

/** The same with long field names, as rocketmq-client-go sends it. */
export const sendReplyMessageV1 = withCode(sendMessageV1, RequestCode.SEND_REPLY_MESSAGE, 'SEND_REPLY_MESSAGE');
