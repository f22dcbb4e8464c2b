import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { averageAllocation } from '../../src/client/pull/allocation.ts';
import { Serialization } from '../../src/remoting/command.ts';
import { Deadline } from '../../src/remoting/deadline.ts';
import { RequestCode } from '../../src/remoting/request-code.ts';
import { TransactionOutcome } from '../../src/remoting/requests/end-transaction.ts';
import {
  consumerDefaults,
  noRoute,
  read,
  releasedOffsets,
  routesScript,
  type ScriptedCluster,
  ScriptedPop,
  startScriptedCluster,
} from '../support/scripted-cluster.ts';

const { GET_ROUTEINFO_BY_TOPIC, HEART_BEAT, SEND_MESSAGE_V2 } = RequestCode;
const soon = (): Deadline => Deadline.after(10_000);
const message = { topic: 'topic', body: Buffer.from('hello'), delivery: { kind: 'now' } } as const;

const countOf = (resource: string): number =>
  process.getActiveResourcesInfo().filter((name) => name === resource).length;

describe('ClusterClient', () => {
  let cluster: ScriptedCluster;
  // Of files that ran in this process before.
  const otherSocketCount = countOf('TCPSocketWrap');

  beforeEach(async () => {
    cluster = await startScriptedCluster(2);
  });

  afterEach(async () => {
    vi.useRealTimers();
    await cluster.stop();
  });

  test('signs what it asks name servers and brokers', async () => {
    const { producer } = cluster.client({ credentials: { accessKey: 'ak', secretKey: 'sk' } });
    await producer.send(message, soon());
    const requests = [cluster.nameServer, ...cluster.brokers].flatMap(({ received }) => received);
    expect(new Set(requests.map(({ code }) => code))).toEqual(
      new Set([GET_ROUTEINFO_BY_TOPIC, HEART_BEAT, SEND_MESSAGE_V2]),
    );
    for (const { extFields } of requests) {
      expect(extFields).toMatchObject({ AccessKey: 'ak', Signature: expect.stringMatching(/^[\w+/]{27}=$/) });
    }
  });

  test('asks brokers with binary headers once one was answered, name servers with JSON', async () => {
    const { producer } = cluster.client();
    for (const _ of 'abcdefghij') await producer.send(message, soon());
    for (const { serializations, received } of cluster.brokers) {
      const sends = received.filter(({ code }) => code === SEND_MESSAGE_V2);
      expect(sends.length).toBeGreaterThan(1);
      expect(serializations.get(sends.at(-1) ?? expect.fail('no send'))).toBe(Serialization.ROCKETMQ);
    }
    const { received, serializations } = cluster.nameServer;
    expect(new Set(received.map((request) => serializations.get(request)))).toEqual(new Set([Serialization.JSON]));
  });

  test('greets each broker once it is connected, by an id of its own', async () => {
    const clients = [cluster.client(), cluster.client()];
    for (const client of clients) await client.checkTopic('topic', soon());
    const ids = await Promise.all(
      [0, 1].map(
        async (index) => JSON.parse((await cluster.broker.request(HEART_BEAT, index)).body.toString()).clientID,
      ),
    );
    expect(new Set(ids).size).toBe(2);
  });

  test('goes on telling brokers that it lives, and asking for routes', async () => {
    const { producer } = cluster.client({ heartbeatIntervalMs: 20, routeRefreshIntervalMs: 20 });
    await producer.send(message, soon());
    await Promise.race(cluster.brokers.map((broker) => broker.request(HEART_BEAT, 2)));
    await cluster.nameServer.request(GET_ROUTEINFO_BY_TOPIC, 2);
  });

  test('what it does by itself fails without harm while everything is away', async () => {
    const client = cluster.client({ heartbeatIntervalMs: 10, routeRefreshIntervalMs: 10 });
    await client.producer.send(message, soon());
    for (const peer of [cluster.nameServer, ...cluster.brokers]) await peer.stop();
    await new Promise((resolve) => setTimeout(resolve, 100));
    for (const peer of [cluster.nameServer, ...cluster.brokers]) await peer.listen();
    await vi.waitFor(() => client.producer.send(message, soon()), { timeout: 5_000 });
  });

  describe('checkTopic', () => {
    test('is content with one broker that answers', async () => {
      await cluster.broker.stop();
      await cluster.client().checkTopic('topic', soon());
    });

    test('is content with a topic that its first message will make', async () => {
      cluster.nameServer.on(GET_ROUTEINFO_BY_TOPIC, routesScript({ TBW102: cluster.queues }));
      await cluster.client().checkTopic('new', soon());
    });

    test('fails without a broker that answers, and says why', async () => {
      for (const broker of cluster.brokers) await broker.stop();
      await expect(cluster.client().checkTopic('topic', soon())).rejects.toMatchObject({ kind: 'connect' });
      for (const broker of cluster.brokers) await broker.listen();
      for (const broker of cluster.brokers) broker.on(HEART_BEAT, () => undefined);
      await expect(cluster.client().checkTopic('topic', Deadline.after(100))).rejects.toMatchObject({
        kind: 'timeout',
      });
    });

    test('fails for a topic without queues to write to', async () => {
      const queues = cluster.queues.map((each) => ({ ...each, permission: 4 }));
      cluster.nameServer.on(GET_ROUTEINFO_BY_TOPIC, routesScript({ topic: queues }));
      await expect(cluster.client().checkTopic('topic', soon())).rejects.toMatchObject({
        name: 'ClientError',
        kind: 'noBroker',
      });
    });

    test('fails for a topic that does not exist', async () => {
      await expect(cluster.client().checkTopic('other', soon())).rejects.toMatchObject({ kind: 'noRoute' });
    });

    test('fails without a name server, naming the endpoint', async () => {
      await cluster.nameServer.stop();
      await expect(cluster.client().checkTopic('topic', soon())).rejects.toMatchObject({
        kind: 'connect',
        message: expect.stringContaining(`no name server answers at ${cluster.nameServer.address}: `),
      });
    });
  });

  test('checkNameServers needs a name server that answers, whatever it knows', async () => {
    cluster.nameServer.on(GET_ROUTEINFO_BY_TOPIC, () => noRoute);
    await cluster.client().checkNameServers(soon());
    await cluster.nameServer.stop();
    await expect(cluster.client().checkNameServers(soon())).rejects.toMatchObject({ kind: 'connect' });
  });

  describe('close', () => {
    test('gives back what consumers hold before it ends the connections', async () => {
      const pop = new ScriptedPop(cluster.broker);
      new ScriptedPop(cluster.brokers[1] ?? cluster.broker, 'broker-b');
      pop.arriveOffsets(1, 2, 3);
      const client = cluster.client();
      const consumer = client.popConsumer(consumerDefaults);
      await consumer.open(soon());
      const stream = consumer.stream({ messagesMax: 10, signal: new AbortController().signal });
      await read(stream, 2);
      expect(client.consumerCount).toBe(1);
      await client.close();
      expect(releasedOffsets(cluster.broker)).toEqual([1, 2, 3]);
      expect(client.consumerCount).toBe(0);
      for (const peer of [cluster.nameServer, ...cluster.brokers]) {
        await peer.until(() => peer.openConnections.length === 0);
      }
    });

    test('waits for the streams of consumers that are being closed', async () => {
      const pop = new ScriptedPop(cluster.broker);
      pop.arriveOffsets(1, 2);
      const client = cluster.client();
      const consumer = client.popConsumer(consumerDefaults);
      await read(consumer.stream({ messagesMax: 10, signal: new AbortController().signal }), 1);
      void consumer.close();
      await client.close();
      expect(releasedOffsets(cluster.broker)).toEqual([1, 2]);
    });

    test('leaves nothing that would keep the process alive', async () => {
      // Not by a helper that waits with timers of its own.
      const socketsAreClosed = async (): Promise<void> => {
        while (countOf('TCPSocketWrap') > otherSocketCount) await new Promise((resolve) => setImmediate(resolve));
      };
      await cluster.stop();
      await socketsAreClosed();
      const timerCount = countOf('Timeout');
      cluster = await startScriptedCluster(2);
      const pop = new ScriptedPop(cluster.broker);
      new ScriptedPop(cluster.brokers[1] ?? cluster.broker, 'broker-b');
      const client = cluster.client();
      const consumer = client.popConsumer({ ...consumerDefaults, renewalDurationMs: 600_000 });
      await consumer.open(soon());
      pop.arriveOffsets(1, 2, 3);
      const stream = consumer.stream({ messagesMax: 10, signal: new AbortController().signal });
      const [first] = await read(stream, 2);
      if (first === undefined) throw new Error('no message');
      await consumer.ack(first.receipt, soon());
      const pending = await client.transactions.begin(message, undefined, soon());
      client.transactions.end(pending, TransactionOutcome.COMMIT);
      expect(countOf('TCPSocketWrap')).toBeGreaterThan(otherSocketCount);
      await client.close();
      await socketsAreClosed();
      // The test runner has one of its own now and then.
      expect(countOf('Timeout')).toBeLessThanOrEqual(timerCount);
    });

    test('ends consumers that poll, and makes no more of them', async () => {
      const client = cluster.client();
      const options = {
        group: 'g',
        messageModel: 'CLUSTERING',
        from: { kind: 'first' },
        strategy: averageAllocation,
        autoCommit: true,
        suspendDurationMs: 1_000,
      } as const;
      const [one, other] = await Promise.all([client.litePullConsumer(options), client.litePullConsumer(options)]);
      expect(client.consumerCount).toBe(2);
      await one.close();
      expect(client.consumerCount).toBe(1);
      const polled = other.poll(1, soon());
      await Promise.all([client.close(), expect(polled).rejects.toMatchObject({ kind: 'closed' })]);
      expect(client.consumerCount).toBe(0);
      await expect(client.litePullConsumer(options)).rejects.toMatchObject({ kind: 'closed' });
    });

    test('a second time is the first time', async () => {
      const client = cluster.client();
      expect(client.close()).toBe(client.close());
      await client.close();
      await expect(client.checkTopic('topic', soon())).rejects.toMatchObject({ kind: 'closed' });
      await expect(client.popConsumer(consumerDefaults).open(soon())).rejects.toMatchObject({ kind: 'closed' });
    });
  });
});
