// How fast messages go through the proxy and back: `node examples/performance-check.mjs [proxy] [messages] [in flight]`.
import { MQClient, MQError } from 'rocketmq-grpc-proxy';

const [grpcEndpoint = process.env.GRPC_ENDPOINT, messageCount = '5000', inFlight = '64'] = process.argv.slice(2);
const count = Number(messageCount);
const topic = 'performance-check';
const run = String(Date.now());
const padding = 'x'.repeat(256);
const waitMs = 120_000;

/**
 * @param {string} what
 * @param {number[]} durationsMs
 * @param {number} start
 */
function report(what, durationsMs, start) {
  const rate = Math.round(durationsMs.length / ((performance.now() - start) / 1_000));
  const sorted = durationsMs.toSorted((a, b) => a - b);
  const [p50, p99] = [0.5, 0.99].map((part) => (sorted[Math.ceil(sorted.length * part) - 1] ?? 0).toFixed(1));
  console.log(`${what} ${sorted.length}: ${rate} messages/s, p50 ${p50} ms, p99 ${p99} ms`);
}

try {
  const client = new MQClient({ grpcEndpoint, endpoint: process.env.ROCKETMQ_ENDPOINT });
  const producer = await client.getProducer('', topic);
  const consumer = await client.getConsumer('', topic, topic, '*', { autoAck: true });
  const start = performance.now();

  /** @type {number[]} */
  const receivedMs = [];
  const allReceived = new Promise((resolve) => {
    consumer.onMessage(({ body }) => {
      const [sender, sentAt] = body.split(' ');
      // An earlier run may have left some behind.
      if (sender === run) receivedMs.push(performance.now() - Number(sentAt));
      if (receivedMs.length === count) resolve(undefined);
    });
  });
  consumer.startReceiving();
  const timer = setTimeout(() => {
    console.error(`only ${receivedMs.length} of ${count} messages came within ${waitMs} ms`);
    process.exit(1);
  }, waitMs);

  /** @type {number[]} */
  const sentMs = [];
  let begunCount = 0;
  const publishSome = async () => {
    while (begunCount < count) {
      begunCount += 1;
      const sentAt = performance.now();
      await producer.publishMessage(`${run} ${sentAt} ${padding}`);
      sentMs.push(performance.now() - sentAt);
    }
  };
  await Promise.all(Array.from({ length: Number(inFlight) }, publishSome));
  report('sent', sentMs, start);
  await allReceived;
  report('received', receivedMs, start);
  clearTimeout(timer);
  await client.close();
} catch (error) {
  if (!(error instanceof MQError)) throw error;
  console.error(error.message);
  process.exit(1);
}
