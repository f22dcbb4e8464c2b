// Receives what there is, then ends: `node examples/simple-consumer.mjs [name server]`.
import { RocketMQClient } from 'rocketmq-grpc-proxy/client';

const [nameServers = '127.0.0.1:9876'] = process.argv.slice(2);
const client = new RocketMQClient({ nameServers });
const consumer = client.simpleConsumer({ group: 'audit', consumeFrom: 'first', invisibleDurationMs: 30_000 });
await consumer.subscribe('orders');

for (;;) {
  // Up to 16 messages, as soon as there is one; none when none came in 5 s.
  const messages = await consumer.receive(16, { timeoutMs: 5_000 });
  if (messages.length === 0) break;
  for (const message of messages) {
    console.log('received', message.messageId, message.text());
    // Until here nobody else of the group had it; without this it would come again after 30 s.
    await consumer.ack(message);
  }
}
await client.close();
