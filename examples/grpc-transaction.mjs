// Sends messages through the proxy that are delivered when some work has succeeded, and answers what RocketMQ asks:
// `node examples/grpc-transaction.mjs [proxy] [name servers]`. The second message takes up to 40 s, since brokers ask so seldom.
import { credentials, loadPackageDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const [proxy = process.env.GRPC_ENDPOINT ?? '127.0.0.1:50051', endpoint = process.env.ROCKETMQ_ENDPOINT ?? ''] =
  process.argv.slice(2);
const definition = loadSync('proto/rocketmq/rocketmq.proto', { keepCase: true, longs: String, defaults: true });
const { RocketMQProxy } = loadPackageDefinition(definition).rocketmq;
const client = new RocketMQProxy(proxy, credentials.createInsecure());

/** One call as a promise. */
const call = (method, request) =>
  new Promise((resolve, reject) => {
    client[method](request, (error, reply) => (error ? reject(error) : resolve(reply)));
  });

/** Stands for a database: what was written down in the same transaction as the work. */
const paid = new Set();

try {
  const { producer_id } = await call('CreateProducer', { endpoint, topic: 'payments' });
  const end = (transaction_handle, outcome) => call('EndTransaction', { producer_id, transaction_handle, outcome });
  const send = (order) => {
    const properties = { message_key: order };
    const message_body = `order ${order} is paid`;
    return call('SendTransactionMessage', { producer_id, message_body, properties, left_pending: true });
  };

  // Brokers ask any of these streams how a transaction ended that nobody told them of.
  const checks = client.ReceiveTransactionChecks({ producer_id });
  const answer = async ({ transaction_handle, properties }) => {
    const outcome = paid.has(properties.KEYS) ? 'COMMIT' : 'ROLLBACK';
    await end(transaction_handle, `TRANSACTION_OUTCOME_${outcome}`);
    console.log('checked', properties.KEYS, outcome);
    return properties.KEYS === '2';
  };
  const checked = new Promise((resolve, reject) => {
    checks.on('error', reject);
    checks.on('data', (check) => answer(check).then((isOver) => isOver && resolve(), reject));
  });

  const pay = async () => {
    const { transaction_handle } = await send('1');
    paid.add('1');
    await end(transaction_handle, 'TRANSACTION_OUTCOME_COMMIT');
    console.log('committed 1');

    // A process that crashed between its work and its commit: the check finds out.
    await send('2');
    paid.add('2');
  };
  await Promise.all([checked, pay()]);
  checks.cancel();
  client.close();
} catch (error) {
  console.error(error.details ?? error.message);
  process.exit(1);
}
