import { integer, listOfObjects, requiredText } from '../body-fields.ts';
import type { Command } from '../command.ts';
import { defineRequest } from '../fields.ts';
import { readJsonObject } from '../json.ts';
import { encodeJson, type WritableObject } from '../json-writer.ts';
import { RequestCode } from '../request-code.ts';
import { readAttributes } from './attributes.ts';
import { type DataVersion, writeDataVersion } from './data-version.ts';
import { QueuePermission } from './get-route.ts';

/** What Java's `TopicConfig` starts with. */
const queueCountDefault = 16;

/** Makes or changes a topic (Java `CreateTopicRequestHeader`). */
export const updateTopic = defineRequest({
  code: RequestCode.UPDATE_AND_CREATE_TOPIC,
  name: 'UPDATE_AND_CREATE_TOPIC',
  request: {
    topic: { kind: 'string' },
    /** Means nothing; brokers of Java demand it and `filterType` all the same. */
    defaultTopic: { kind: 'string', optional: true },
    filterType: { wire: 'topicFilterType', kind: 'string', optional: true },
    readQueueCount: { wire: 'readQueueNums', kind: 'int32' },
    writeQueueCount: { wire: 'writeQueueNums', kind: 'int32' },
    /** `QueuePermission` bits. */
    permission: { wire: 'perm', kind: 'int32' },
    sysFlag: { wire: 'topicSysFlag', kind: 'int32', optional: true },
    order: { kind: 'boolean', optional: true },
    /** Changes of attributes: `+message.type=FIFO,-other`. Clients from 5.0. */
    attributes: { kind: 'string', optional: true },
  },
  reply: {},
});

/** Makes or changes many (Java `CreateTopicListRequestBody`); tools from 5.3. */
export const updateTopics = defineRequest({
  code: RequestCode.UPDATE_AND_CREATE_TOPIC_LIST,
  name: 'UPDATE_AND_CREATE_TOPIC_LIST',
  request: {},
  reply: {},
});

/** Asks a broker for the settings of all its topics. */
export const getAllTopicConfigs = defineRequest({
  code: RequestCode.GET_ALL_TOPIC_CONFIG,
  name: 'GET_ALL_TOPIC_CONFIG',
  request: {},
  /** Clients from 5.4 ask on until they have as many. */
  reply: { topicCount: { wire: 'totalTopicNum', kind: 'int32' } },
});

/** Asks a broker from 5.0 for the settings of one topic (Java `GetTopicConfigRequestHeader`). TOPIC_NOT_EXIST: there is none. */
export const getTopicConfig = defineRequest({
  code: RequestCode.GET_TOPIC_CONFIG,
  name: 'GET_TOPIC_CONFIG',
  request: { topic: { kind: 'string' } },
  reply: {},
});

/** Deletes a topic and what is known of its consumers (Java `DeleteTopicRequestHeader`). */
export const deleteTopic = defineRequest({
  code: RequestCode.DELETE_TOPIC_IN_BROKER,
  name: 'DELETE_TOPIC_IN_BROKER',
  request: { topic: { kind: 'string' } },
  reply: {},
});

/** Has a name server forget a topic (Java `DeleteTopicFromNamesrvRequestHeader`). */
export const deleteTopicRoute = defineRequest({
  code: RequestCode.DELETE_TOPIC_IN_NAMESRV,
  name: 'DELETE_TOPIC_IN_NAMESRV',
  request: { topic: { kind: 'string' } },
  reply: {},
});

/** Settings of a topic (Java `TopicConfig`). */
export interface TopicSettings {
  readonly name: string;
  readonly readQueueCount: number;
  readonly writeQueueCount: number;
  /** `QueuePermission` bits. */
  readonly permission: number;
  readonly sysFlag: number;
  readonly order: boolean;
  /** As `message.type` → `NORMAL`; in a request, changes: `+message.type` → `NORMAL`. */
  readonly attributes: Readonly<Record<string, string>>;
}

export function encodeTopicConfig(topic: TopicSettings): Buffer {
  return encodeJson(writeTopicConfig(topic));
}

/** The body of an answer with many topics (Java `TopicConfigAndMappingSerializeWrapper`). */
export function encodeTopicConfigs(topics: Iterable<TopicSettings>, version: DataVersion): Buffer {
  return encodeJson({
    dataVersion: writeDataVersion(version),
    mappingDataVersion: writeDataVersion(version),
    topicConfigTable: Object.fromEntries(Array.from(topics, (topic) => [topic.name, writeTopicConfig(topic)])),
    topicQueueMappingDetailMap: {},
    topicQueueMappingInfoMap: {},
  });
}

function writeTopicConfig(topic: TopicSettings): WritableObject {
  return {
    attributes: topic.attributes,
    order: topic.order,
    perm: topic.permission,
    readQueueNums: topic.readQueueCount,
    topicFilterType: 'SINGLE_TAG',
    topicName: topic.name,
    topicSysFlag: topic.sysFlag,
    writeQueueNums: topic.writeQueueCount,
  };
}

/** Most topics that one request may name. */
export const topicListCountMax = 1_000;

/** The topics of UPDATE_AND_CREATE_TOPIC_LIST. @throws RemotingError `malformed`, naming the field. */
export function decodeTopicConfigs({ body }: Command): readonly TopicSettings[] {
  return listOfObjects(readJsonObject(body, 'a list of topics'), 'topicConfigList', topicListCountMax).map((value) => ({
    name: requiredText(value, 'topicName'),
    readQueueCount: integer(value, 'readQueueNums', queueCountDefault),
    writeQueueCount: integer(value, 'writeQueueNums', queueCountDefault),
    permission: integer(value, 'perm', QueuePermission.READ | QueuePermission.WRITE),
    sysFlag: integer(value, 'topicSysFlag', 0),
    order: value['order'] === true,
    attributes: readAttributes(value),
  }));
}
