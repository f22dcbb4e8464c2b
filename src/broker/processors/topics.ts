import type { Answer, Command } from '../../remoting/command.ts';
import { RequestCode } from '../../remoting/request-code.ts';
import { parseAttributes } from '../../remoting/requests/attributes.ts';
import { QueuePermission } from '../../remoting/requests/get-route.ts';
import { encodeTopicStats, getTopicStats } from '../../remoting/requests/get-topic-stats.ts';
import {
  decodeTopicConfigs,
  deleteTopic as deleteTopicRequest,
  encodeTopicConfig,
  encodeTopicConfigs,
  getAllTopicConfigs,
  getTopicConfig,
  type TopicSettings,
  updateTopic as updateTopicRequest,
  updateTopics as updateTopicsRequest,
} from '../../remoting/requests/topic-config.ts';
import { encodeTopicList, getSystemTopicsOfBroker } from '../../remoting/requests/topic-lists.ts';
import type { ServerConnection } from '../../remoting/server-connection.ts';
import { isSystemTopic, popRetryTopicV1, popRetryTopicV2 } from '../../remoting/topic-names.ts';
import { alterAttributes, topicAttributes } from '../attributes.ts';
import type { Engine, ProcessorTable } from '../engine.ts';
import { invalid } from '../refused.ts';
import { settingsVersion } from './settings-version.ts';

export const topicProcessors: ProcessorTable = [
  [RequestCode.UPDATE_AND_CREATE_TOPIC, updateTopic],
  [RequestCode.UPDATE_AND_CREATE_TOPIC_LIST, updateTopics],
  [RequestCode.DELETE_TOPIC_IN_BROKER, deleteTopic],
  [RequestCode.GET_ALL_TOPIC_CONFIG, allTopicConfigs],
  [RequestCode.GET_TOPIC_CONFIG, topicConfig],
  [RequestCode.GET_TOPIC_STATS_INFO, topicStats],
  [RequestCode.GET_SYSTEM_TOPIC_LIST_FROM_BROKER, systemTopics],
];

const permissionMax = QueuePermission.READ | QueuePermission.WRITE | QueuePermission.INHERIT;

async function updateTopic(request: Command, _connection: ServerConnection, engine: Engine): Promise<Answer> {
  const fields = updateTopicRequest.decode(request);
  const { topic: name, readQueueCount, writeQueueCount, permission, sysFlag = 0, order = false } = fields;
  const attributes = parseAttributes(fields.attributes ?? '');
  await putTopic({ name, readQueueCount, writeQueueCount, permission, sysFlag, order, attributes }, engine);
  return updateTopicRequest.answer({});
}

/** What comes before one that is refused, stays. */
async function updateTopics(request: Command, _connection: ServerConnection, engine: Engine): Promise<Answer> {
  for (const topic of decodeTopicConfigs(request)) await putTopic(topic, engine);
  return updateTopicsRequest.answer({});
}

/** @param wanted Its attributes are changes. @throws RequestRefused, StoreError */
async function putTopic(wanted: TopicSettings, engine: Engine): Promise<void> {
  const { name, permission } = wanted;
  refuseSystemTopic(name, engine);
  if (permission < 0 || permission > permissionMax) {
    throw invalid(`the permission ${permission} is none: give 2 to write, 4 to read, 6 for both, 0 for neither`);
  }
  const current = engine.topics.get(name)?.attributes ?? {};
  const attributes = alterAttributes(current, wanted.attributes, topicAttributes);
  await engine.topics.put({ ...wanted, attributes }, engine.state);
}

/** Also those that are not there: another version, or another broker, may have them. @throws RequestRefused */
function refuseSystemTopic(name: string, { topics }: Engine): void {
  if (name === '') throw invalid('the topic is empty; name one');
  if (isSystemTopic(name) || topics.isSystem(name)) {
    throw invalid(`${name.slice(0, 200)} is a topic of the system: choose another name`);
  }
}

/** Also for a topic that is not there, so that what a deletion left that was cut short can be deleted again. */
async function deleteTopic(request: Command, _connection: ServerConnection, engine: Engine): Promise<Answer> {
  const { topic } = deleteTopicRequest.decode(request);
  refuseSystemTopic(topic, engine);
  const retryTopics = engine.offsets
    .groupsOf(topic)
    .flatMap((group) => [popRetryTopicV1(group, topic), popRetryTopicV2(group, topic)])
    .filter((name) => engine.topics.get(name) !== undefined);
  for (const name of [...retryTopics, topic]) await deleteWhole(name, engine);
  return deleteTopicRequest.answer({});
}

/** All of it begins in one turn: what is sent to a new topic of the name while it is stored belongs to that one, as what is consumed of it. */
async function deleteWhole(
  topic: string,
  { topics, store, clients, offsets, pops, state, held }: Engine,
): Promise<void> {
  const { readQueueCount = 0 } = topics.get(topic) ?? {};
  const stored = [
    store.dropTopic(topic),
    topics.delete(topic, state),
    offsets.forget({ topic }, state),
    pops.forget({ topic }, state),
  ];
  // Who goes on pulling remembers an offset of the topic that was: in a new one it would pass over messages.
  for (const group of clients.groupsOfTopic(topic)) {
    for (let queueId = 0; queueId < readQueueCount; queueId += 1) offsets.startAgain({ group, topic, queueId });
  }
  await Promise.all(stored);
  held.wake(topic);
}

function allTopicConfigs(_request: Command, _connection: ServerConnection, engine: Engine): Answer {
  const topics = [...engine.topics.all()];
  const body = encodeTopicConfigs(topics, settingsVersion(engine));
  return getAllTopicConfigs.answer({ topicCount: topics.length }, { body });
}

function topicConfig(request: Command, _connection: ServerConnection, engine: Engine): Answer {
  const topic = engine.topics.require(getTopicConfig.decode(request).topic);
  return getTopicConfig.answer({}, { body: encodeTopicConfig(topic) });
}

function topicStats(request: Command, _connection: ServerConnection, engine: Engine): Answer {
  const { name, readQueueCount, writeQueueCount } = engine.topics.require(getTopicStats.decode(request).topic);
  const { store, options, statistics } = engine;
  const queues = Array.from({ length: Math.max(readQueueCount, writeQueueCount) }, (_, queueId) => {
    const maxOffset = store.maxOffset(name, queueId);
    return {
      queue: { topic: name, brokerName: options.brokerName, queueId },
      minOffset: store.minOffset(name, queueId),
      maxOffset,
      lastUpdateTimestampMs: maxOffset === 0 ? 0 : Math.max(store.storeTimestamp(name, queueId, maxOffset - 1), 0),
    };
  });
  const putPerSecond = statistics.putTo(name)?.minute.perSecond ?? 0;
  return getTopicStats.answer({}, { body: encodeTopicStats(queues, putPerSecond) });
}

function systemTopics(_request: Command, _connection: ServerConnection, { topics }: Engine): Answer {
  const names = Array.from(topics.all(), ({ name }) => name).filter((name) => topics.isSystem(name));
  return getSystemTopicsOfBroker.answer({}, { body: encodeTopicList(names) });
}
