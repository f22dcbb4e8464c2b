import { expect, it, onTestFinished } from 'vitest';
import { findPort } from '../../src/proxy/port/listen.ts';
import { ProxyClient } from '../support/grpc-client.ts';
import { proxyOptions, startTestProxy } from '../support/started-proxy.ts';
import { TcpBalancer } from '../support/tcp-balancer.ts';
import { startEngine } from '../support/two-instances.ts';

const clientCount = 4;
/** Per client, each of which begins with one. */
const connectionsMin = 5;

it('connections of a bounded age fail no call and no stream, and move to an instance that joins', {
  timeout: 90_000,
}, async () => {
  const endpoint = await startEngine();
  const { listener } = proxyOptions();
  const aged = {
    ...listener,
    keepaliveIntervalMs: 50,
    connectionAgeMsMax: 200,
    limits: { ...listener.limits, sweepMs: 10 },
  };
  const first = await startTestProxy({ listener: aged });
  const port = await findPort({ host: '127.0.0.1', port: 0, portSetting: 'GRPC_PORT' });
  const balancer = await TcpBalancer.start([first.port, port].map((each) => `127.0.0.1:${each}`));
  onTestFinished(() => balancer.close());
  const clients = Array.from({ length: clientCount }, () => new ProxyClient(balancer.address));
  const receiver = new ProxyClient(balancer.address);
  onTestFinished(() => {
    for (const client of [...clients, receiver]) client.close();
  });
  const producerId = await receiver.createProducer('aged', { endpoint });
  const stream = receiver.receive(await receiver.createConsumer('aged', 'aged-group', { endpoint }));
  let sentCount = 0;
  let isSending = true;
  const sends = Promise.all(
    clients.map(async (client) => {
      for (; isSending; sentCount += 1)
        await client.send('SendMessage', { producer_id: producerId, message_body: 'x'.repeat(10_000) });
    }),
  );
  const isDone = async (read: () => boolean): Promise<void> =>
    Promise.race([expect.poll(read, { timeout: 30_000 }).toBe(true), sends.then(() => {})]);
  await isDone(() => first.proxy.metrics.snapshot().total_connections >= clientCount * connectionsMin);
  const second = await startTestProxy({ listener: { ...aged, port } });
  await isDone(() => second.proxy.metrics.snapshot().messages_sent > 20);
  isSending = false;
  await sends;
  await stream.until((messages) => messages.length >= sentCount, 30_000);
  expect(stream.isOpen).toBe(true);
});
