// Sends messages straight to RocketMQ, without a proxy: `node examples/producer.mjs [name server]`.
import { RocketMQClient, RocketMQError } from 'rocketmq-grpc-proxy/client';

const [nameServers = '127.0.0.1:9876'] = process.argv.slice(2);
const client = new RocketMQClient({ nameServers });
try {
  const producer = client.producer();
  const { messageId } = await producer.send({ topic: 'orders', body: 'order 4711', tag: 'created', keys: '4711' });
  console.log('sent', messageId);

  // Messages of one sharding key are stored in one queue, in the order of their sends.
  for (const step of ['packed', 'shipped']) {
    await producer.send({ topic: 'orders', body: `order 4711 ${step}`, tag: step, shardingKey: '4711' });
  }
  // Level 1 is 1 s; `deliverAt` takes a Date, on brokers 5.x.
  await producer.send({ topic: 'orders', body: 'order 4711 reminder', tag: 'reminder', delayLevel: 1 });
  const batch = await producer.sendBatch(
    ['4712', '4713'].map((id) => ({ topic: 'orders', body: `order ${id}`, tag: 'created' })),
  );
  console.log('sent a batch of', batch.length);
} catch (error) {
  if (!(error instanceof RocketMQError)) throw error;
  console.error(error.code, error.message, error.retryable ? '(worth another try)' : '');
  process.exitCode = 1;
} finally {
  await client.close();
}
