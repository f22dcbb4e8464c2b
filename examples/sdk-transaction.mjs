// Publishes messages through the proxy that are delivered when some work has succeeded: `node examples/sdk-transaction.mjs [proxy] [name servers]`.
// The second message takes up to 40 s, since brokers ask so seldom.
import { MessageProperties, MQClient, MQError } from 'rocketmq-grpc-proxy';

const [grpcEndpoint = process.env.GRPC_ENDPOINT, endpoint = process.env.ROCKETMQ_ENDPOINT] = process.argv.slice(2);

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

try {
  const client = new MQClient({ grpcEndpoint, endpoint });
  const producer = await client.getProducer('', 'payments', {
    producerGroup: 'checkout',
    // Brokers ask any producer of the group how a transaction ended that nobody told them of.
    checker: ({ properties: { KEYS: order } }) => {
      const outcome = paid.has(order) ? 'commit' : 'rollback';
      console.log('checked', order, outcome);
      if (order === '2') onChecked();
      return outcome;
    },
  });
  const publish = (/** @type {string} */ order) =>
    producer.publishHalfMessage({ order, paid: true }, 'paid', new MessageProperties().messageKey(order));

  const transaction = await publish('1');
  paid.add('1');
  await transaction.commit();
  console.log('committed 1');

  // A process that crashed between its work and its commit: the check finds out.
  await publish('2');
  paid.add('2');
  await checked;
  await client.close();
} catch (error) {
  if (!(error instanceof MQError)) throw error;
  console.error(error.message);
  process.exit(1);
}
