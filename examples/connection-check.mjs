// Says what of the way to RocketMQ works, step by step: `node examples/connection-check.mjs [proxy] [name servers]`.
import { MQClient } from 'rocketmq-grpc-proxy';

const [grpcEndpoint = process.env.GRPC_ENDPOINT, endpoint = process.env.ROCKETMQ_ENDPOINT] = process.argv.slice(2);
const topic = 'connection-check';
const waitMs = 30_000;

/**
 * @template T
 * @param {string} name
 * @param {() => T | Promise<T>} work
 */
async function step(name, work) {
  const start = performance.now();
  try {
    const result = await work();
    console.log('ok:', name, `(${Math.round(performance.now() - start)} ms)`);
    return result;
  } catch (error) {
    console.error(`failed: ${name}: ${error instanceof Error ? error.message : error}`);
    process.exit(1);
  }
}

const client = await step('the addresses are well formed', () => new MQClient({ grpcEndpoint, endpoint }));
await step('a proxy answers', () => client.healthCheck());
const producer = await step('it reaches RocketMQ', () => client.getProducer('', topic));
const consumer = await step('a group may receive', () =>
  client.getConsumer('', topic, topic, '*', { consumeFrom: 'first' }),
);
await step('a message comes back', async () => {
  const { messageId } = await producer.publishMessage('are you there?');
  for await (const message of consumer.messages({ signal: AbortSignal.timeout(waitMs) })) {
    await consumer.ackMessage(message.receiptHandle);
    if (message.messageId === messageId) return;
  }
  throw new Error(`it did not come within ${waitMs} ms`);
});
await client.close();
