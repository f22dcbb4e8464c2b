// Asks a question and waits for its answer: `node examples/request-reply.mjs [name server]`.
import { RocketMQClient } from 'rocketmq-grpc-proxy/client';

const [nameServers = '127.0.0.1:9876'] = process.argv.slice(2);
const client = new RocketMQClient({ nameServers });
const producer = client.producer();

// Who answers is usually another program, in any language.
const consumer = client.pushConsumer({
  group: 'prices',
  handler: (message) => producer.reply(message, `${message.text()} costs 42`),
});
await consumer.subscribe('questions');

const reply = await producer.request({ topic: 'questions', body: 'tea' }, { timeoutMs: 10_000 });
console.log('answered:', reply.body.toString());
await client.close();
