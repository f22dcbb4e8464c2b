// Publishes messages through the proxy: `node examples/sdk-producer.mjs [proxy] [name servers]`.
import { MessageProperties, MQClient, MQError } from 'rocketmq-grpc-proxy';

// Without name servers the proxy uses its own: the embedded engine, or what its ROCKETMQ_ENDPOINT says.
const [grpcEndpoint = process.env.GRPC_ENDPOINT, endpoint = process.env.ROCKETMQ_ENDPOINT] = process.argv.slice(2);
try {
  const client = new MQClient({ grpcEndpoint, endpoint });
  const producer = await client.getProducer('', 'orders');
  const properties = new MessageProperties().messageKey('4711').putProperty('region', 'north');
  const { messageId } = await producer.publishMessage({ order: 4711 }, 'created', properties);
  console.log('sent', messageId);

  // Messages of one sharding key are stored in one queue, in the order in which they were published.
  const steps = ['packed', 'shipped'];
  await Promise.all(steps.map((step) => producer.publishOrderedMessage({ order: 4711, step }, step, null, '4711')));
  console.log('sent in order', steps.join(', '));

  // A time needs brokers 5.x; all have levels, such as `{ delayTimeLevel: 1 }` for 1 s.
  await producer.publishDelayMessage('remember 4711', 'reminder', null, { startDeliverTime: Date.now() + 1_000 });
  console.log('sent for later');
  await client.close();
} catch (error) {
  if (!(error instanceof MQError)) throw error;
  console.error(error.message);
  process.exit(1);
}
