// Reads what was sent in the last hour, at its own pace, and leaves no trace at the brokers: `node examples/lite-pull-consumer.mjs [name server]`.
import { RocketMQClient } from 'rocketmq-grpc-proxy/client';

const [nameServers = '127.0.0.1:9876'] = process.argv.slice(2);
const client = new RocketMQClient({ nameServers });
const consumer = client.litePullConsumer({ group: 'report', autoCommit: false });

// Queues that are assigned are read whoever else reads them; `subscribe` would share them with the group.
const queues = await consumer.queuesOf('orders');
await consumer.assign(queues);
const anHourAgo = new Date(Date.now() - 3_600_000);
await Promise.all(queues.map((queue) => consumer.seek(queue, anHourAgo)));

for (;;) {
  const messages = await consumer.poll(32, { timeoutMs: 3_000 });
  if (messages.length === 0) break;
  for (const message of messages) console.log('read', message.queueId, message.queueOffset, message.text());
}
await client.close();
