import { integer, listOfObjects, requiredText } from '../body-fields.ts';
import type { Command } from '../command.ts';
import { RemotingError, ResponseError } from '../errors.ts';
import { defineRequest } from '../fields.ts';
import { isJsonObject, type JsonObject, readJsonObject } from '../json.ts';
import { encodeJson, type WritableObject } from '../json-writer.ts';
import { RequestCode } from '../request-code.ts';
import { ResponseCode } from '../response-code.ts';
import { readAttributes } from './attributes.ts';
import { type DataVersion, writeDataVersion } from './data-version.ts';
import { retryMaxTimesDefault } from './get-subscription-group.ts';

/** Makes or changes a consumer group; the body has its settings. */
export const updateSubscriptionGroup = defineRequest({
  code: RequestCode.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP,
  name: 'UPDATE_AND_CREATE_SUBSCRIPTIONGROUP',
  request: {},
  reply: {},
});

/** Makes or changes many (Java `SubscriptionGroupList`); tools from 5.3. */
export const updateSubscriptionGroups = defineRequest({
  code: RequestCode.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST,
  name: 'UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST',
  request: {},
  reply: {},
});

/** Asks a broker for the settings of all its groups. */
export const getAllSubscriptionGroups = defineRequest({
  code: RequestCode.GET_ALL_SUBSCRIPTIONGROUP_CONFIG,
  name: 'GET_ALL_SUBSCRIPTIONGROUP_CONFIG',
  request: {},
  /** Clients from 5.4 ask on until they have as many. */
  reply: { groupCount: { wire: 'totalGroupNum', kind: 'int32' } },
});

/** Deletes a group (Java `DeleteSubscriptionGroupRequestHeader`). */
export const deleteSubscriptionGroup = defineRequest({
  code: RequestCode.DELETE_SUBSCRIPTIONGROUP,
  name: 'DELETE_SUBSCRIPTIONGROUP',
  request: {
    groupName: { kind: 'string' },
    /** Forget its offsets, too. */
    cleanOffset: { kind: 'boolean', optional: true },
    /** What tools 4.x call it. */
    removeOffset: { kind: 'boolean', optional: true },
  },
  reply: {},
});

/** Settings of a consumer group, as far as they have an effect (Java `SubscriptionGroupConfig`). */
export interface SubscriptionGroupSettings {
  readonly name: string;
  readonly consumeEnable: boolean;
  readonly consumeFromMinEnable: boolean;
  readonly consumeBroadcastEnable: boolean;
  readonly consumeMessageOrderly: boolean;
  /** Queues of the retry topic; 0: the group wants no retries. */
  readonly retryQueueCount: number;
  /** Redeliveries after which a message goes to the dead letter queue. */
  readonly retryMaxTimes: number;
  readonly notifyConsumerIdsChanged: boolean;
  /** In a request: changes. */
  readonly attributes: Readonly<Record<string, string>>;
}

/** Most groups that one request may name. */
export const groupListCountMax = 1_000;

/** The group of UPDATE_AND_CREATE_SUBSCRIPTIONGROUP. @throws RemotingError `malformed`, naming the field. */
export function decodeGroupSettings({ body }: Command): SubscriptionGroupSettings {
  return readGroupSettings(readJsonObject(body, 'a subscription group'));
}

/** The groups of UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST. @throws RemotingError `malformed`, naming the field. */
export function decodeGroupSettingsList({ body }: Command): readonly SubscriptionGroupSettings[] {
  const list = readJsonObject(body, 'a list of subscription groups');
  return listOfObjects(list, 'groupConfigList', groupListCountMax).map(readGroupSettings);
}

/** The groups of a reply with many (Java `SubscriptionGroupWrapper`). @throws ResponseError; RemotingError `malformed`. */
export function decodeGroupSettingsTable(reply: Command, address: string): readonly SubscriptionGroupSettings[] {
  // Brokers 4.x do not count them.
  if (reply.code !== ResponseCode.SUCCESS) throw new ResponseError(reply.code, reply.remark ?? '', address);
  const table = readJsonObject(reply.body, 'a table of subscription groups')['subscriptionGroupTable'] ?? {};
  return Object.values(isJsonObject(table) ? table : {}).map((value) => {
    if (isJsonObject(value)) return readGroupSettings(value);
    throw new RemotingError('malformed', 'a subscription group of a table is not an object');
  });
}

function readGroupSettings(value: JsonObject): SubscriptionGroupSettings {
  return {
    name: requiredText(value, 'groupName'),
    consumeEnable: value['consumeEnable'] !== false,
    consumeFromMinEnable: value['consumeFromMinEnable'] !== false,
    consumeBroadcastEnable: value['consumeBroadcastEnable'] !== false,
    consumeMessageOrderly: value['consumeMessageOrderly'] === true,
    retryQueueCount: integer(value, 'retryQueueNums', 1),
    retryMaxTimes: integer(value, 'retryMaxTimes', retryMaxTimesDefault),
    notifyConsumerIdsChanged: value['notifyConsumerIdsChangedEnable'] !== false,
    attributes: readAttributes(value),
  };
}

/** The body of an answer with one group. */
export function encodeGroupSettings(group: SubscriptionGroupSettings): Buffer {
  return encodeJson(writeGroupSettings(group));
}

/** The body of an answer with many groups (Java `SubscriptionGroupWrapper`). */
export function encodeGroupSettingsTable(groups: Iterable<SubscriptionGroupSettings>, version: DataVersion): Buffer {
  return encodeJson({
    dataVersion: writeDataVersion(version),
    forbiddenTable: {},
    subscriptionGroupTable: Object.fromEntries(Array.from(groups, (group) => [group.name, writeGroupSettings(group)])),
  });
}

function writeGroupSettings(group: SubscriptionGroupSettings): WritableObject {
  return {
    attributes: group.attributes,
    brokerId: 0,
    consumeBroadcastEnable: group.consumeBroadcastEnable,
    consumeEnable: group.consumeEnable,
    consumeFromMinEnable: group.consumeFromMinEnable,
    consumeMessageOrderly: group.consumeMessageOrderly,
    consumeTimeoutMinute: 15,
    groupName: group.name,
    groupRetryPolicy: { type: 'CUSTOMIZED' },
    groupSysFlag: 0,
    notifyConsumerIdsChangedEnable: group.notifyConsumerIdsChanged,
    retryMaxTimes: group.retryMaxTimes,
    retryQueueNums: group.retryQueueCount,
    whichBrokerWhenConsumeSlowly: 1,
  };
}
