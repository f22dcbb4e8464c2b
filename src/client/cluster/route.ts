import type { MessageQueue } from '../../remoting/message.ts';
import { QueuePermission, type TopicRoute } from '../../remoting/requests/get-route.ts';

const masterId = 0;
/** Queues that an auto-created topic gets, where its template has as many; what official clients ask for. */
export const autoCreatedQueueCount = 4;
/** Queues of one kind that are kept of a route: more than any topic has, few enough for a name server gone mad. */
const queuesMax = 65_536;

/** Where a topic lives: what sending and receiving need of a route. */
export interface Route {
  readonly topic: string;
  /** In the order in which official clients number them: by broker name, then queue id. */
  readonly writeQueues: readonly MessageQueue[];
  /** Queues to read at each broker that has some, and a master. */
  readonly readQueueCounts: ReadonlyMap<string, number>;
  /** Broker name to `host:port` of its master. */
  readonly masters: ReadonlyMap<string, string>;
  /** True when the topic does not exist yet and a first send makes it. */
  readonly autoCreated: boolean;
}

/** Reads a name server's answer as Java `MQClientInstance.topicRouteData2TopicPublishInfo` does. */
export function routeOf(topic: string, data: TopicRoute): Route {
  const masters = new Map<string, string>();
  for (const { brokerName, addresses } of data.brokers) {
    const master = addresses.get(masterId);
    if (master !== undefined) masters.set(brokerName, master);
  }
  const readable = data.queues.filter(
    ({ brokerName, permission }) => (permission & QueuePermission.READ) !== 0 && masters.has(brokerName),
  );
  return {
    topic,
    writeQueues: writeQueuesOf(topic, data, masters),
    readQueueCounts: new Map(readable.map(({ brokerName, readQueueCount }) => [brokerName, readQueueCount])),
    masters,
    autoCreated: false,
  };
}

/** The route of a topic that the brokers of `template` make on its first message. */
export function autoCreatedRoute(topic: string, template: Route): Route {
  const writeQueues = template.writeQueues
    .filter(({ queueId }) => queueId < autoCreatedQueueCount)
    .map((queue) => ({ ...queue, topic }));
  return { ...template, topic, writeQueues, autoCreated: true };
}

/** The queues to read, in the order in which all members of a group must see them: by broker name, then queue id. */
export function readQueuesOf({ topic, readQueueCounts }: Route): readonly MessageQueue[] {
  return numbered(
    topic,
    [...readQueueCounts].toSorted(([one], [other]) => compareNames(one, other)),
  );
}

function writeQueuesOf(topic: string, data: TopicRoute, masters: ReadonlyMap<string, string>): MessageQueue[] {
  if (data.orderTopicConfiguration !== '') return numbered(topic, orderedCounts(data.orderTopicConfiguration));
  const writable = data.queues.filter(
    ({ brokerName, permission }) => (permission & QueuePermission.WRITE) !== 0 && masters.has(brokerName),
  );
  return numbered(
    topic,
    writable
      .toSorted((one, other) => compareNames(one.brokerName, other.brokerName))
      .map(({ brokerName, writeQueueCount }) => [brokerName, writeQueueCount]),
  );
}

/** `broker-a:4;broker-b:4`, in its own order. */
function orderedCounts(configuration: string): [string, number][] {
  return configuration.split(';').map((part) => {
    const [brokerName = '', count = ''] = part.split(':');
    return [brokerName, Number(count) || 0];
  });
}

function numbered(topic: string, counts: readonly (readonly [string, number])[]): MessageQueue[] {
  const queues: MessageQueue[] = [];
  for (const [brokerName, count] of counts) {
    for (let queueId = 0; queueId + 1 <= count && queues.length < queuesMax; queueId += 1) {
      queues.push({ topic, brokerName, queueId });
    }
  }
  return queues;
}

/** By UTF-16 code units, as Java's `String.compareTo`. */
function compareNames(one: string, other: string): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}
