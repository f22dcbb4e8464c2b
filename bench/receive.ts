/** How many messages per second can be received and acknowledged through the proxy, what does each cost it, and how late do they come? */

import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientReadableStream } from '@grpc/grpc-js';
import { call, type ProxyClient, percentile, printHead, printTable, type Run, startRun } from './run.ts';

const bodyBytes = 256;
const backlogCount = 30_000;
const sendsInFlight = 256;
const livePerSecond = 200;
const liveSeconds = 10;

interface Message {
  readonly receipt_handle: string;
  readonly message_body: string;
}

const run = await startRun();
printHead(`Receive: ${bodyBytes} B bodies, one stream, one AckMessage each, through grpc-js, real broker`);
const producer = run.connect();
const rows = [await measureBacklog(run, producer), await measureLive(run, producer)];
printTable(rows);
producer.close();
await run.stop();

/** A backlog, taken as fast as one stream can. */
async function measureBacklog({ connect, proxyCpuMicros }: Run, sender: ProxyClient) {
  const topic = 'bench_backlog';
  const { producer_id: producerId } = await call(sender, 'CreateProducer', { topic });
  const client = connect();
  // Before the messages, so that the new group starts at the first of them.
  await call(client, 'CreateConsumer', { topic, group_id: 'bench' });
  const request = { producer_id: producerId, message_body: 'x'.repeat(bodyBytes) };
  let left = backlogCount;
  const worker = async (): Promise<void> => {
    while (left-- > 0) await call(sender, 'SendMessage', request);
  };
  await Promise.all(Array.from({ length: sendsInFlight }, worker));

  const { consumer_id: consumerId } = await call(client, 'CreateConsumer', { topic, group_id: 'bench' });
  const cpuBefore = proxyCpuMicros();
  const startedMs = performance.now();
  await receive(client, consumerId ?? '', backlogCount, () => {});
  const seconds = (performance.now() - startedMs) / 1_000;
  client.close();
  return {
    case: `backlog of ${backlogCount}`,
    'messages/s': Math.round(backlogCount / seconds),
    'p50 ms': '–',
    'p99 ms': '–',
    'proxy CPU µs/message': Math.round((proxyCpuMicros() - cpuBefore) / backlogCount),
  };
}

/** Messages sent at a steady rate to a stream that waits: the time from the send to the arrival. */
async function measureLive({ connect, proxyCpuMicros }: Run, sender: ProxyClient) {
  const topic = 'bench_live';
  const { producer_id: producerId } = await call(sender, 'CreateProducer', { topic });
  await call(sender, 'SendMessage', { producer_id: producerId, message_body: String(performance.now()) });
  const client = connect();
  const { consumer_id: consumerId } = await call(client, 'CreateConsumer', { topic, group_id: 'bench' });
  const count = livePerSecond * liveSeconds;
  const latencies: number[] = [];
  const received = receive(client, consumerId ?? '', count + 1, ({ message_body }) => {
    latencies.push(performance.now() - Number(message_body));
  });
  const cpuBefore = proxyCpuMicros();
  const startedMs = performance.now();
  const sends = [];
  for (let sent = 0; sent < count; sent += 1) {
    await sleep(Math.max(0, startedMs + (sent * 1_000) / livePerSecond - performance.now()));
    sends.push(call(sender, 'SendMessage', { producer_id: producerId, message_body: String(performance.now()) }));
  }
  await Promise.all(sends);
  await received;
  const seconds = (performance.now() - startedMs) / 1_000;
  client.close();
  // The first message only made the topic.
  const sorted = latencies.slice(1).sort((one, other) => one - other);
  return {
    case: `live, ${livePerSecond} messages/s, send included`,
    'messages/s': Math.round(count / seconds),
    'p50 ms': percentile(sorted, 0.5).toFixed(2),
    'p99 ms': percentile(sorted, 0.99).toFixed(2),
    'proxy CPU µs/message': Math.round((proxyCpuMicros() - cpuBefore) / count),
  };
}

/** Receives and acknowledges so many messages on one stream. */
async function receive(client: ProxyClient, consumerId: string, count: number, each: (message: Message) => void) {
  const stream = client['ReceiveMessages']?.({ consumer_id: consumerId }) as ClientReadableStream<Message>;
  // Our own cancelling, once all is done.
  stream.on('error', () => {});
  const acks: Promise<unknown>[] = [];
  for await (const message of stream) {
    each(message);
    acks.push(call(client, 'AckMessage', { consumer_id: consumerId, receipt_handle: message.receipt_handle }));
    if (acks.length < count) continue;
    // Before the stream ends, which gives back what is not acknowledged.
    await Promise.all(acks);
    stream.cancel();
    break;
  }
}
