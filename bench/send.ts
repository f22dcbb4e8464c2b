/** How many messages per second can be sent through the proxy, how long does each take, and what does it cost the proxy? */
import { call, type ProxyClient, percentile, printHead, printTable, type Run, startRun } from './run.ts';

const bodyBytes = 256;
const connectionCount = 4;
const warmUpMs = 4_000;
const measuredMs = 10_000;

const run = await startRun();
printHead(`Send: ${bodyBytes} B bodies, ${connectionCount} connections, SendMessage through grpc-js, real broker`);
const rows = [];
for (const inFlight of [1, 64, 512]) rows.push(await measure(run, inFlight));
printTable(rows);
await run.stop();

async function measure({ connect, proxyCpuMicros }: Run, inFlight: number) {
  const clients = Array.from({ length: Math.min(connectionCount, inFlight) }, connect);
  const [first] = clients;
  if (first === undefined) throw new Error('there is no connection');
  const { producer_id: producerId } = await call(first, 'CreateProducer', { topic: 'bench_send' });
  const request = {
    producer_id: producerId,
    message_body: 'x'.repeat(bodyBytes),
    tag: 'bench',
    properties: { properties: { a: '1', b: '2', c: '3' }, message_key: 'key' },
  };
  await load(clients, inFlight, request, warmUpMs);
  const cpuBefore = proxyCpuMicros();
  const startedMs = performance.now();
  const latencies = await load(clients, inFlight, request, measuredMs);
  const seconds = (performance.now() - startedMs) / 1_000;
  const cpu = proxyCpuMicros() - cpuBefore;
  for (const client of clients) client.close();
  latencies.sort((one, other) => one - other);
  return {
    'in flight': inFlight,
    'messages/s': Math.round(latencies.length / seconds),
    'p50 ms': percentile(latencies, 0.5).toFixed(2),
    'p99 ms': percentile(latencies, 0.99).toFixed(2),
    'proxy CPU µs/message': Math.round(cpu / latencies.length),
  };
}

/** Keeps so many calls in flight for a while; the time of each, in ms. A call that fails ends the benchmark. */
async function load(clients: readonly ProxyClient[], inFlight: number, request: object, durationMs: number) {
  const latencies: number[] = [];
  const untilMs = performance.now() + durationMs;
  const sender = async (client: ProxyClient): Promise<void> => {
    for (let nowMs = performance.now(); nowMs < untilMs; ) {
      await call(client, 'SendMessage', request);
      const doneMs = performance.now();
      latencies.push(doneMs - nowMs);
      nowMs = doneMs;
    }
  };
  const senders = Array.from({ length: inFlight }, (_, index) => clients[index % clients.length]);
  await Promise.all(senders.map((client) => client && sender(client)));
  return latencies;
}
