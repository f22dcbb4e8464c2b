import type { Answer, Command } from '../command.ts';
import { RemotingError } from '../errors.ts';
import { defineRequest } from '../fields.ts';
import { readJsonObject } from '../json.ts';
import { RequestCode } from '../request-code.ts';

/** Asks who is in a consumer group (Java `GetConsumerListByGroupRequestHeader`). SYSTEM_ERROR: nobody. */
export const getConsumerList = defineRequest({
  code: RequestCode.GET_CONSUMER_LIST_BY_GROUP,
  name: 'GET_CONSUMER_LIST_BY_GROUP',
  request: { consumerGroup: { kind: 'string' } },
  reply: {},
});

export function consumerListAnswer(clientIds: readonly string[]): Answer {
  return getConsumerList.answer({}, { body: Buffer.from(JSON.stringify({ consumerIdList: clientIds })) });
}

/** The client ids of a reply. @throws ResponseError; RemotingError `malformed`. */
export function decodeConsumerList(reply: Command, address: string): readonly string[] {
  getConsumerList.decodeReply(reply, address);
  const clientIds = readJsonObject(reply.body, 'a list of consumers')['consumerIdList'] ?? [];
  if (Array.isArray(clientIds) && clientIds.every((id): id is string => typeof id === 'string')) return clientIds;
  throw new RemotingError('malformed', 'consumerIdList is not a list of texts');
}
