import type { Channel } from '../../remoting/channel.ts';
import type { Deadline } from '../../remoting/deadline.ts';
import { ClientError } from '../errors.ts';
import type { Cluster } from './cluster.ts';
import type { Route } from './route.ts';

/** A broker that answers. */
export interface ReachedBroker {
  readonly brokerName: string;
  readonly channel: Channel;
  /** `ProtocolVersion`. */
  readonly version: number;
}

/**
 * The brokers of a route that can be reached, with their versions.
 * @param timeoutMs longest time for one connection, in ms.
 * @throws ClientError `noBroker` when there is none.
 */
export async function reachBrokers(
  cluster: Cluster,
  route: Route,
  deadline: Deadline,
  timeoutMs: number,
): Promise<readonly ReachedBroker[]> {
  const tries = [...route.readQueueCounts.keys()].map(async (brokerName) => {
    const channel = await cluster.broker(route, brokerName, deadline.atMost(timeoutMs));
    return { brokerName, channel, version: await cluster.heartbeats.versionOf(channel, deadline) };
  });
  const results = await Promise.allSettled(tries);
  const reached = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  if (reached.length > 0) return reached;
  const cause = results.find((result) => result.status === 'rejected')?.reason;
  throw new ClientError('noBroker', `no broker of topic ${route.topic} can be reached`, cause);
}
