import type { Channel } from '../../remoting/channel.ts';
import type { Deadline } from '../../remoting/deadline.ts';
import { RemotingError } from '../../remoting/errors.ts';
import { ClientError } from '../errors.ts';
import type { PullGroups } from '../pull/pull-groups.ts';
import type { Channels } from './channels.ts';
import type { Heartbeats } from './heartbeats.ts';
import type { Route } from './route.ts';
import type { Routes } from './routes.ts';

/** The brokers of one cluster as producers and consumers see them: routes, connections, versions. */
export interface Cluster {
  /** Under which brokers and other members of a group know this client. */
  readonly clientId: string;
  readonly routes: Routes;
  readonly heartbeats: Heartbeats;
  /** The groups that receive by pull here, by name. */
  readonly pullGroups: PullGroups;
  /** The broker connections; name servers have theirs apart. */
  readonly brokers: Channels;
  /**
   * The connection to a broker's master.
   * @throws ClientError `noBroker` when the route has no master of that name; RemotingError `connect` when it cannot be reached.
   */
  broker(route: Pick<Route, 'masters'>, brokerName: string, deadline: Deadline): Promise<Channel>;
  /** The connection to the master of a topic's broker, where nothing has to be asked or opened for it. */
  brokerAtHand(topic: string, brokerName: string): Channel | undefined;
}

export function createCluster(
  parts: Omit<Cluster, 'broker' | 'brokerAtHand'>,
  brokerAllowed: (address: string) => boolean,
): Cluster {
  return {
    ...parts,
    async broker(route, brokerName, deadline) {
      const address = route.masters.get(brokerName);
      if (address === undefined) throw new ClientError('noBroker', `broker ${brokerName} has no master now`);
      if (!brokerAllowed(address)) {
        throw new RemotingError('connect', `the address of broker ${brokerName} is not allowed`, { address });
      }
      return parts.brokers.get(address, deadline);
    },
    brokerAtHand(topic, brokerName) {
      const address = parts.routes.known(topic)?.masters.get(brokerName);
      return address !== undefined && brokerAllowed(address) ? parts.brokers.atHand(address) : undefined;
    },
  };
}
