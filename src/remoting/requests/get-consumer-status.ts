import type { Answer, Command } from '../command.ts';
import { defineRequest } from '../fields.ts';
import { isJsonObject, readJson, readJsonObject } from '../json.ts';
import { encodeJson, type WritableJson, type WritableObject } from '../json-writer.ts';
import type { MessageQueue } from '../message.ts';
import { readMessageQueue } from '../message-queues.ts';
import { RequestCode } from '../request-code.ts';

const topicAndGroup = { topic: { kind: 'string' }, group: { kind: 'string' } } as const;

/** A tool asks how far the members of a group have got in a topic (Java `GetConsumerStatusRequestHeader`). */
export const invokeGetConsumerStatus = defineRequest({
  code: RequestCode.INVOKE_BROKER_TO_GET_CONSUMER_STATUS,
  name: 'INVOKE_BROKER_TO_GET_CONSUMER_STATUS',
  request: {
    ...topicAndGroup,
    /** Client id of the one member that is meant; none, or nothing: all. */
    clientId: { wire: 'clientAddr', kind: 'string', optional: true },
  },
  reply: {},
});

/** A broker asks the same of one member. */
export const getConsumerStatus = defineRequest({
  code: RequestCode.GET_CONSUMER_STATUS_FROM_CLIENT,
  name: 'GET_CONSUMER_STATUS_FROM_CLIENT',
  request: topicAndGroup,
  reply: {},
});

/** How far a member has got in one queue. */
export interface QueueStatus {
  readonly queue: MessageQueue;
  readonly offset: number;
}

/** What a member answers (Java `GetConsumerStatusBody.messageQueueTable`). @throws ResponseError; RemotingError `malformed`. */
export function decodeConsumerStatus(reply: Command, address: string): readonly QueueStatus[] {
  getConsumerStatus.decodeReply(reply, address);
  const table = readJsonObject(reply.body, 'a consumer status')['messageQueueTable'];
  if (!isJsonObject(table)) return [];
  return Object.entries(table).flatMap(([key, offset]) => {
    const queue = readJson(Buffer.from(key));
    return isJsonObject(queue) && typeof offset === 'number' ? [{ queue: readMessageQueue(queue), offset }] : [];
  });
}

/** What the tool is answered, by client id (Java `GetConsumerStatusBody.consumerTable`). */
export function consumerStatusAnswer(statuses: ReadonlyMap<string, readonly QueueStatus[]>): Answer {
  const consumerTable = Object.fromEntries(
    Array.from(statuses, ([clientId, queues]): [string, WritableJson] => [
      clientId,
      new Map(queues.map(({ queue, offset }): [WritableObject, number] => [{ ...queue }, offset])),
    ]),
  );
  const body = encodeJson({ consumerTable, messageQueueTable: {} });
  return invokeGetConsumerStatus.answer({}, { body });
}
