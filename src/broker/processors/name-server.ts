import type { Answer, Command } from '../../remoting/command.ts';
import { RequestCode } from '../../remoting/request-code.ts';
import { encodeClusterInfo, getClusterInfo } from '../../remoting/requests/get-cluster-info.ts';
import { type BrokerData, encodeRoute, getRoute } from '../../remoting/requests/get-route.ts';
import { deleteKeyValueConfig, getKeyValueConfig, getKeyValueList } from '../../remoting/requests/key-value-config.ts';
import { deleteTopicRoute } from '../../remoting/requests/topic-config.ts';
import {
  encodeTopicList,
  getAllTopics,
  getSystemTopics,
  getTopicsOfCluster,
} from '../../remoting/requests/topic-lists.ts';
import { ResponseCode } from '../../remoting/response-code.ts';
import type { ServerConnection } from '../../remoting/server-connection.ts';
import { ProtocolVersion } from '../../remoting/version.ts';
import type { Engine, ProcessorTable } from '../engine.ts';
import { RequestRefused } from '../refused.ts';

/** What a name server answers. This one knows one broker, which needs no registration. */
export const nameServerProcessors: ProcessorTable = [
  [RequestCode.GET_ROUTEINFO_BY_TOPIC, route],
  [RequestCode.GET_BROKER_CLUSTER_INFO, clusterInfo],
  [RequestCode.GET_ALL_TOPIC_LIST_FROM_NAMESERVER, allTopics],
  [RequestCode.GET_TOPICS_BY_CLUSTER, topicsOfCluster],
  [RequestCode.GET_SYSTEM_TOPIC_LIST_FROM_NS, systemTopics],
  [RequestCode.DELETE_TOPIC_IN_NAMESRV, deleteRoute],
  [RequestCode.GET_KV_CONFIG, keyValueConfig],
  [RequestCode.DELETE_KV_CONFIG, deleteConfig],
  [RequestCode.GET_KVLIST_BY_NAMESPACE, keyValueList],
];

function route(request: Command, connection: ServerConnection, engine: Engine): Answer {
  const { topic: name, acceptStandardJsonOnly } = getRoute.decode(request);
  const { brokerName } = engine.options;
  const { readQueueCount, writeQueueCount, permission } = engine.topics.require(name);
  const found = {
    queues: [{ brokerName, readQueueCount, writeQueueCount, permission }],
    brokers: [brokerData(connection, engine)],
    orderTopicConfiguration: '',
  };
  const standardJson = request.version >= ProtocolVersion.V4_9_4 || acceptStandardJsonOnly === true;
  return getRoute.answer({}, { body: encodeRoute(found, standardJson) });
}

function brokerData(connection: ServerConnection, engine: Engine): BrokerData {
  const { brokerName, clusterName } = engine.options;
  return { brokerName, cluster: clusterName, addresses: new Map([[0, engine.brokerAddress(connection)]]) };
}

function clusterInfo(_request: Command, connection: ServerConnection, engine: Engine): Answer {
  return getClusterInfo.answer({}, { body: encodeClusterInfo([brokerData(connection, engine)]) });
}

function topicNames(engine: Engine): string[] {
  return Array.from(engine.topics.all(), ({ name }) => name);
}

function allTopics(_request: Command, _connection: ServerConnection, engine: Engine): Answer {
  return getAllTopics.answer({}, { body: encodeTopicList(topicNames(engine)) });
}

function topicsOfCluster(request: Command, _connection: ServerConnection, engine: Engine): Answer {
  const { cluster } = getTopicsOfCluster.decode(request);
  const names = cluster === engine.options.clusterName ? topicNames(engine) : [];
  return getTopicsOfCluster.answer({}, { body: encodeTopicList(names) });
}

/** Tools ask the broker that the answer names for the others. */
function systemTopics(_request: Command, connection: ServerConnection, engine: Engine): Answer {
  const { clusterName, brokerName } = engine.options;
  const body = encodeTopicList([clusterName, brokerName], engine.brokerAddress(connection));
  return getSystemTopics.answer({}, { body });
}

/** The broker, which tools ask before, has deleted the topic; where it has not, the route stays. */
function deleteRoute(request: Command): Answer {
  deleteTopicRoute.decode(request);
  return deleteTopicRoute.answer({});
}

/** There are no settings, and none can be made. */
function keyValueConfig(request: Command): Answer {
  const { namespace, key } = getKeyValueConfig.decode(request);
  throw new RequestRefused(
    ResponseCode.QUERY_NOT_FOUND,
    `${namespace.slice(0, 100)} has no setting ${key.slice(0, 200)}`,
  );
}

function deleteConfig(request: Command): Answer {
  deleteKeyValueConfig.decode(request);
  return deleteKeyValueConfig.answer({});
}

function keyValueList(request: Command): Answer {
  const { namespace } = getKeyValueList.decode(request);
  throw new RequestRefused(ResponseCode.QUERY_NOT_FOUND, `${namespace.slice(0, 100)} has no settings`);
}
