import { randomBytes } from 'node:crypto';
import { type ClientHttp2Stream, connect, constants } from 'node:http2';
import { create, toBinary } from '@bufbuild/protobuf';
import { it, onTestFinished } from 'vitest';
import { ReceiveMessagesRequestSchema } from '../../src/gen/rocketmq/rocketmq_pb.ts';
import { startTestEngine } from '../support/engine-client.ts';
import { ProxyClient, type Subscription } from '../support/grpc-client.ts';
import { envelope } from '../support/http-client.ts';
import { startProxyProcess } from '../support/proxy-process.ts';
import { largest, percentile, Row } from './figures.ts';

const messageCount = 4;
const unreadCount = 100;
/** Of a body that no producer could compress: 4 MiB less what surrounds it. */
const bodyBytes = 4_128_768;
/** A proxy in a process of its own before an engine in this one. */
async function startTested(settings: Readonly<Record<string, string>>) {
  // What a reader did not take by pull is sent back, as a message of its own: the first ones must not go meanwhile.
  const { engine, nameServer } = await startTestEngine({ retentionBytes: 2 ** 30 });
  const proxy = await startProxyProcess({ ROCKETMQ_ENDPOINT: nameServer, ...settings });
  onTestFinished(() => proxy.stop());
  const client = new ProxyClient(proxy.address);
  onTestFinished(() => client.close());
  return { engine, proxy, client };
}

/** Opens a stream on a connection of its own, and never reads from it. */
function openUnread(address: string, consumerId: string): ClientHttp2Stream {
  const session = connect(`http://${address}`);
  session.on('error', () => {});
  onTestFinished(() => session.destroy());
  const stream = session.request({
    ':method': 'POST',
    ':path': '/rocketmq.RocketMQProxy/ReceiveMessages',
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  stream.on('error', () => {});
  stream.end(envelope(toBinary(ReceiveMessagesRequestSchema, create(ReceiveMessagesRequestSchema, { consumerId }))));
  return stream;
}

/** Sends messages one after the other, each when the one before was received and acknowledged. @returns how long each took, in ms. */
async function roundTrips(
  tripCount: number,
  client: ProxyClient,
  producer_id: string,
  other: Subscription,
): Promise<number[]> {
  const times: number[] = [];
  for (let count = 0; count < tripCount; count += 1) {
    const startMs = performance.now();
    await client.send('SendMessage', { producer_id, message_body: String(count) });
    const [message] = await other.stream.take(1);
    times.push(performance.now() - startMs);
    if (message !== undefined) await client.ack(other.consumerId, message);
  }
  return times;
}

/** How many different messages a new stream of the consumer gets that reads. */
async function readAll(client: ProxyClient, consumerId: string): Promise<number> {
  const stream = client.receive(consumerId);
  const ids = new Set<string>();
  while (ids.size < messageCount) {
    const [message] = await stream.take(1);
    if (message === undefined) break;
    ids.add(message.message_id);
    await client.ack(consumerId, message);
  }
  stream.cancel();
  return ids.size;
}

it.each([
  { row: 'R-30', mode: 'pop', tripCount: 100 },
  // Each is a member of a group of its own, with a reader for each queue.
  { row: 'R-30 by pull', mode: 'pull', tripCount: 10 },
])('$row: 100 streams that nobody reads, with messages of 4 MiB', { timeout: 400_000 }, async (tested) => {
  const { row, mode, tripCount } = tested;
  const { proxy, client } = await startTested({ PROXY_CONSUME_MODE: mode });
  const producer_id = await client.createProducer('large');
  const otherId = await client.createProducer('small');
  const ids = await Promise.all(
    Array.from({ length: unreadCount }, (_, index) => client.createConsumer('large', `g${index}`)),
  );
  for (let count = 0; count < messageCount; count += 1) {
    const message_body = randomBytes((bodyBytes / 4) * 3).toString('base64');
    await client.send('SendMessage', { producer_id, message_body });
  }
  const other = await client.subscribe('small', 'small');
  await roundTrips(tripCount, client, otherId, other);
  const alone = percentile(await roundTrips(tripCount, client, otherId, other), 99);
  const memory = async (): Promise<number> => (await proxy.metrics())['memory_usage_mb'] ?? 0;
  const before = await memory();
  const grown: number[] = [];
  const look = setInterval(() => void memory().then((now) => grown.push(now - before)), 100);
  onTestFinished(() => clearInterval(look));
  const unread = ids.map((id) => openUnread(proxy.address, id));
  const endedStreams = (): ClientHttp2Stream[] => unread.filter(({ closed }) => closed);
  const rounds: number[] = [];
  const endedCounts: number[] = [];
  // Nobody is ended any more when nobody waits.
  const isSettled = (): boolean => (endedCounts.at(-1) ?? 0) > 0 && endedCounts.at(-1) === endedCounts.at(-6);
  while (!isSettled()) {
    rounds.push(percentile(await roundTrips(tripCount, client, otherId, other), 99));
    endedCounts.push(endedStreams().length);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  clearInterval(look);
  const ended = endedStreams();
  const reset = ended.filter(({ rstCode }) => rstCode === constants.NGHTTP2_ENHANCE_YOUR_CALM);
  // Of another one, its own stream has a message still.
  const endedIds = ids.filter((_, index) => unread[index]?.closed);
  const samples = [endedIds.at(0), endedIds.at(-1)];
  const foundCounts: number[] = [];
  for (const id of samples) foundCounts.push(id === undefined ? 0 : await readAll(client, id));
  new Row(row)
    .tell('streams that nobody reads', unreadCount)
    .atMost('memory of the proxy gained, at most', largest(grown), 256, 'MB')
    .atLeast('of them ended for the others', ended.length, 1)
    .exactly('ended in another way than as RESOURCE_EXHAUSTED', ended.length - reset.length, 0)
    .tell('p99 of a message of others, alone', alone, 'ms')
    .atMost('the same beside them, in the median round', percentile(rounds, 50), 2 * alone + 20, 'ms')
    .tell('the same in the worst round', largest(rounds), 'ms')
    .exactly('messages lost', samples.length * messageCount - foundCounts.reduce((sum, count) => sum + count, 0), 0)
    .judge();
});
