import { listOfObjects, oneOf, optionalText, requiredText } from '../body-fields.ts';
import type { Answer, Command, CommandContent } from '../command.ts';
import { RemotingError } from '../errors.ts';
import { defineRequest } from '../fields.ts';
import { isJsonObject, type JsonObject, readJsonObject } from '../json.ts';
import type { MessageQueue } from '../message.ts';
import { queueListCountMax, readMessageQueue } from '../message-queues.ts';
import { RequestCode } from '../request-code.ts';
import { type MessageModel, messageModels } from './heartbeat.ts';

/** Asks a 5.x broker which queues of a topic a client is to read, and how (Java `QueryAssignmentRequestBody`). */
export const queryAssignment = defineRequest({
  code: RequestCode.QUERY_ASSIGNMENT,
  name: 'QUERY_ASSIGNMENT',
  request: {},
  reply: {},
});

/** How a queue is read (Java `MessageRequestMode`). */
export const messageRequestModes = ['PULL', 'POP'] as const;
export type MessageRequestMode = (typeof messageRequestModes)[number];

export interface AssignmentQuery {
  readonly topic: string;
  readonly consumerGroup: string;
  readonly clientId: string;
  /** `AVG` or `AVG_BY_CIRCLE`; a broker has no answer for others. */
  readonly strategyName: string;
  readonly messageModel: MessageModel;
}

/** One queue that a client is to read; queue id -1 with POP: all of the topic. */
export interface QueueAssignment {
  readonly queue: MessageQueue;
  readonly mode: MessageRequestMode;
}

export function encodeAssignmentQuery(query: AssignmentQuery): CommandContent {
  return queryAssignment.encode({}, Buffer.from(JSON.stringify(query)));
}

/** @throws RemotingError `malformed`, naming the field. */
export function decodeAssignmentQuery(request: Command): AssignmentQuery {
  const body = readJsonObject(request.body, 'a query for an assignment');
  return {
    topic: requiredText(body, 'topic'),
    consumerGroup: requiredText(body, 'consumerGroup'),
    clientId: optionalText(body, 'clientId') ?? '',
    strategyName: optionalText(body, 'strategyName') ?? '',
    messageModel: oneOf(body, 'messageModel', messageModels),
  };
}

/** @param assignments Undefined: the broker cannot say, and the client is to leave everything as it is. */
export function assignmentAnswer(assignments: readonly QueueAssignment[] | undefined): Answer {
  const messageQueueAssignments = assignments?.map(({ queue, mode }) => ({ messageQueue: queue, mode }));
  return queryAssignment.answer({}, { body: Buffer.from(JSON.stringify({ messageQueueAssignments })) });
}

/** @returns undefined where the broker could not say. @throws ResponseError; RemotingError `malformed`. */
export function decodeAssignment(reply: Command, address: string): readonly QueueAssignment[] | undefined {
  queryAssignment.decodeReply(reply, address);
  const body = readJsonObject(reply.body, 'an assignment');
  if ((body['messageQueueAssignments'] ?? null) === null) return undefined;
  return listOfObjects(body, 'messageQueueAssignments', queueListCountMax).map(decodeQueueAssignment);
}

function decodeQueueAssignment(value: JsonObject): QueueAssignment {
  const queue = value['messageQueue'];
  if (!isJsonObject(queue)) throw new RemotingError('malformed', 'an assignment has no queue');
  return { queue: readMessageQueue(queue), mode: oneOf(value, 'mode', messageRequestModes) };
}
