import { integer, listOfObjects, oneOf, optionalText, requiredText } from '../body-fields.ts';
import type { Command, CommandContent } from '../command.ts';
import { RemotingError } from '../errors.ts';
import { defineRequest } from '../fields.ts';
import { javaStringHash } from '../java-hash.ts';
import { type JsonObject, readJsonObject } from '../json.ts';
import { RequestCode } from '../request-code.ts';

/** Says that a client is there, and in which groups; its body is Java's `HeartbeatData`. */
export const heartbeat = defineRequest({
  code: RequestCode.HEART_BEAT,
  name: 'HEART_BEAT',
  request: {},
  reply: {
    /** 5.x: the server takes heartbeats whose groups have no subscriptions because they are the same as before. */
    supportsWithoutSubscriptions: { wire: 'IS_SUPPORT_HEART_BEAT_V2', kind: 'boolean', optional: true },
    /** 5.x: the next heartbeat must have subscriptions. */
    needsSubscriptions: { wire: 'IS_SUB_CHANGE', kind: 'boolean', optional: true },
  },
});

/** One topic that a group reads. */
export interface Subscription {
  readonly topic: string;
  /** Tags as `a||b`, or `*`; an SQL92 condition where the type says so. */
  readonly expression: string;
  /** `TAG` or `SQL92`. Default: TAG. */
  readonly expressionType?: string;
  /**
   * Time of the subscription, of which brokers take the newest: in ms, from rocketmq-client-go in ns, which a number holds only
   * nearly. Compare it with others that were made numbers in the same way.
   */
  readonly version: number;
}

/** One consumer group of a client. Where it does not say how it receives, it is a group that receives by POP in clustering mode. */
export interface ConsumerHeartbeat {
  readonly groupName: string;
  readonly consumeType?: ConsumeType;
  readonly messageModel?: MessageModel;
  readonly consumeFromWhere?: ConsumeFromWhere;
  readonly subscriptions: readonly Subscription[];
}

/** Who a client is: it ties the client id and its groups to the connection for 120 s (Java `HeartbeatData`). */
export interface Heartbeat {
  readonly clientId: string;
  readonly producerGroups: readonly string[];
  readonly consumers: readonly ConsumerHeartbeat[];
}

export function encodeHeartbeat({ clientId, producerGroups, consumers }: Heartbeat): CommandContent {
  const body = {
    clientID: clientId,
    producerDataSet: producerGroups.map((groupName) => ({ groupName })),
    consumerDataSet: consumers.map(consumerData),
    heartbeatFingerprint: 0,
    withoutSub: false,
  };
  return heartbeat.encode({}, Buffer.from(JSON.stringify(body)));
}

export const decodeHeartbeatReply = heartbeat.decodeReply;

function consumerData(consumer: ConsumerHeartbeat): object {
  return {
    groupName: consumer.groupName,
    consumeType: consumer.consumeType ?? 'CONSUME_POP',
    messageModel: consumer.messageModel ?? 'CLUSTERING',
    consumeFromWhere: consumer.consumeFromWhere ?? 'CONSUME_FROM_LAST_OFFSET',
    subscriptionDataSet: consumer.subscriptions.map(subscriptionData),
    unitMode: false,
  };
}

/** Java `SubscriptionData`: a pull that brings no subscription of its own is filtered by these hashes of the tags. */
function subscriptionData({ topic, expression, expressionType = 'TAG', version }: Subscription): object {
  const isTags = expressionType === 'TAG' && expression !== '*' && expression !== '';
  const tags = isTags ? expression.split('||').map((tag) => tag.trim()) : [];
  return {
    topic,
    subString: expression,
    tagsSet: tags,
    codeSet: tags.map(javaStringHash),
    subVersion: version,
    expressionType,
    classFilterMode: false,
  };
}

/** How a group receives (Java `ConsumeType`): push on pull, pull that the application drives, push on POP. */
export const consumeTypes = ['CONSUME_PASSIVELY', 'CONSUME_ACTIVELY', 'CONSUME_POP'] as const;
export type ConsumeType = (typeof consumeTypes)[number];

