import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Channels } from '../../../src/client/cluster/channels.ts';
import { createCluster } from '../../../src/client/cluster/cluster.ts';
import { Heartbeats } from '../../../src/client/cluster/heartbeats.ts';
import { NameServers } from '../../../src/client/cluster/name-servers.ts';
import { Routes } from '../../../src/client/cluster/routes.ts';
import { PullGroups } from '../../../src/client/pull/pull-groups.ts';
import { QueueLocks, queueLocksDefaults } from '../../../src/client/pull/queue-locks.ts';
import type { Command } from '../../../src/remoting/command.ts';
import type { MessageQueue } from '../../../src/remoting/message.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { decodeQueueBatch } from '../../../src/remoting/requests/lock-batch.ts';
import { type ScriptedCluster, startScriptedCluster } from '../../support/scripted-cluster.ts';
import { deferred } from '../../support/scripted-peer.ts';

const { LOCK_BATCH_MQ, UNLOCK_BATCH_MQ } = RequestCode;

function queue(brokerName: string, queueId: number): MessageQueue {
  return { topic: 'topic', brokerName, queueId };
}
const [a0, a1, b0] = [queue('broker-a', 0), queue('broker-a', 1), queue('broker-b', 0)];

describe('queue locks', () => {
  let cluster: ScriptedCluster;
  let brokers: Channels;
  let nameServers: Channels;
  /** What brokers refuse. */
  let refused: readonly MessageQueue[];
  const lost: MessageQueue[] = [];
  let onLost: () => void;

  beforeEach(async () => {
    cluster = await startScriptedCluster(2);
    brokers = new Channels({ connectTimeoutMs: 3_000 });
    nameServers = new Channels({ connectTimeoutMs: 3_000 });
    refused = [];
    lost.length = 0;
    onLost = () => {};
    for (const broker of cluster.brokers) broker.on(LOCK_BATCH_MQ, grant);
  });

  afterEach(async () => {
    brokers.close();
    nameServers.close();
    await cluster.stop();
  });

  function grant(request: Command): { readonly body: Buffer } {
    const { queues } = decodeQueueBatch(request);
    const isRefused = (one: MessageQueue) =>
      refused.some(({ brokerName, queueId }) => brokerName === one.brokerName && queueId === one.queueId);
    return { body: Buffer.from(JSON.stringify({ lockOKMQSet: queues.filter((one) => !isRefused(one)) })) };
  }

  function start(options = queueLocksDefaults): QueueLocks {
    const routes = new Routes(new NameServers([cluster.nameServer.address], nameServers), 4);
    const parts = {
      clientId: 'me',
      routes,
      brokers,
      heartbeats: new Heartbeats('me', 'p', cluster.log),
      pullGroups: new PullGroups(),
    };
    return new QueueLocks(
      {
        cluster: createCluster(parts, () => true),
        log: cluster.log,
        group: 'readers',
        onLost: (queue) => {
          lost.push(queue);
          onLost();
        },
      },
      options,
    );
  }

  const batches = (code: number) =>
    cluster.brokers.map((broker) => broker.requests(code).map((request) => decodeQueueBatch(request)));

  test('are asked for and given back by one request for each broker', async () => {
    const locks = start();
    expect(await locks.lock([a0, b0, a1])).toEqual([a0, b0, a1]);
    const asked = { consumerGroup: 'readers', clientId: 'me' };
    const expected = [[{ ...asked, queues: [a0, a1] }], [{ ...asked, queues: [b0] }]];
    expect(batches(LOCK_BATCH_MQ)).toEqual(expected);
    await locks.unlock([a0, b0, a1]);
    expect(batches(UNLOCK_BATCH_MQ)).toEqual(expected);
    await locks.unlock([a0]);
    expect(batches(UNLOCK_BATCH_MQ)).toEqual(expected);
  });

  test('are what brokers grant; one that fails does not stop the others', async () => {
    const locks = start();
    refused = [a1];
    cluster.brokers[1]?.on(LOCK_BATCH_MQ, (_, { socket }) => {
      socket.destroy();
      return undefined;
    });
    expect(await locks.lock([a0, a1, b0, queue('broker-z', 0)])).toEqual([a0]);
    expect(cluster.log.troubles).toEqual(['queues could not be locked', 'queues could not be locked']);
    await locks.unlock([a0]);
  });

  test('an unlock that fails is told to the log', async () => {
    const locks = start();
    await locks.lock([a0]);
    cluster.broker.on(UNLOCK_BATCH_MQ, () => ({ code: 1 }));
    await locks.unlock([a0]);
    expect(cluster.log.troubles).toEqual(['queues could not be unlocked']);
  });

  test('are renewed while they are held; one that the broker grants no more is lost, and not asked for again', async () => {
    const locks = start({ ...queueLocksDefaults, renewAgeMs: 30, checkIntervalMs: 10 });
    await locks.lock([a0, a1]);
    await cluster.broker.request(LOCK_BATCH_MQ, 2);
    expect(lost).toEqual([]);
    refused = [a1];
    await new Promise<void>((resolve) => {
      onLost = resolve;
    });
    expect(lost).toEqual([a1]);
    const count = cluster.broker.requests(LOCK_BATCH_MQ).length;
    const renewal = await cluster.broker.request(LOCK_BATCH_MQ, count);
    expect(decodeQueueBatch(renewal).queues).toEqual([a0]);
    await locks.unlock([a0]);
  });

  test('are believed for a while without a word of the broker, tried again meanwhile, then lost', async () => {
    const beliefMs = 300;
    const locks = start({ renewAgeMs: 50, beliefMs, checkIntervalMs: 10, retryDelayMs: 20 });
    const beganMs = performance.now();
    await locks.lock([a0]);
    cluster.broker.on(LOCK_BATCH_MQ, () => ({ code: 1 }));
    await new Promise<void>((resolve) => {
      onLost = resolve;
    });
    expect(lost).toEqual([a0]);
    expect(performance.now() - beganMs).toBeGreaterThanOrEqual(beliefMs);
    expect(cluster.broker.requests(LOCK_BATCH_MQ).length).toBeGreaterThan(3);
  });

  test('one that was unlocked and locked anew while a renewal was under way is not lost by its late answer', async () => {
    const locks = start({ ...queueLocksDefaults, renewAgeMs: 20, checkIntervalMs: 5 });
    await locks.lock([a0]);
    const held = deferred<void>();
    let isFirst = true;
    cluster.broker.on(LOCK_BATCH_MQ, async (request) => {
      if (!isFirst) return grant(request);
      isFirst = false;
      await held.promise;
      return { body: Buffer.from('{"lockOKMQSet":[]}') };
    });
    await cluster.broker.request(LOCK_BATCH_MQ, 1);
    await locks.unlock([a0]);
    expect(await locks.lock([a0])).toEqual([a0]);
    held.resolve();
    // Its answer comes behind the late one, on the same connection.
    await locks.lock([a1]);
    await setImmediate();
    expect(lost).toEqual([]);
    await locks.unlock([a0, a1]);
  });
});
