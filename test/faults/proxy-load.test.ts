import { it, onTestFinished, vi } from 'vitest';
import { startTestEngine } from '../support/engine-client.ts';
import { ProxyClient } from '../support/grpc-client.ts';
import { startProxyProcess } from '../support/proxy-process.ts';
import { largest, percentile, Row } from './figures.ts';

/** A proxy in a process of its own before an engine in this one. */
async function startTested() {
  const { engine, nameServer } = await startTestEngine();
  const proxy = await startProxyProcess({ ROCKETMQ_ENDPOINT: nameServer });
  onTestFinished(() => proxy.stop());
  const newClient = (): ProxyClient => {
    const client = new ProxyClient(proxy.address);
    onTestFinished(() => client.close());
    return client;
  };
  return { engine, proxy, newClient };
}

it('R-35: 1,000 streams receive from one topic', { timeout: 150_000 }, async () => {
  const streamCount = 1_000;
  const messageCount = 2_000;
  const { engine, proxy, newClient } = await startTested();
  const client = newClient();
  const producer_id = await client.createProducer('many');
  // Makes the topic: streams look for one that is not there only once in a while.
  await client.send('SendMessage', { producer_id, message_body: 'first' });
  const consumerId = await client.createConsumer('many', 'many');
  const receivers = [newClient(), newClient()];
  const streams = receivers.flatMap((receiver) =>
    Array.from({ length: streamCount / receivers.length }, () => receiver.receive(consumerId)),
  );
  const polls: number[] = [];
  const poll = setInterval(() => polls.push(engine.held.count), 5);
  onTestFinished(() => clearInterval(poll));
  await vi.waitUntil(async () => ((await proxy.metrics())['goroutine_count'] ?? 0) >= streamCount, 30_000);
  await vi.waitUntil(() => engine.held.count >= streamCount / 2, 30_000);
  const times: number[] = [];
  const received = (): string[] =>
    streams
      .flatMap(({ messages }) => messages.map(({ message_body }) => message_body))
      .filter((body) => body !== 'first');
  for (let sent = 0; sent < messageCount; sent += 100) {
    const sentMs = performance.now();
    const ids = Array.from({ length: 100 }, (_, index) => String(sent + index));
    await Promise.all(ids.map((message_body) => client.send('SendMessage', { producer_id, message_body })));
    await vi.waitUntil(() => received().length >= sent + 100, { timeout: 30_000, interval: 5 });
    times.push(performance.now() - sentMs);
  }
  const bodies = received();
  new Row('R-35')
    .exactly('streams open at the end', streams.filter(({ isOpen }) => isOpen).length, streamCount)
    .atMost('polls that wait at the broker, most', largest(polls), streamCount)
    .exactly('messages of 2,000 received', new Set(bodies).size, messageCount)
    .exactly('of them more than once', bodies.length - messageCount, 0)
    .tell('streams that got one', streams.filter(({ messages }) => messages.length > 0).length)
    .tell('p50 of a hundred, sent and received', percentile(times, 50), 'ms')
    .tell('memory of the proxy', (await proxy.metrics())['memory_usage_mb'] ?? 0, 'MB')
    .judge();
  for (const stream of streams) stream.cancel();
});
