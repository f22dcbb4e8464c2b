import { integer, oneOf, requiredText } from '../body-fields.ts';
import type { Command, CommandContent } from '../command.ts';
import { defineRequest } from '../fields.ts';
import { readJsonObject } from '../json.ts';
import { RequestCode } from '../request-code.ts';
import { type MessageRequestMode, messageRequestModes } from './query-assignment.ts';

/** Says how the members of a group are to read a topic, where the broker assigns (Java `SetMessageRequestModeRequestBody`). */
export const setMessageRequestMode = defineRequest({
  code: RequestCode.SET_MESSAGE_REQUEST_MODE,
  name: 'SET_MESSAGE_REQUEST_MODE',
  request: {},
  reply: {},
});

export interface MessageRequestModeSetting {
  readonly topic: string;
  readonly consumerGroup: string;
  readonly mode: MessageRequestMode;
  /** With POP: of how many other members one reads the queues too. 0 or less: every member reads all queues. */
  readonly popShareQueueCount: number;
}

export function encodeMessageRequestMode(setting: MessageRequestModeSetting): CommandContent {
  const { topic, consumerGroup, mode, popShareQueueCount: popShareQueueNum } = setting;
  const body = JSON.stringify({ topic, consumerGroup, mode, popShareQueueNum });
  return setMessageRequestMode.encode({}, Buffer.from(body));
}

/** @throws RemotingError `malformed`, naming the field. */
export function decodeMessageRequestMode(request: Command): MessageRequestModeSetting {
  const body = readJsonObject(request.body, 'a message request mode');
  return {
    topic: requiredText(body, 'topic'),
    consumerGroup: requiredText(body, 'consumerGroup'),
    mode: oneOf(body, 'mode', messageRequestModes),
    popShareQueueCount: integer(body, 'popShareQueueNum', 0),
  };
}
