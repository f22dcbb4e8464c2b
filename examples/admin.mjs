// Makes a topic and a group, looks up a message, moves the group, and cleans up: `node examples/admin.mjs [name server]`.
import { RocketMQClient } from 'rocketmq-grpc-proxy/client';

const [nameServers = '127.0.0.1:9876'] = process.argv.slice(2);
const client = new RocketMQClient({ nameServers });
const admin = client.admin();
await admin.createTopic('invoices', { queueCount: 2 });
await admin.createGroup('bookkeeping', { retryMaxTimes: 3 });
// Name servers hear of a topic a moment later.
while (!(await admin.topics()).includes('invoices')) await new Promise((resolve) => setTimeout(resolve, 100));

const { messageId } = await client.producer().send({ topic: 'invoices', body: 'invoice 1', keys: '1' });
for (;;) {
  // Brokers find what they stored a moment later.
  const found = await client.queries().byMessageId('invoices', messageId);
  if (found === undefined) await new Promise((resolve) => setTimeout(resolve, 100));
  else {
    console.log('found', found.text(), 'with key', found.keys.join());
    break;
  }
}

const queues = await admin.topicOffsets('invoices');
console.log('messages:', Number(queues.reduce((sum, { minOffset, maxOffset }) => sum + maxOffset - minOffset, 0n)));
// Whatever was not received yet is passed over.
await admin.resetOffsets('bookkeeping', 'invoices', 'last');

await admin.deleteGroup('bookkeeping');
await admin.deleteTopic('invoices');
await client.close();
