import { Code, ConnectError } from '@connectrpc/connect';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { EndpointPolicy } from '../../src/proxy/access/endpoint-policy.ts';
import { ListenError } from '../../src/proxy/port/listen.ts';
import { startProxy } from '../../src/proxy/proxy.ts';
import { RequestCode } from '../../src/remoting/request-code.ts';
import { releasedOffsets, type ScriptedCluster, type ScriptedPop } from '../support/scripted-cluster.ts';
import { deferred } from '../support/scripted-peer.ts';
import { clientOf, proxyOptions, startTestCluster, startTestProxy } from '../support/started-proxy.ts';

const { NOTIFICATION, SEND_MESSAGE_V2 } = RequestCode;

/** The name of the code with which a call ends. */
async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'OK';
  } catch (error) {
    return Code[ConnectError.from(error).code] ?? '';
  }
}

describe('a proxy', { timeout: 30_000 }, () => {
  let cluster: ScriptedCluster;
  let pop: ScriptedPop;
  let endpoint: string;

  beforeEach(async () => {
    ({ cluster, pop } = await startTestCluster());
    endpoint = cluster.nameServer.address;
  });

  const defaults = () => ({ endpoint, accessKeyId: '', accessKeySecret: '', instanceId: '' });

  it('is ready without a default endpoint, and leaves every cluster alone', async () => {
    const { proxy } = await startTestProxy();
    expect(proxy.ready()).toEqual({ ready: true });
    expect(cluster.nameServer.connections).toEqual([]);
  });

  it('is ready once its default endpoint has answered', async () => {
    const { proxy } = await startTestProxy({ defaults: defaults() });
    expect(proxy.ready().ready).toBe(false);
    await vi.waitFor(() => expect(proxy.ready()).toEqual({ ready: true }), { interval: 5, timeout: 20_000 });
  });

  it('that cannot listen says so, and leaves nothing behind', async () => {
    const { port } = await startTestProxy();
    const { listener, ...options } = proxyOptions({ defaults: defaults() });
    await expect(startProxy({ ...options, listener: { ...listener, port } })).rejects.toThrow(ListenError);
    expect(cluster.nameServer.connections).toEqual([]);
  });

  it('does not start with a default endpoint that its policy refuses', async () => {
    const policy = EndpointPolicy.create({
      host: '127.0.0.1',
      allowedEndpoints: 'other',
      allowedBrokers: undefined,
      defaultEndpoint: undefined,
    });
    await expect(startProxy(proxyOptions({ defaults: defaults(), policy }))).rejects.toThrow('is not allowed here');
  });

  it('tells operators of a broker that the policy keeps it from, once', async () => {
    const policy = EndpointPolicy.create({
      host: '127.0.0.1',
      allowedEndpoints: undefined,
      allowedBrokers: '10.0.0.0/8',
      defaultEndpoint: undefined,
    });
    const { port, log } = await startTestProxy({ policy });
    for (let count = 0; count < 3; count += 1) {
      expect(await codeOf(clientOf(port).createProducer({ endpoint, topic: 'topic' }))).toBe('Unavailable');
    }
    expect(log.lines.filter(({ message }) => message.includes('PROXY_ALLOWED_BROKERS'))).toEqual([
      {
        level: 'warn',
        fields: { address: cluster.broker.address },
        message: 'a name server sent us to a broker that is not allowed: add its address to PROXY_ALLOWED_BROKERS',
      },
    ]);
    expect(cluster.broker.connections).toEqual([]);
  });

  it('does not let old ids reach an endpoint that is no longer allowed', async () => {
    const { port } = await startTestProxy();
    const { producerId } = await clientOf(port).createProducer({ endpoint, topic: 'topic' });
    const policy = EndpointPolicy.create({
      host: '127.0.0.1',
      allowedEndpoints: 'other',
      allowedBrokers: '*',
      defaultEndpoint: undefined,
    });
    const { port: stricter } = await startTestProxy({ policy });
    expect(await codeOf(clientOf(stricter).sendMessage({ producerId, messageBody: 'x' }))).toBe('PermissionDenied');
    expect(await codeOf(clientOf(port).sendMessage({ producerId, messageBody: 'x' }))).toBe('OK');
  });

  it('lets go of what is idle by itself', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
    onTestFinished(() => void vi.useRealTimers());
    const { port, proxy } = await startTestProxy({ consumerIdleMs: 6_000 });
    const client = clientOf(port);
    const { consumerId } = await client.createConsumer({ endpoint, topic: 'topic', groupId: 'g' });
    await client.createProducer({ endpoint, topic: 'topic' });
    expect(proxy.metrics.snapshot()).toMatchObject({ active_consumers: 1, active_producers: 1 });
    // No further than the sweep that finds it idle: what that begins has deadlines by the same clock.
    vi.advanceTimersByTime(10_000);
    await cluster.broker.request(RequestCode.UNREGISTER_CLIENT);
    expect(proxy.metrics.snapshot()).toMatchObject({ active_consumers: 0, active_producers: 1 });
    // The consumer id stays good, its stream starts anew.
    pop.arriveOffsets(1);
    for await (const { messageBody } of client.receiveMessages({ consumerId })) {
      expect(messageBody).toBe('1');
      break;
    }
  });

  describe('that shuts down', () => {
    it('is not ready, ends streams as unavailable, gives back their messages, and lets calls end', {
      timeout: 30_000,
    }, async () => {
      const { port, proxy } = await startTestProxy();
      const client = clientOf(port);
      const { producerId } = await client.createProducer({ endpoint, topic: 'topic' });
      const { consumerId } = await client.createConsumer({ endpoint, topic: 'topic', groupId: 'g' });
      const stream = client.receiveMessages({ consumerId })[Symbol.asyncIterator]();
      pop.arriveOffsets(1);
      await stream.next();
      const streamEnd = codeOf(stream.next());
      await cluster.broker.request(NOTIFICATION);
      const stored = deferred<undefined>();
      cluster.broker.on(SEND_MESSAGE_V2, async (request) => {
        await stored.promise;
        return { extFields: { msgId: `${'0'.repeat(32)}`, queueId: request.extFields['e'] ?? '', queueOffset: '0' } };
      });
      const sending = client.sendMessage({ producerId, messageBody: 'x' });
      await cluster.broker.request(SEND_MESSAGE_V2);

      const closed = proxy.close(3_000);
      expect(proxy.ready()).toEqual({ ready: false, reason: 'the proxy is shutting down' });
      expect(await streamEnd).toBe('Unavailable');
      stored.resolve(undefined);
      expect((await sending).success).toBe(true);
      await closed;
      expect(releasedOffsets(cluster.broker)).toEqual([1]);
      expect(await codeOf(clientOf(port).healthCheck({}))).toBe('Unavailable');
      await cluster.broker.until(() => cluster.broker.openConnections.length === 0);
      await cluster.nameServer.until(() => cluster.nameServer.openConnections.length === 0);
    });

    it('waits no longer than it is told', async () => {
      const { port, proxy } = await startTestProxy();
      const client = clientOf(port);
      const { producerId } = await client.createProducer({ endpoint, topic: 'topic' });
      cluster.broker.on(SEND_MESSAGE_V2, () => undefined);
      const sending = codeOf(client.sendMessage({ producerId, messageBody: 'x' }));
      await cluster.broker.request(SEND_MESSAGE_V2);
      const startedMs = performance.now();
      await proxy.close(100);
      expect(performance.now() - startedMs).toBeLessThan(5_000);
      expect(await sending).not.toBe('OK');
      await proxy.close(100);
    });

    it('does not wait for a broker that takes no message back', async () => {
      const { port, proxy, log } = await startTestProxy();
      const client = clientOf(port);
      const { consumerId } = await client.createConsumer({ endpoint, topic: 'topic', groupId: 'g' });
      const stream = client.receiveMessages({ consumerId })[Symbol.asyncIterator]();
      pop.arriveOffsets(1);
      await stream.next();
      const streamEnd = codeOf(stream.next());
      cluster.broker.on(RequestCode.CHANGE_MESSAGE_INVISIBLE_TIME, () => undefined);
      const startedMs = performance.now();
      await proxy.close(100);
      expect(performance.now() - startedMs).toBeLessThan(4_000);
      expect(await streamEnd).not.toBe('OK');
      expect(log.troubles).toContain('some messages could not be given back in time');
    });
  });
});
