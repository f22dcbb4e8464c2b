import type { Channel } from '../../remoting/channel.ts';
import type { Deadline } from '../../remoting/deadline.ts';
import type { MessageQueue } from '../../remoting/message.ts';
import { decodeConsumerList, getConsumerList } from '../../remoting/requests/get-consumer-list.ts';
import type { MessageModel } from '../../remoting/requests/heartbeat.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { type Route, readQueuesOf } from '../cluster/route.ts';
import { isDenied } from '../errors.ts';
import type { ClientLog } from '../options.ts';
import { type AllocationStrategy, allocatedQueues } from './allocation.ts';

/** Longest wait for one broker, in ms, before the next is asked. */
const askTimeoutMs = 3_000;

/** What decides which queues a member gets. */
export interface AssignmentParts {
  readonly cluster: Cluster;
  readonly log: ClientLog;
  readonly group: string;
  readonly messageModel: MessageModel;
  readonly strategy: AllocationStrategy;
}

/**
 * The queues of a topic that this client has to read now; undefined when that cannot be told: brokers do not answer, or do not know this
 * client as a member yet. Every broker of the topic is told about this client first, since others may ask any of them.
 * @throws ClientError `unauthenticated` or `denied` when the first broker that answers refuses this client.
 */
export async function assignedQueues(
  parts: AssignmentParts,
  route: Route,
  deadline: Deadline,
): Promise<readonly MessageQueue[] | undefined> {
  const { cluster, group, messageModel, strategy } = parts;
  const queues = readQueuesOf(route);
  const told = tellBrokers(parts, route, deadline);
  if (messageModel === 'BROADCASTING' || queues.length === 0) return queues;
  const clientIds = await members(parts, told, deadline);
  const { clientId } = cluster;
  if (clientIds?.includes(clientId) !== true) return undefined;
  return allocatedQueues(strategy, { group, clientId, clientIds, queues });
}

/** The brokers of a topic, by name, each when it has heard of this client. */
function tellBrokers({ cluster }: AssignmentParts, route: Route, deadline: Deadline): readonly Promise<Channel>[] {
  return [...route.readQueueCounts.keys()].sort().map((brokerName) => {
    const told = tell(cluster, route, brokerName, deadline.atMost(askTimeoutMs));
    // Maybe nobody waits for it.
    told.catch(() => {});
    return told;
  });
}

async function tell(cluster: Cluster, route: Route, brokerName: string, deadline: Deadline): Promise<Channel> {
  const channel = await cluster.broker(route, brokerName, deadline);
  await cluster.heartbeats.tell(channel, deadline);
  return channel;
}

/**
 * Who is in the group, by the first broker that tells: all members ask them in the same order, so that they get to the same sharing also
 * while brokers do not agree.
 */
async function members(
  { group, log }: AssignmentParts,
  brokers: readonly Promise<Channel>[],
  deadline: Deadline,
): Promise<readonly string[] | undefined> {
  for (const broker of brokers) {
    try {
      const channel = await broker;
      const request = getConsumerList.encode({ consumerGroup: group });
      const reply = await channel.invoke(request, deadline.atMost(askTimeoutMs));
      return decodeConsumerList(reply, channel.address);
    } catch (error) {
      if (isDenied(error)) throw error;
      log.debug({ err: error, group }, 'a broker did not tell who is in a consumer group');
      if (deadline.signal?.aborted === true) return undefined;
    }
  }
  return undefined;
}