/** Whether the members of a group share its messages or each gets all (Java `MessageModel`). */
export const messageModels = ['CLUSTERING', 'BROADCASTING'] as const;
export type MessageModel = (typeof messageModels)[number];

/** Where a group without an offset begins (Java `ConsumeFromWhere`); the last three are no longer used. */
export const consumeFromWheres = [
  'CONSUME_FROM_LAST_OFFSET',
  'CONSUME_FROM_FIRST_OFFSET',
  'CONSUME_FROM_TIMESTAMP',
  'CONSUME_FROM_LAST_OFFSET_AND_FROM_MIN_WHEN_BOOT_FIRST',
  'CONSUME_FROM_MIN_OFFSET',
  'CONSUME_FROM_MAX_OFFSET',
] as const;
export type ConsumeFromWhere = (typeof consumeFromWheres)[number];

/** One consumer group of a client, as a broker hears of it (Java `ConsumerData`). */
export interface ClientConsumer extends ConsumerHeartbeat {
  readonly consumeType: ConsumeType;
  readonly messageModel: MessageModel;
  readonly consumeFromWhere: ConsumeFromWhere;
}

/** What a client says about itself, as a broker hears it. */
export interface ClientHeartbeat {
  readonly clientId: string;
  readonly producerGroups: readonly string[];
  readonly consumers: readonly ClientConsumer[];
  /** The groups have no subscriptions here, and keep those of an earlier heartbeat. */
  readonly withoutSubscriptions: boolean;
}

/** Most groups of either kind in one heartbeat, far above what a process has: each makes a group and a topic. */
export const heartbeatGroupCountMax = 1_000;
/** Most topics that one group of one client may read. */
export const subscriptionCountMax = 1_000;
/** Most characters of a client id: address, instance name, unit. */
export const clientIdLengthMax = 1_024;
/** Most characters of a group (Java `Validators.CHARACTER_MAX_LENGTH`). */
const groupLengthMax = 255;
/** Most characters of a topic: a group's, with the prefix of its retry topic. */
const topicLengthMax = groupLengthMax + '%RETRY%'.length;

/** @throws RemotingError `malformed`, naming the field, when the body is no heartbeat, or one beyond a limit. */
export function decodeHeartbeat(request: Command): ClientHeartbeat {
  const body = readJsonObject(request.body, 'a heartbeat');
  return {
    clientId: shortText(body, 'clientID', clientIdLengthMax),
    producerGroups: listOfObjects(body, 'producerDataSet', heartbeatGroupCountMax).map(groupName),
    consumers: listOfObjects(body, 'consumerDataSet', heartbeatGroupCountMax).map(decodeConsumer),
    withoutSubscriptions: body['withoutSub'] === true && integer(body, 'heartbeatFingerprint', 0) !== 0,
  };
}

function decodeConsumer(data: JsonObject): ClientConsumer {
  return {
    groupName: groupName(data),
    consumeType: oneOf(data, 'consumeType', consumeTypes),
    messageModel: oneOf(data, 'messageModel', messageModels),
    // No broker acts on it, so that no client is to be refused for it.
    consumeFromWhere: consumeFromWheres.find((where) => where === data['consumeFromWhere']) ?? consumeFromWheres[0],
    subscriptions: listOfObjects(data, 'subscriptionDataSet', subscriptionCountMax).map(decodeSubscription),
  };
}

function groupName(data: JsonObject): string {
  return shortText(data, 'groupName', groupLengthMax);
}

/** Java `SubscriptionData`; its tags and codes follow from the expression. @throws RemotingError `malformed`, naming the field. */
export function decodeSubscription(data: JsonObject): Subscription {
  const version = data['subVersion'];
  return {
    topic: shortText(data, 'topic', topicLengthMax),
    expression: optionalText(data, 'subString') ?? '*',
    expressionType: optionalText(data, 'expressionType') || 'TAG',
    version: typeof version === 'number' ? version : 0,
  };
}

function shortText(data: JsonObject, name: string, lengthMax: number): string {
  const text = requiredText(data, name);
  if (text.length <= lengthMax) return text;
  throw new RemotingError('malformed', `${name} has ${text.length} characters; at most ${lengthMax} are allowed`);
}
