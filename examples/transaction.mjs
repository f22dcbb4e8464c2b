// Sends messages that are delivered when the program's own work has succeeded: `node examples/transaction.mjs [name server]`.
import { RocketMQClient } from 'rocketmq-grpc-proxy/client';

const [nameServers = '127.0.0.1:9876'] = process.argv.slice(2);
const client = new RocketMQClient({ nameServers });

/**
 * Stands for a database: what was written down in the same transaction as the work.
 * @type {Set<string | undefined>}
 */
const paid = new Set();
let onChecked = () => {};
/** @type {Promise<void>} */
const checked = new Promise((resolve) => {
  onChecked = resolve;
});

const producer = client.transactionProducer({
  group: 'checkout',
  // Brokers ask any member of the group how a transaction ended that nobody told them of.
  check: (message) => {
    const state = paid.has(message.keys[0]) ? 'commit' : 'rollback';
    console.log('checked', message.keys[0], state);
    onChecked();
    return state;
  },
});

// The usual way: committed when the work returns, rolled back when it throws.
await producer.sendInTransaction({ topic: 'payments', body: 'order 1 is paid', keys: '1' }, async () => {
  paid.add('1');
});
console.log('committed 1');

// A process that crashed between its work and its commit: the check finds out.
await producer.send({ topic: 'payments', body: 'order 2 is paid', keys: '2' });
paid.add('2');
await checked;
await client.close();
