// Sends one message through the proxy and receives it: `node examples/send-and-receive.mjs [proxy] [name server]`.
// Without a name server the proxy uses its own: the embedded engine, or what ROCKETMQ_ENDPOINT says.
import { credentials, loadPackageDefinition, status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const [proxy = '127.0.0.1:50051', endpoint = ''] = process.argv.slice(2);
const definition = loadSync('proto/rocketmq/rocketmq.proto', { keepCase: true, longs: String, defaults: true });
const { RocketMQProxy } = loadPackageDefinition(definition).rocketmq;
const client = new RocketMQProxy(proxy, credentials.createInsecure());

/** One call as a promise. */
const call = (method, request) =>
  new Promise((resolve, reject) => {
    client[method](request, (error, reply) => (error ? reject(error) : resolve(reply)));
  });

const { producer_id } = await call('CreateProducer', { endpoint, topic: 'orders' });
const { consumer_id } = await call('CreateConsumer', { endpoint, topic: 'orders', group_id: 'billing' });
const { message_id } = await call('SendMessage', { producer_id, message_body: 'order 4711', tag: 'created' });
console.log('sent', message_id);

const stream = client.ReceiveMessages({ consumer_id });
stream.on('data', async (message) => {
  console.log('received', message.message_id, message.tag, message.message_body);
  await call('AckMessage', { consumer_id, receipt_handle: message.receipt_handle });
  if (message.message_id === message_id) stream.cancel();
});
stream.on('error', (error) => {
  if (error.code !== status.CANCELLED) console.error(error.details);
  client.close();
});
