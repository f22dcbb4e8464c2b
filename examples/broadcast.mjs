// Every process gets every message, and goes on where it was: `node examples/broadcast.mjs [name server] [folder] [name of this process]`.
import { RocketMQClient } from 'rocketmq-grpc-proxy/client';

const [nameServers = '127.0.0.1:9876', directory = 'offsets', clientId = 'process-1'] = process.argv.slice(2);
const client = new RocketMQClient({ nameServers });
const consumer = client.pushConsumer({
  group: 'caches',
  // Brokers keep no places for broadcasts: this process does, in a file of its own.
  broadcast: { directory, clientId },
  handler: (message) => console.log('received', message.text()),
});
await consumer.subscribe('settings');
console.log('ready');

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => client.close());
