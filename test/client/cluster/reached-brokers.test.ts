import { expect, onTestFinished, test } from 'vitest';
import { reachBrokers } from '../../../src/client/cluster/reached-brokers.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import { pullParts } from '../../support/pull-parts.ts';
import { startScriptedCluster } from '../../support/scripted-cluster.ts';
import { peerVersions } from '../../support/scripted-peer.ts';

test('the brokers that answer, with their versions; none is an error that names the topic', async () => {
  const scripted = await startScriptedCluster(2, peerVersions.v4);
  onTestFinished(() => scripted.stop());
  const soon = Deadline.after(10_000);
  // Each time by new connections.
  const reach = async () => {
    const { cluster } = pullParts(scripted);
    const route = (await cluster.routes.find('topic', soon)) ?? expect.fail('no route');
    const brokers = await reachBrokers(cluster, route, soon, 3_000);
    return brokers.map(({ brokerName, version }) => [brokerName, version]);
  };
  expect(await reach()).toEqual([
    ['broker-a', 407],
    ['broker-b', 407],
  ]);
  await scripted.broker.stop();
  expect(await reach()).toEqual([['broker-b', 407]]);
  await scripted.brokers[1]?.stop();
  await expect(reach()).rejects.toMatchObject({ kind: 'noBroker', message: expect.stringContaining('topic') });
});
