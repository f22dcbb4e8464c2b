// A producer of transactions in a process of its own, to be killed: node transaction-program.mjs NAME_SERVERS TOPIC GROUP ID...
// Commits the first, the third and so on, and rolls the others back.
import { RocketMQClient } from 'rocketmq-grpc-proxy/client';

const [, , nameServers, topic, group, ...ids] = process.argv;
const client = new RocketMQClient({ nameServers });
const producer = client.transactionProducer({ group, check: () => 'unknown' });
for (const [index, body] of ids.entries()) {
  const end = (transaction) => (index % 2 === 0 ? transaction.commit() : transaction.rollback());
  producer.send({ topic, body }).then(end, () => {});
}
