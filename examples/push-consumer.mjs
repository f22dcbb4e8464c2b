// Handles messages until it is told to end (Ctrl-C, SIGTERM): `node examples/push-consumer.mjs [name server]`.
import { RocketMQClient } from 'rocketmq-grpc-proxy/client';

const [nameServers = '127.0.0.1:9876'] = process.argv.slice(2);
const client = new RocketMQClient({ nameServers });
const consumer = client.pushConsumer({
  group: 'billing',
  concurrency: 8,
  // What returns is acknowledged; what throws comes again: after 10 s, 30 s, 1 min, …
  handler: async (message) => {
    console.log('received', message.messageId, message.tag, message.text());
  },
});
await consumer.subscribe('orders', 'created || packed || shipped');
console.log('ready');

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    // Waits for handlers that run; the process then ends by itself.
    await client.close();
    console.log('closed');
  });
}
