import type { Answer, Command } from '../../remoting/command.ts';
import { RequestCode } from '../../remoting/request-code.ts';
import {
  type ClientConnection,
  encodeConsumerConnections,
  encodeProducerConnections,
  getConsumerConnections,
  getProducerConnections,
} from '../../remoting/requests/client-connections.ts';
import { type ConsumedQueue, encodeConsumeStats, getConsumeStats } from '../../remoting/requests/get-consume-stats.ts';
import { ResponseCode } from '../../remoting/response-code.ts';
import type { ServerConnection } from '../../remoting/server-connection.ts';
import type { GroupQueue } from '../consumer-offsets.ts';
import type { Engine, ProcessorTable } from '../engine.ts';
import type { Member } from '../group-members.ts';
import type { PopQueue } from '../pop/pop-queue.ts';
import { invalid, RequestRefused } from '../refused.ts';

/** Who is connected, and how far groups have got. */
export const consumptionProcessors: ProcessorTable = [
  [RequestCode.GET_CONSUMER_CONNECTION_LIST, consumerConnections],
  [RequestCode.GET_PRODUCER_CONNECTION_LIST, producerConnections],
  [RequestCode.GET_CONSUME_STATS, consumeStats],
];

/** Most queues of one answer, which then has about 5 MB. */
export const statsQueueCountMax = 20_000;

function consumerConnections(request: Command, _connection: ServerConnection, { clients }: Engine): Answer {
  const { consumerGroup } = getConsumerConnections.decode(request);
  const info = clients.groupInfo(consumerGroup);
  if (info === undefined) {
    throw new RequestRefused(ResponseCode.CONSUMER_NOT_ONLINE, `nobody consumes in ${consumerGroup.slice(0, 300)}`);
  }
  const body = encodeConsumerConnections({
    ...info,
    subscriptions: info.subscriptions.values(),
    connections: clients.consumersOf(consumerGroup).map(toConnection),
  });
  return getConsumerConnections.answer({}, { body });
}

function producerConnections(request: Command, _connection: ServerConnection, { clients }: Engine): Answer {
  const { producerGroup } = getProducerConnections.decode(request);
  const connections = clients.producersOf(producerGroup).map(toConnection);
  if (connections.length === 0) {
    throw new RequestRefused(ResponseCode.SYSTEM_ERROR, `nobody sends in ${producerGroup.slice(0, 300)}`);
  }
  return getProducerConnections.answer({}, { body: encodeProducerConnections(connections) });
}

function toConnection({ clientId, connection, language, version }: Member): ClientConnection {
  return { clientId, address: connection.peer, language, version };
}

function consumeStats(request: Command, _connection: ServerConnection, engine: Engine): Answer {
  const { consumerGroup: group, topic, topics } = getConsumeStats.decode(request);
  const names = topicsToTell(group, { topic, topics }, engine);
  const found = [...names].flatMap((name) => engine.topics.get(name) ?? []);
  const queueCount = found.reduce((count, { readQueueCount }) => count + readQueueCount, 0);
  if (queueCount > statsQueueCountMax) {
    throw invalid(`${group.slice(0, 300)} reads ${queueCount} queues, over ${statsQueueCountMax}: name a topic`);
  }
  const queues = found.flatMap(({ name, readQueueCount }) =>
    Array.from({ length: readQueueCount }, (_, queueId) => progressOf({ group, topic: name, queueId }, engine)),
  );
  const gotPerSecond = found.reduce(
    (sum, { name }) => sum + (engine.statistics.gotFrom(name, group)?.minute.perSecond ?? 0),
    0,
  );
  return getConsumeStats.answer({}, { body: encodeConsumeStats(queues, gotPerSecond) });
}

interface AskedTopics {
  readonly topic: string | undefined;
  readonly topics: string | undefined;
}

/** Without a list, those that the group no longer reads are left out while it is connected (Java `AdminBrokerProcessor`). */
function topicsToTell(group: string, { topic, topics }: AskedTopics, { offsets, clients }: Engine): Set<string> {
  const listed = (topics ?? '').split(';').filter((name) => name !== '');
  if (listed.length > 0) return new Set(listed);
  const names = topic === undefined || topic.trim() === '' ? [...offsets.topicsOf(group)] : [topic];
  const subscriptions = clients.groupInfo(group)?.subscriptions;
  if (subscriptions === undefined || subscriptions.size === 0) return new Set(names);
  return new Set(names.filter((name) => subscriptions.has(name)));
}

/** What a POP handed out counts as consumed only when it and all before it are acknowledged. */
function progressOf(queue: GroupQueue, { offsets, pops, store, options }: Engine): ConsumedQueue {
  const { topic, queueId } = queue;
  const pullOffset = Math.max(offsets.get(queue) ?? 0, 0);
  const consumerOffset = Math.min(oldestInFlight(pops.find(queue)), pullOffset);
  const lastTimestampMs = consumerOffset === 0 ? 0 : store.storeTimestamp(topic, queueId, consumerOffset - 1);
  return {
    queue: { topic, brokerName: options.brokerName, queueId },
    brokerOffset: store.maxOffset(topic, queueId),
    consumerOffset,
    pullOffset,
    lastTimestampMs: Math.max(lastTimestampMs, 0),
  };
}

/** Infinity: nothing is in flight. */
function oldestInFlight(queue: PopQueue | undefined): number {
  let oldest = Number.POSITIVE_INFINITY;
  for (const runs of queue?.openLeases().values() ?? []) {
    for (const [at, value] of runs.entries()) if (at % 2 === 0 && value < oldest) oldest = value;
  }
  return oldest;
}
