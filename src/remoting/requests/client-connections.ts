import { integer, listOfObjects, optionalText, requiredText } from '../body-fields.ts';
import type { Command } from '../command.ts';
import { defineRequest } from '../fields.ts';
import { readJsonObject } from '../json.ts';
import { encodeJson, type WritableObject } from '../json-writer.ts';
import { RequestCode } from '../request-code.ts';
import type { ConsumeFromWhere, ConsumeType, MessageModel, Subscription } from './heartbeat.ts';

/** Asks a broker which clients consume in a group (Java `GetConsumerConnectionListRequestHeader`). CONSUMER_NOT_ONLINE: none does. */
export const getConsumerConnections = defineRequest({
  code: RequestCode.GET_CONSUMER_CONNECTION_LIST,
  name: 'GET_CONSUMER_CONNECTION_LIST',
  request: { consumerGroup: { kind: 'string' } },
  reply: {},
});

/** Asks a broker which clients send in a group (Java `GetProducerConnectionListRequestHeader`). SYSTEM_ERROR: none does. */
export const getProducerConnections = defineRequest({
  code: RequestCode.GET_PRODUCER_CONNECTION_LIST,
  name: 'GET_PRODUCER_CONNECTION_LIST',
  request: { producerGroup: { kind: 'string' } },
  reply: {},
});

/** Most clients that one answer may name: as many as a broker may have connections. */
export const connectionCountMax = 65_536;

/** One client (Java `Connection`). */
export interface ClientConnection {
  readonly clientId: string;
  /** `ip:port`. */
  readonly address: string;
  /** Name of a `LanguageCode`. */
  readonly language: string;
  /** `ProtocolVersion`. */
  readonly version: number;
}

/** How a group receives, and who is in it. */
export interface ConsumerConnections {
  readonly connections: readonly ClientConnection[];
  readonly subscriptions: Iterable<Subscription>;
  readonly consumeType: ConsumeType;
  readonly messageModel: MessageModel;
  readonly consumeFromWhere: ConsumeFromWhere;
}

/** The body of an answer (Java `ConsumerConnection`). */
export function encodeConsumerConnections(consumers: ConsumerConnections): Buffer {
  const { connections, subscriptions, consumeType, messageModel, consumeFromWhere } = consumers;
  return encodeJson({
    connectionSet: connections.map(writeConnection),
    consumeFromWhere,
    consumeType,
    messageModel,
    subscriptionTable: Object.fromEntries(Array.from(subscriptions, (one) => [one.topic, writeSubscription(one)])),
  });
}

/** The body of an answer (Java `ProducerConnection`). */
export function encodeProducerConnections(connections: readonly ClientConnection[]): Buffer {
  return encodeJson({ connectionSet: connections.map(writeConnection) });
}

/**
 * The clients of a reply to either request.
 * @throws ResponseError; RemotingError `malformed`.
 */
export function decodeClientConnections(
  { decodeReply }: typeof getConsumerConnections | typeof getProducerConnections,
  reply: Command,
  address: string,
): readonly ClientConnection[] {
  decodeReply(reply, address);
  const connections = listOfObjects(
    readJsonObject(reply.body, 'a list of clients'),
    'connectionSet',
    connectionCountMax,
  );
  return connections.map((connection) => ({
    clientId: requiredText(connection, 'clientId'),
    address: requiredText(connection, 'clientAddr'),
    // Brokers have no name for languages that are younger than they are, as ours is to 4.x.
    language: optionalText(connection, 'language') ?? 'OTHER',
    version: integer(connection, 'version', 0),
  }));
}

function writeConnection({ clientId, address, language, version }: ClientConnection): WritableObject {
  return { clientAddr: address, clientId, language, version };
}

/** Tags and codes follow from the expression, and readers make them from it. */
function writeSubscription({ topic, expression, expressionType, version }: Subscription): WritableObject {
  return {
    classFilterMode: false,
    codeSet: [],
    expressionType: expressionType ?? 'TAG',
    subString: expression,
    subVersion: version,
    tagsSet: [],
    topic,
  };
}
