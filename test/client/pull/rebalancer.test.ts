import { expect, test } from 'vitest';
import { Channels } from '../../../src/client/channels.ts';
import { createCluster } from '../../../src/client/cluster.ts';
import { Heartbeats } from '../../../src/client/heartbeats.ts';
import { NameServers } from '../../../src/client/name-servers.ts';
import { averageAllocation } from '../../../src/client/pull/allocation.ts';
import { PullGroups } from '../../../src/client/pull/pull-groups.ts';
import { Rebalancer } from '../../../src/client/pull/rebalancer.ts';
import { Routes } from '../../../src/client/routes.ts';
import { MemoryLog } from '../../support/scripted-cluster.ts';

test('a member that has subscribed to nothing has no queues', async () => {
  const log = new MemoryLog();
  const brokers = new Channels({ connectTimeoutMs: 3_000 });
  const routes = new Routes(new NameServers([], brokers), 1);
  const heartbeats = new Heartbeats('id', 'g', log);
  const cluster = createCluster(
    { clientId: 'id', routes, brokers, heartbeats, pullGroups: new PullGroups() },
    () => true,
  );
  const rebalancer = new Rebalancer(cluster, log, {
    group: 'g',
    messageModel: 'CLUSTERING',
    consumeType: 'CONSUME_PASSIVELY',
    consumeFromWhere: 'CONSUME_FROM_LAST_OFFSET',
    orderly: false,
    strategy: averageAllocation,
    onTaken: () => {},
    onGiven: async () => {},
  });
  await rebalancer.rebalance();
  expect(rebalancer.queues).toEqual([]);
  await rebalancer.close();
});
