import type { Command } from '../command.ts';
import { RemotingError } from '../errors.ts';
import { defineRequest } from '../fields.ts';
import { isJsonObject, type JsonObject, readJsonObject } from '../json.ts';
import { encodeJson } from '../json-writer.ts';
import { RequestCode } from '../request-code.ts';
import { type BrokerData, decodeBrokerData, writeBrokerData } from './get-route.ts';

/** Asks a name server which brokers are registered (Java `RouteInfoManager.getAllClusterInfo`). */
export const getClusterInfo = defineRequest({
  code: RequestCode.GET_BROKER_CLUSTER_INFO,
  name: 'GET_BROKER_CLUSTER_INFO',
  request: {},
  reply: {},
});

/** The names of the registered brokers (Java `ClusterInfo`). @throws RemotingError `malformed`. */
export function decodeBrokerNames(reply: Command): readonly string[] {
  return Object.keys(brokerTable(reply));
}

/** The registered brokers of all clusters (Java `ClusterInfo`). @throws RemotingError `malformed`. */
export function decodeBrokers(reply: Command): readonly BrokerData[] {
  return Object.values(brokerTable(reply)).map((broker) => {
    if (isJsonObject(broker)) return decodeBrokerData(broker);
    throw malformed();
  });
}

function brokerTable(reply: Command): JsonObject {
  const table = readJsonObject(reply.body, 'the brokers of a cluster')['brokerAddrTable'];
  if (isJsonObject(table)) return table;
  throw malformed();
}

function malformed(): RemotingError {
  return new RemotingError('malformed', 'the field brokerAddrTable of a cluster makes no sense');
}

/** The body of an answer. Name servers leave its integer keys unquoted, whoever asks. */
export function encodeClusterInfo(brokers: readonly BrokerData[]): Buffer {
  const clusters = [...new Set(brokers.map(({ cluster }) => cluster))];
  const namesIn = (name: string): string[] =>
    brokers.filter(({ cluster }) => cluster === name).map(({ brokerName }) => brokerName);
  return encodeJson({
    brokerAddrTable: Object.fromEntries(brokers.map((broker) => [broker.brokerName, writeBrokerData(broker, false)])),
    clusterAddrTable: Object.fromEntries(clusters.map((cluster) => [cluster, namesIn(cluster)])),
  });
}
