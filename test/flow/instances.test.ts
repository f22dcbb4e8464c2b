import { Code, ConnectError } from '@connectrpc/connect';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { Sealer } from '../../src/proxy/session/seal.ts';
import { RequestCode } from '../../src/remoting/request-code.ts';
import { releasedOffsets, type ScriptedCluster, type ScriptedPop } from '../support/scripted-cluster.ts';
import { clientOf, type ProxyClient, startTestCluster, startTestProxy } from '../support/started-proxy.ts';

const { ACK_MESSAGE, CHANGE_MESSAGE_INVISIBLE_TIME } = RequestCode;

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'OK';
  } catch (error) {
    return Code[ConnectError.from(error).code] ?? '';
  }
}

describe('instances with one seal key', () => {
  let cluster: ScriptedCluster;
  let pop: ScriptedPop;
  let endpoint: string;
  let one: ProxyClient;
  let other: ProxyClient;

  beforeEach(async () => {
    ({ cluster, pop } = await startTestCluster());
    endpoint = cluster.nameServer.address;
    one = clientOf((await startTestProxy()).port);
    other = clientOf((await startTestProxy()).port);
  });

  const consumer = { topic: 'topic', groupId: 'g' };

  it('send for each other’s producers', async () => {
    const { producerId } = await one.createProducer({ endpoint, topic: 'topic' });
    for (const client of [one, other]) {
      expect((await client.sendMessage({ producerId, messageBody: 'x' })).success).toBe(true);
    }
  });

  it('receive and acknowledge for each other’s consumers', async () => {
    const { consumerId } = await one.createConsumer({ endpoint, ...consumer });
    const stream = other.receiveMessages({ consumerId })[Symbol.asyncIterator]();
    pop.arriveOffsets(5);
    const { value } = await stream.next();
    expect(await one.ackMessage({ consumerId, receiptHandle: value.receiptHandle })).toMatchObject({ success: true });
    expect((await cluster.broker.request(ACK_MESSAGE)).extFields['offset']).toBe('5');
  });

  it('serve ids on after the one that made them has gone', async () => {
    const { proxy, port } = await startTestProxy();
    const { producerId } = await clientOf(port).createProducer({ endpoint, topic: 'topic' });
    const { consumerId } = await clientOf(port).createConsumer({ endpoint, ...consumer });
    await proxy.close(0);
    expect((await one.sendMessage({ producerId, messageBody: 'x' })).success).toBe(true);
    pop.arriveOffsets(1);
    for await (const { messageBody } of one.receiveMessages({ consumerId })) {
      expect(messageBody).toBe('1');
      break;
    }
  });

  it('do not serve ids and handles of those with another key', async () => {
    const stranger = clientOf((await startTestProxy({ sealer: new Sealer([Buffer.alloc(32, 'strange')]) })).port);
    const { producerId } = await stranger.createProducer({ endpoint, topic: 'topic' });
    const { consumerId } = await stranger.createConsumer({ endpoint, ...consumer });
    expect(await codeOf(one.sendMessage({ producerId, messageBody: 'x' }))).toBe('NotFound');
    expect(await codeOf(one.ackMessage({ consumerId, receiptHandle: 'x' }))).toBe('NotFound');
    pop.arriveOffsets(1);
    const stream = stranger.receiveMessages({ consumerId })[Symbol.asyncIterator]();
    const { receiptHandle } = (await stream.next()).value;
    const own = await one.createConsumer({ endpoint, ...consumer });
    expect(await codeOf(one.ackMessage({ consumerId: own.consumerId, receiptHandle }))).toBe('InvalidArgument');
  });
});

describe('one instance', { timeout: 30_000 }, () => {
  it('shares one connection to each server among all producers and consumers of a cluster', async () => {
    const { cluster } = await startTestCluster();
    const { port, proxy } = await startTestProxy();
    const endpoint = cluster.nameServer.address;
    const client = clientOf(port);
    const work = Array.from({ length: 50 }, async (_, index) => {
      const { producerId } = await client.createProducer({
        endpoint: index % 2 === 0 ? endpoint : `http://${endpoint}/`,
        topic: 'topic',
      });
      await client.sendMessage({ producerId, messageBody: 'x' });
      await client.createConsumer({ endpoint, topic: 'topic', groupId: `g${index}` });
    });
    await Promise.all(work);
    expect([cluster.nameServer, cluster.broker].map(({ connections }) => connections.length)).toEqual([1, 1]);
    expect(proxy.metrics.snapshot()).toMatchObject({ active_producers: 50, active_consumers: 50, messages_sent: 50 });
  });

  it('closes connections that nobody used for five minutes, and opens them again', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
    onTestFinished(() => void vi.useRealTimers());
    const { cluster } = await startTestCluster();
    const { port } = await startTestProxy();
    const client = clientOf(port);
    const { producerId } = await client.createProducer({ endpoint: cluster.nameServer.address, topic: 'topic' });
    vi.advanceTimersByTime(310_000);
    await cluster.broker.until(() => cluster.broker.openConnections.length === 0);
    await cluster.nameServer.until(() => cluster.nameServer.openConnections.length === 0);
    // The client's own connection has gone as well.
    expect((await clientOf(port).sendMessage({ producerId, messageBody: 'x' })).success).toBe(true);
  });

  it('does not give back what was acknowledged through another consumer of the group', async () => {
    const { cluster, pop } = await startTestCluster();
    const { port } = await startTestProxy();
    const client = clientOf(port);
    const request = { endpoint: cluster.nameServer.address, topic: 'topic', groupId: 'g' };
    const [receiver, acker] = [await client.createConsumer(request), await client.createConsumer(request)];
    const gone = new AbortController();
    const stream = client
      .receiveMessages({ consumerId: receiver.consumerId }, { signal: gone.signal })
      [Symbol.asyncIterator]();
    pop.arriveOffsets(1, 2);
    const { receiptHandle } = (await stream.next()).value;
    await stream.next();
    await client.ackMessage({ consumerId: acker.consumerId, receiptHandle });
    gone.abort();
    await cluster.broker.request(CHANGE_MESSAGE_INVISIBLE_TIME);
    await expect(stream.next()).rejects.toThrow();
    expect(releasedOffsets(cluster.broker)).toEqual([2]);
  });
});
