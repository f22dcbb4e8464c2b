import type { Answer, Command } from '../../remoting/command.ts';
import { RequestCode } from '../../remoting/request-code.ts';
import { getSubscriptionGroup } from '../../remoting/requests/get-subscription-group.ts';
import {
  decodeGroupSettings,
  decodeGroupSettingsList,
  deleteSubscriptionGroup,
  encodeGroupSettings,
  encodeGroupSettingsTable,
  getAllSubscriptionGroups,
  type SubscriptionGroupSettings,
  updateSubscriptionGroup,
  updateSubscriptionGroups,
} from '../../remoting/requests/subscription-groups.ts';
import {
  encodeGroupList,
  encodeTopicList,
  getGroupsOfTopic,
  getTopicsOfGroup,
} from '../../remoting/requests/topic-lists.ts';
import type { ServerConnection } from '../../remoting/server-connection.ts';
import { alterAttributes, groupAttributes } from '../attributes.ts';
import type { Engine, ProcessorTable } from '../engine.ts';
import { settingsVersion } from './settings-version.ts';

/** Consumer groups, whether anybody is in them or not. */
export const groupProcessors: ProcessorTable = [
  [RequestCode.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, updateGroup],
  [RequestCode.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST, updateGroups],
  [RequestCode.DELETE_SUBSCRIPTIONGROUP, deleteGroup],
  [RequestCode.GET_ALL_SUBSCRIPTIONGROUP_CONFIG, allGroups],
  [RequestCode.GET_SUBSCRIPTION_GROUP_CONFIG, oneGroup],
  [RequestCode.QUERY_TOPIC_CONSUME_BY_WHO, groupsOfTopic],
  [RequestCode.QUERY_TOPICS_BY_CONSUMER, topicsOfGroup],
];

async function updateGroup(request: Command, _connection: ServerConnection, engine: Engine): Promise<Answer> {
  await putGroup(decodeGroupSettings(request), engine);
  return updateSubscriptionGroup.answer({});
}

/** What comes before one that is refused, stays. */
async function updateGroups(request: Command, _connection: ServerConnection, engine: Engine): Promise<Answer> {
  for (const group of decodeGroupSettingsList(request)) await putGroup(group, engine);
  return updateSubscriptionGroups.answer({});
}

/** @param wanted Its attributes are changes. @throws RequestRefused, StoreError */
async function putGroup(wanted: SubscriptionGroupSettings, { groups, state }: Engine): Promise<void> {
  const current = groups.get(wanted.name)?.attributes ?? {};
  await groups.put({ ...wanted, attributes: alterAttributes(current, wanted.attributes, groupAttributes) }, state);
}

async function deleteGroup(request: Command, _connection: ServerConnection, engine: Engine): Promise<Answer> {
  const { groupName: group, cleanOffset, removeOffset } = deleteSubscriptionGroup.decode(request);
  await engine.groups.delete(group, engine.state);
  if (cleanOffset === true || removeOffset === true) {
    await engine.offsets.forget({ group }, engine.state);
    await engine.pops.forget({ group }, engine.state);
  }
  return deleteSubscriptionGroup.answer({});
}

function allGroups(_request: Command, _connection: ServerConnection, engine: Engine): Answer {
  const groups = [...engine.groups.all()];
  const body = encodeGroupSettingsTable(groups, settingsVersion(engine));
  return getAllSubscriptionGroups.answer({ groupCount: groups.length }, { body });
}

/** Makes the group where that is allowed, as RocketMQ does: proxies ask before they consume. */
async function oneGroup(request: Command, _connection: ServerConnection, engine: Engine): Promise<Answer> {
  const group = await engine.groups.getOrCreate(getSubscriptionGroup.decode(request).group, engine.state);
  return getSubscriptionGroup.answer({}, { body: encodeGroupSettings(group) });
}

function groupsOfTopic(request: Command, _connection: ServerConnection, { clients, offsets }: Engine): Answer {
  const { topic } = getGroupsOfTopic.decode(request);
  const groups = new Set([...clients.groupsOfTopic(topic), ...offsets.groupsOf(topic)]);
  return getGroupsOfTopic.answer({}, { body: encodeGroupList(groups) });
}

function topicsOfGroup(request: Command, connection: ServerConnection, engine: Engine): Answer {
  const topics = engine.offsets.topicsOf(getTopicsOfGroup.decode(request).group);
  return getTopicsOfGroup.answer({}, { body: encodeTopicList(topics, engine.brokerAddress(connection)) });
}
