import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { ClusterClient } from '../../../src/client/client.ts';
import { savedRetriesMax } from '../../../src/client/send/retry-budget.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import { ResponseError } from '../../../src/remoting/errors.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { outgoing } from '../../support/real-client.ts';
import {
  routesScript,
  type ScriptedCluster,
  startScriptedCluster,
  storingScript,
} from '../../support/scripted-cluster.ts';
import type { Script, ScriptedPeer } from '../../support/scripted-peer.ts';

const { SEND_MESSAGE_V2, GET_ROUTEINFO_BY_TOPIC } = RequestCode;

const refusing =
  (code: number): Script =>
  () => ({ code, remark: 'no' });

const hangUp: Script = (_, { socket }) => {
  socket.destroy();
  return undefined;
};

async function start(brokerCount: number): Promise<ScriptedCluster> {
  const cluster = await startScriptedCluster(brokerCount);
  onTestFinished(() => cluster.stop());
  return cluster;
}

function send(client: ClusterClient, shardingKey?: string) {
  return client.producer.send(outgoing('topic', 'x', { shardingKey }), Deadline.after(10_000));
}

async function sendMany(client: ClusterClient, count: number): Promise<void> {
  for (let sent = 0; sent < count; sent += 1) await send(client);
}

function sendCount(peer: ScriptedPeer): number {
  return peer.requests(SEND_MESSAGE_V2).length;
}

describe('sends of which one of two brokers fails', () => {
  let cluster: ScriptedCluster;
  let client: ClusterClient;
  let ill: ScriptedPeer;
  let well: ScriptedPeer;

  beforeEach(async () => {
    cluster = await start(2);
    client = cluster.client();
    const [first, second] = cluster.brokers;
    if (first === undefined || second === undefined) throw new Error('there are two');
    [ill, well] = [first, second];
  });

  it.each([
    ['hangs up', hangUp],
    ['is too busy', refusing(ResponseCode.SYSTEM_BUSY)],
    ['is shutting down', refusing(ResponseCode.SERVICE_NOT_AVAILABLE)],
  ])('leave it alone once one has seen that it %s', async (_, script) => {
    ill.on(SEND_MESSAGE_V2, script);
    await sendMany(client, 20);
    expect(sendCount(ill)).toBe(1);
    expect(sendCount(well)).toBe(20);
  });

  it('leave one alone that answers late', async () => {
    const store = storingScript(ill.address);
    ill.on(SEND_MESSAGE_V2, async (request, connection) => {
      await new Promise((resolve) => setTimeout(resolve, 600));
      return store(request, connection);
    });
    await sendMany(client, 20);
    expect(sendCount(ill)).toBe(1);
  });

  it('go to it all the same where a sharding key leaves no choice', async () => {
    ill.on(SEND_MESSAGE_V2, refusing(ResponseCode.SYSTEM_BUSY));
    await sendMany(client, 2);
    ill.on(SEND_MESSAGE_V2, storingScript(ill.address));
    // Of eight queues Java takes number 1 for order-2, which is of the first broker.
    const { queue } = await send(client, 'order-9');
    const again = await send(client, 'order-9');
    expect(again.queue).toEqual(queue);
    const brokers = await Promise.all(['order-1', 'order-2', 'a', 'key'].map((key) => send(client, key)));
    expect(new Set(brokers.map((result) => result.queue.brokerName)).size).toBe(2);
  });

  it('do not take it for ill because it lacks the topic', async () => {
    ill.on(SEND_MESSAGE_V2, refusing(ResponseCode.TOPIC_NOT_EXIST));
    await sendMany(client, 20);
    expect(sendCount(ill)).toBeGreaterThan(5);
  });

  it('are tried again at the other one, however many are refused', async () => {
    ill.on(SEND_MESSAGE_V2, refusing(ResponseCode.SYSTEM_BUSY));
    await Promise.all(Array.from({ length: 8 * savedRetriesMax }, () => send(client)));
    expect(sendCount(well)).toBe(8 * savedRetriesMax);
  });
});

describe('sends that the only broker refuses for load', () => {
  it('are tried again as often as is saved up, then no more', async () => {
    const cluster = await start(1);
    const client = cluster.client({ sendAttemptsMax: 2 });
    cluster.broker.on(SEND_MESSAGE_V2, refusing(ResponseCode.SYSTEM_BUSY));
    const results = await Promise.allSettled(Array.from({ length: 3 * savedRetriesMax }, () => send(client)));
    expect(results.every(({ status }) => status === 'rejected')).toBe(true);
    expect(sendCount(cluster.broker)).toBe(4 * savedRetriesMax);
  });
});

describe('a topic that loses queues', () => {
  it.each([
    ['5.x', ResponseCode.INVALID_PARAMETER],
    ['4.x', ResponseCode.SYSTEM_ERROR],
  ])('costs no message on %s: its route is asked for again', async (_, code) => {
    const cluster = await start(1);
    const client = cluster.client();
    const store = storingScript(cluster.broker.address);
    await sendMany(client, 1);
    cluster.broker.on(SEND_MESSAGE_V2, (request, connection) =>
      Number(request.extFields['e']) >= 1
        ? { code, remark: 'request queueId[1] is illegal' }
        : store(request, connection),
    );
    const queues = cluster.queues.map((one) => ({ ...one, queueCount: 1 }));
    cluster.nameServer.on(GET_ROUTEINFO_BY_TOPIC, routesScript({ topic: queues }));
    await sendMany(client, 8);
    expect(sendCount(cluster.broker)).toBeLessThanOrEqual(10);
  });

  it('is not what a refused message is about while its queue is there', async () => {
    const cluster = await start(1);
    const client = cluster.client();
    cluster.broker.on(SEND_MESSAGE_V2, refusing(ResponseCode.INVALID_PARAMETER));
    await expect(send(client)).rejects.toThrow(ResponseError);
    expect(sendCount(cluster.broker)).toBe(1);
  });
});
