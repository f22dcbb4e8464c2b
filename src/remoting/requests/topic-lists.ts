import { listOfTexts } from '../body-fields.ts';
import type { Command } from '../command.ts';
import { defineRequest } from '../fields.ts';
import { readJsonObject } from '../json.ts';
import { encodeJson } from '../json-writer.ts';
import { RequestCode } from '../request-code.ts';

/** Asks a name server for all topics. */
export const getAllTopics = defineRequest({
  code: RequestCode.GET_ALL_TOPIC_LIST_FROM_NAMESERVER,
  name: 'GET_ALL_TOPIC_LIST_FROM_NAMESERVER',
  request: {},
  reply: {},
});

/** Asks a name server for the topics of a cluster (Java `GetTopicsByClusterRequestHeader`). */
export const getTopicsOfCluster = defineRequest({
  code: RequestCode.GET_TOPICS_BY_CLUSTER,
  name: 'GET_TOPICS_BY_CLUSTER',
  request: { cluster: { kind: 'string' } },
  reply: {},
});

/** Asks a name server for the topics named after clusters and brokers; the answer names a broker that knows the others. */
export const getSystemTopics = defineRequest({
  code: RequestCode.GET_SYSTEM_TOPIC_LIST_FROM_NS,
  name: 'GET_SYSTEM_TOPIC_LIST_FROM_NS',
  request: {},
  reply: {},
});

/** Asks a broker for the topics that it uses for itself. */
export const getSystemTopicsOfBroker = defineRequest({
  code: RequestCode.GET_SYSTEM_TOPIC_LIST_FROM_BROKER,
  name: 'GET_SYSTEM_TOPIC_LIST_FROM_BROKER',
  request: {},
  reply: {},
});

/** Asks a broker which topics a group has offsets of (Java `QueryTopicsByConsumerRequestHeader`). */
export const getTopicsOfGroup = defineRequest({
  code: RequestCode.QUERY_TOPICS_BY_CONSUMER,
  name: 'QUERY_TOPICS_BY_CONSUMER',
  request: { group: { kind: 'string' } },
  reply: {},
});

/** Asks a broker which groups consume a topic (Java `QueryTopicConsumeByWhoRequestHeader`). */
export const getGroupsOfTopic = defineRequest({
  code: RequestCode.QUERY_TOPIC_CONSUME_BY_WHO,
  name: 'QUERY_TOPIC_CONSUME_BY_WHO',
  request: { topic: { kind: 'string' } },
  reply: {},
});

/** The body of an answer with topics (Java `TopicList`). */
export function encodeTopicList(topics: Iterable<string>, brokerAddress?: string): Buffer {
  return encodeJson({ brokerAddr: brokerAddress, topicList: [...topics] });
}

/** The body of an answer with groups (Java `GroupList`). */
export function encodeGroupList(groups: Iterable<string>): Buffer {
  return encodeJson({ groupList: [...groups] });
}

/** The topics of an answer. @throws RemotingError `malformed`. */
export function decodeTopicList({ body }: Command): readonly string[] {
  return listOfTexts(readJsonObject(body, 'a list of topics'), 'topicList');
}
