import type { Command } from '../command.ts';
import { RemotingError } from '../errors.ts';
import { defineRequest } from '../fields.ts';
import { isJsonObject, type Json, type JsonObject, readJsonObject } from '../json.ts';
import { encodeJson, type WritableJson } from '../json-writer.ts';
import { RequestCode } from '../request-code.ts';

/** Asks a name server where a topic lives (Java `GetRouteInfoRequestHeader`). TOPIC_NOT_EXIST: no route. */
export const getRoute = defineRequest({
  code: RequestCode.GET_ROUTEINFO_BY_TOPIC,
  name: 'GET_ROUTEINFO_BY_TOPIC',
  request: {
    topic: { kind: 'string' },
    /** Without it old servers leave integer keys unquoted. */
    acceptStandardJsonOnly: { kind: 'boolean', optional: true },
  },
  reply: {},
});

/** Bits of `QueueData.perm` (Java `PermName`); INHERIT: other topics may be made after this one. */
export const QueuePermission = { READ: 4, WRITE: 2, INHERIT: 1 } as const;

/** Queues of a topic on one broker name: ids 0 to the number, exclusive. */
export interface QueueData {
  readonly brokerName: string;
  readonly readQueueCount: number;
  readonly writeQueueCount: number;
  /** `QueuePermission` bits. */
  readonly permission: number;
}

/** One broker name and the `host:port` of each of its brokers; id 0 is the master. */
export interface BrokerData {
  readonly brokerName: string;
  readonly cluster: string;
  readonly addresses: ReadonlyMap<number, string>;
}

export interface TopicRoute {
  readonly queues: readonly QueueData[];
  readonly brokers: readonly BrokerData[];
  /** `broker:count;…` where an order topic is configured, which then replaces the queues for sending; else ''. */
  readonly orderTopicConfiguration: string;
}

const brokersMax = 1_024;
const queuesPerBrokerMax = 4_096;

/** @throws RemotingError `malformed` when the body is not a route, or one of more brokers or queues than any cluster has. */
export function decodeRoute(reply: Command): TopicRoute {
  const body = readJsonObject(reply.body, 'a route');
  const order = body['orderTopicConf'];
  return {
    queues: list(body, 'queueDatas').map(decodeQueueData),
    brokers: list(body, 'brokerDatas').map(decodeBrokerData),
    orderTopicConfiguration: typeof order === 'string' ? order : '',
  };
}

/**
 * The body of an answer.
 * @param standardJson false leaves integer keys unquoted, as name servers do for clients before 4.9.4 that do not ask otherwise.
 */
export function encodeRoute(route: TopicRoute, standardJson: boolean): Buffer {
  return encodeJson({
    brokerDatas: route.brokers.map((broker) => writeBrokerData(broker, standardJson)),
    filterServerTable: {},
    orderTopicConf: route.orderTopicConfiguration === '' ? undefined : route.orderTopicConfiguration,
    queueDatas: route.queues.map(({ brokerName, permission, readQueueCount, writeQueueCount }) => ({
      brokerName,
      perm: permission,
      readQueueNums: readQueueCount,
      topicSysFlag: 0,
      writeQueueNums: writeQueueCount,
    })),
  });
}

/** A broker as routes and clusters name it. */
export function writeBrokerData({ brokerName, cluster, addresses }: BrokerData, standardJson: boolean): WritableJson {
  const brokerAddrs = standardJson ? Object.fromEntries(addresses) : addresses;
  return { brokerAddrs, brokerName, cluster, enableActingMaster: false };
}

function decodeQueueData(data: JsonObject): QueueData {
  return {
    brokerName: text(data, 'brokerName'),
    readQueueCount: count(data, 'readQueueNums'),
    writeQueueCount: count(data, 'writeQueueNums'),
    permission: count(data, 'perm'),
  };
}

/** A broker as routes and clusters name it. @throws RemotingError `malformed`. */
export function decodeBrokerData(data: JsonObject): BrokerData {
  const addresses = new Map<number, string>();
  const table = data['brokerAddrs'];
  if (!isJsonObject(table)) throw malformed('brokerAddrs');
  for (const [id, address] of Object.entries(table)) {
    if (typeof address !== 'string' || !/^\d{1,15}$/.test(id)) throw malformed('brokerAddrs');
    addresses.set(Number(id), address);
  }
  const cluster = data['cluster'];
  return { brokerName: text(data, 'brokerName'), cluster: typeof cluster === 'string' ? cluster : '', addresses };
}

function list(body: JsonObject, name: string): readonly JsonObject[] {
  const value: Json | undefined = body[name];
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || value.length > brokersMax) throw malformed(name);
  return value.map((item: Json) => {
    if (!isJsonObject(item)) throw malformed(name);
    return item;
  });
}

function text(data: JsonObject, name: string): string {
  const value = data[name];
  if (typeof value !== 'string') throw malformed(name);
  return value;
}

function count(data: JsonObject, name: string): number {
  const value = data[name];
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > queuesPerBrokerMax)
    throw malformed(name);
  return value;
}

function malformed(name: string): RemotingError {
  return new RemotingError('malformed', `the field ${name} of a route makes no sense`);
}
