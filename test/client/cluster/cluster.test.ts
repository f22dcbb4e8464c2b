import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { Channels } from '../../../src/client/cluster/channels.ts';
import { type Cluster, createCluster } from '../../../src/client/cluster/cluster.ts';
import { Heartbeats } from '../../../src/client/cluster/heartbeats.ts';
import { NameServers } from '../../../src/client/cluster/name-servers.ts';
import type { Route } from '../../../src/client/cluster/route.ts';
import { Routes } from '../../../src/client/cluster/routes.ts';
import { PullGroups } from '../../../src/client/pull/pull-groups.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import { pullParts } from '../../support/pull-parts.ts';
import { MemoryLog, startScriptedCluster } from '../../support/scripted-cluster.ts';
import { ScriptedPeer } from '../../support/scripted-peer.ts';

describe('the broker of a route', () => {
  let peer: ScriptedPeer;
  let brokers: Channels;
  let route: Route;

  beforeEach(async () => {
    peer = await ScriptedPeer.start();
    brokers = new Channels({ connectTimeoutMs: 3_000 });
    route = {
      topic: 'topic',
      writeQueues: [],
      readQueueCounts: new Map(),
      masters: new Map([['broker-a', peer.address]]),
      autoCreated: false,
    };
  });

  afterEach(async () => {
    brokers.close();
    await peer.stop();
  });

  function clusterOf(brokerAllowed: (address: string) => boolean): Cluster {
    const routes = new Routes(new NameServers([], brokers), 1);
    const heartbeats = new Heartbeats('id', 'g', new MemoryLog());
    return createCluster({ clientId: 'id', routes, brokers, heartbeats, pullGroups: new PullGroups() }, brokerAllowed);
  }

  test('is reached at its master', async () => {
    const channel = await clusterOf(() => true).broker(route, 'broker-a', Deadline.after(10_000));
    expect(channel.address).toBe(peer.address);
  });

  test('without a master takes nothing', async () => {
    const reached = clusterOf(() => true).broker(route, 'broker-b', Deadline.after(10_000));
    await expect(reached).rejects.toMatchObject({ kind: 'noBroker', message: expect.stringContaining('broker-b') });
  });

  test('is not dialled where it may not be, and its address is not told', async () => {
    const asked: string[] = [];
    const reached = clusterOf((address) => {
      asked.push(address);
      return false;
    }).broker(route, 'broker-a', Deadline.after(10_000));
    await expect(reached).rejects.toMatchObject({
      kind: 'connect',
      message: expect.not.stringContaining(peer.address),
    });
    expect(asked).toEqual([peer.address]);
    expect(peer.connections).toEqual([]);
  });

  test('is at hand while its topic is known without doubt and its connection is open', async () => {
    const scripted = await startScriptedCluster();
    onTestFinished(() => scripted.stop());
    const { cluster } = pullParts(scripted);
    const atHand = () => cluster.brokerAtHand('topic', 'broker-a');
    expect(atHand()).toBeUndefined();
    const known = await cluster.routes.find('topic', Deadline.after(10_000));
    expect(atHand()).toBeUndefined();
    const channel = await cluster.broker(known ?? route, 'broker-a', Deadline.after(10_000));
    expect(atHand()).toBe(channel);
    expect(cluster.brokerAtHand('topic', 'broker-b')).toBeUndefined();
    cluster.routes.doubt('topic', 'brokerGone');
    expect(atHand()).toBeUndefined();
    await cluster.routes.find('topic', Deadline.after(10_000));
    expect(atHand()).toBe(channel);
    channel.close();
    expect(atHand()).toBeUndefined();
  });
});
