import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { quickRedelivery } from '../rocketmq/cluster.ts';
import { failureOf, ProxyClient } from '../support/grpc-client.ts';
import { type ProxyProcess, startProxyProcess, type TestedProxy } from '../support/proxy-process.ts';
import { startGateway, startSilentPeer } from '../support/tcp-peers.ts';
import { describeOnTarget, lacks, startProxy, startTarget, type Target } from './target.ts';

const times = (count: number): string[] => Array.from({ length: count }, (_, index) => String(index));

describeOnTarget('operating the proxy', () => {
  let cluster: Target;
  const started: TestedProxy[] = [];

  beforeAll(async () => {
    cluster = await startTarget({ apache: quickRedelivery });
  });

  afterAll(async () => {
    await Promise.all(started.map((proxy) => proxy.stop()));
    await cluster?.stop();
  });

  async function start(settings: Readonly<Record<string, string>>): Promise<TestedProxy> {
    const proxy = await startProxy(settings);
    started.push(proxy);
    return proxy;
  }

  async function startProcess(settings: Readonly<Record<string, string>>): Promise<ProxyProcess> {
    const proxy = await startProxyProcess(settings);
    started.push(proxy);
    return proxy;
  }

  async function statusOf(proxy: TestedProxy, path: string): Promise<number> {
    return (await fetch(`${proxy.statusUrl}${path}`)).status;
  }

  async function becomesReady(proxy: TestedProxy, status: 200 | 503): Promise<void> {
    await vi.waitUntil(async () => (await statusOf(proxy, '/readyz')) === status, { timeout: 20_000, interval: 100 });
  }

  test.concurrent('every published field of /metrics moves with real traffic', async () => {
    const topic = 'metrics';
    await cluster.createTopic(topic, { queueCount: 1 });
    const proxy = await start({ ROCKETMQ_ENDPOINT: cluster.nameServer, MESSAGE_BUFFER_SIZE: '5' });
    expect(await proxy.metrics()).toMatchObject({
      active_connections: 0,
      total_connections: 0,
      active_producers: 0,
      active_consumers: 0,
      messages_sent: 0,
      messages_received: 0,
      messages_per_second: 0,
      avg_response_time_ms: 0,
      error_count: 0,
      goroutine_count: 0,
      memory_usage_mb: expect.any(Number),
      channel_full_events: 0,
    });

    const client = new ProxyClient(proxy.address);
    const gone = new ProxyClient(proxy.address);
    await gone.call('HealthCheck', {});
    gone.close();
    const producer_id = await client.createProducer(topic);
    const { consumerId, stream } = await client.subscribe(topic, topic);
    for (const message_body of times(8)) await client.send('SendMessage', { producer_id, message_body });
    const messages = await stream.take(5);
    await failureOf(client.send('SendMessage', { producer_id: 'unknown', message_body: 'x' }));
    await vi.waitUntil(async () => (await proxy.metrics())['channel_full_events'] === 1, { timeout: 10_000 });
    const busy = await proxy.metrics();
    expect(busy).toMatchObject({
      active_connections: 1,
      total_connections: 2,
      active_producers: 1,
      active_consumers: 1,
      messages_sent: 8,
      messages_received: 5,
      error_count: 1,
      goroutine_count: 1,
    });
    expect(busy['avg_response_time_ms']).toBeGreaterThan(0);
    expect(busy['memory_usage_mb']).toBeGreaterThan(10);
    await vi.waitUntil(async () => {
      await client.send('SendMessage', { producer_id, message_body: 'more' });
      return Number((await proxy.metrics())['messages_per_second']) > 0;
    }, 10_000);

    // There is room again: the rest comes.
    await Promise.all(messages.map((message) => client.ack(consumerId, message)));
    await stream.take(3);
    await client.call('CleanupConsumer', { consumer_id: consumerId });
    await client.call('CleanupProducer', { producer_id });
    await stream.ended();
    expect(await proxy.metrics()).toMatchObject({ active_producers: 0, active_consumers: 0, goroutine_count: 0 });

    const text = await (await fetch(`${proxy.statusUrl}/metrics?format=prometheus`)).text();
    expect(text).toMatch(/^rocketmq_proxy_messages_sent_total [1-9]\d*$/m);
    expect(await (await fetch(`${proxy.statusUrl}/health`)).json()).toEqual({
      status: 'healthy',
      time: expect.any(String),
    });
    client.close();
  });

  test
    .skipIf(lacks('embedded', 'probes'))
    .concurrent('/readyz is 503 while the default endpoint is down, and 200 afterwards; /livez stays 200', async () => {
      await cluster.createTopic('ready', { queueCount: 1 });
      const gateway = await startGateway(cluster.nameServer);
      gateway.open = false;
      const proxy = await start({ ROCKETMQ_ENDPOINT: gateway.address });
      const client = new ProxyClient(proxy.address);
      await becomesReady(proxy, 503);
      expect(await failureOf(client.createProducer('ready'))).toEqual({
        code: 'UNAVAILABLE',
        details: expect.stringMatching(/^the default endpoint of this proxy/),
      });
      gateway.open = true;
      await becomesReady(proxy, 200);
      const producer_id = await client.createProducer('ready');
      gateway.open = false;
      await becomesReady(proxy, 503);
      expect(await statusOf(proxy, '/livez')).toBe(200);
      // Brokers are still there.
      await client.send('SendMessage', { producer_id, message_body: 'without a name server' });
      client.close();
      gateway.close();
    });

  test
    .skipIf(lacks('embedded', 'processes'))
    .concurrent(
      'SIGTERM: streams end with UNAVAILABLE, their messages go to others at once, calls under way are answered, exit code 0',
      async () => {
        const topic = 'drain';
        await cluster.createTopic(topic, { queueCount: 1 });
        const silent = await startSilentPeer();
        const proxy = await startProcess({ ROCKETMQ_ENDPOINT: cluster.nameServer });
        const other = await start({ ROCKETMQ_ENDPOINT: cluster.nameServer });
        const [client, otherClient] = [new ProxyClient(proxy.address), new ProxyClient(other.address)];
        const producer_id = await client.createProducer(topic);
        const { stream } = await client.subscribe(topic, topic);
        for (const message_body of times(5)) await client.send('SendMessage', { producer_id, message_body });
        await stream.take(5);
        const underWay = failureOf(client.createProducer(topic, { endpoint: silent.address }));
        await vi.waitUntil(async () => (await proxy.metrics())['goroutine_count'] === 2, { timeout: 10_000 });

        const stoppedAtMs = performance.now();
        proxy.kill('SIGTERM');
        expect(await stream.ended()).toMatchObject({ code: 14, details: expect.stringContaining('shutting down') });
        expect(await statusOf(proxy, '/readyz')).toBe(503);
        const next = await otherClient.subscribe(topic, topic);
        const again = await next.stream.take(5, 10_000);
        expect(again.map(({ message_body }) => message_body).sort()).toEqual(times(5));
        // It found that nobody answers there, which the shutdown gave it the time for.
        expect(await underWay).toEqual({ code: 'UNAVAILABLE', details: expect.stringContaining(silent.address) });
        expect(await proxy.exited).toEqual({ code: 0, signal: null });
        expect(performance.now() - stoppedAtMs).toBeLessThan(11_000);
        next.stream.cancel();
        client.close();
        otherClient.close();
        silent.close();
      },
    );

  test.skipIf(lacks('embedded', 'processes'))(
    'SIGTERM: a call that takes too long is cut off when the drain time is over, exit code 0',
    async () => {
      const silent = await Promise.all([startSilentPeer(), startSilentPeer(), startSilentPeer()]);
      const proxy = await startProcess({ PROXY_DRAIN_TIMEOUT: '1s' });
      const client = new ProxyClient(proxy.address);
      const endpoint = silent.map(({ address }) => address).join(';');
      const underWay = failureOf(client.createProducer('any', { endpoint }));
      await vi.waitUntil(async () => (await proxy.metrics())['goroutine_count'] === 1, { timeout: 10_000 });
      const stoppedAtMs = performance.now();
      proxy.kill('SIGTERM');
      expect(await proxy.exited).toEqual({ code: 0, signal: null });
      expect(performance.now() - stoppedAtMs).toBeLessThan(5_000);
      expect((await underWay).code).toBe('UNAVAILABLE');
      client.close();
      for (const peer of silent) peer.close();
    },
  );

  test
    .skipIf(lacks('embedded', 'processes'))
    .concurrent(
      'without ROCKETMQ_ENDPOINT: ready, says that there is no default one, serves clients that name theirs',
      async () => {
        await cluster.createTopic('named', { queueCount: 1 });
        const proxy = await startProcess({});
        expect(await proxy.logged('there is no default endpoint')).toMatchObject({ level: 'warn' });
        expect(await statusOf(proxy, '/readyz')).toBe(200);
        const client = new ProxyClient(proxy.address);
        for (const created of [client.createProducer('named'), client.createConsumer('named', 'named')]) {
          expect(await failureOf(created)).toEqual({
            code: 'INVALID_ARGUMENT',
            details: expect.stringMatching(/^endpoint is empty/),
          });
        }
        // As the SDK's users write it.
        const target = { endpoint: `http://${cluster.nameServer}` };
        const { stream } = await client.subscribe('named', 'named', target);
        const producer_id = await client.createProducer('named', target);
        await client.send('SendMessage', { producer_id, message_body: 'hello' });
        expect(await stream.take(1)).toMatchObject([{ message_body: 'hello' }]);
        client.close();
      },
    );

  test.concurrent('PROXY_ALLOWED_ENDPOINTS keeps clients from all others', async () => {
    const proxy = await start({ PROXY_ALLOWED_ENDPOINTS: cluster.nameServer });
    const client = new ProxyClient(proxy.address);
    await client.createProducer('allowed', { endpoint: cluster.nameServer });
    const refused = await failureOf(client.createProducer('allowed', { endpoint: '127.0.0.1:1' }));
    expect(refused).toEqual({ code: 'PERMISSION_DENIED', details: expect.stringContaining('127.0.0.1:1') });
    client.close();
  });
});
