import { onTestFinished } from 'vitest';
import { Channels } from '../../src/client/cluster/channels.ts';
import { createCluster } from '../../src/client/cluster/cluster.ts';
import { GroupSettings } from '../../src/client/cluster/group-settings.ts';
import { Heartbeats } from '../../src/client/cluster/heartbeats.ts';
import { NameServers } from '../../src/client/cluster/name-servers.ts';
import { Routes } from '../../src/client/cluster/routes.ts';
import { DeliveryNumbers } from '../../src/client/pull/delivery-numbers.ts';
import { PullGroups } from '../../src/client/pull/pull-groups.ts';
import { type PullParts, persistIntervalMsDefault, processQueueLimits } from '../../src/client/pull/pull-options.ts';
import { UnreadBytes } from '../../src/client/unread-bytes.ts';
import type { ScriptedCluster } from './scripted-cluster.ts';

/** What consumers by pull of a client share, connected to a scripted cluster; closed when the test ends. */
export function pullParts({ nameServer, log }: ScriptedCluster, changes: Partial<PullParts> = {}): PullParts {
  const channels = new Channels({ connectTimeoutMs: 3_000 });
  const brokers = new Channels({ connectTimeoutMs: 3_000 });
  onTestFinished(() => {
    channels.close();
    brokers.close();
  });
  const cluster = createCluster(
    {
      clientId: 'client',
      routes: new Routes(new NameServers([nameServer.address], channels), 100),
      heartbeats: new Heartbeats('client', 'producers', log),
      pullGroups: new PullGroups(),
      brokers,
    },
    () => true,
  );
  return {
    cluster,
    log,
    groups: new GroupSettings(log),
    deliveryNumbers: new DeliveryNumbers(),
    limits: processQueueLimits,
    requestTimeoutMs: 3_000,
    bodyBytesMax: 4_194_304,
    unreadBytes: new UnreadBytes(Number.POSITIVE_INFINITY),
    persistIntervalMs: persistIntervalMsDefault,
    ...changes,
  };
}
