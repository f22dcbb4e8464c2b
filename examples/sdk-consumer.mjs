// Handles messages that come through the proxy, until Ctrl-C or SIGTERM: `node examples/sdk-consumer.mjs [proxy] [name servers]`.
import { MQClient, MQError } from 'rocketmq-grpc-proxy';

const [grpcEndpoint = process.env.GRPC_ENDPOINT, endpoint = process.env.ROCKETMQ_ENDPOINT] = process.argv.slice(2);
try {
  const client = new MQClient({ grpcEndpoint, endpoint });
  const consumer = await client.getConsumer('', 'orders', 'shipping', 'created || packed || shipped', {
    concurrency: 8,
    // A message is done when the handler has returned; what throws comes again: after 1 s, 2 s, 4 s, …
    autoAck: true,
  });
  consumer.onMessage(({ messageId, tag, body }) => console.log('received', messageId, tag, body));
  // A stream that breaks is opened again by itself.
  consumer.startReceiving().on('error', (error) => console.error(error.message));
  console.log('ready');

  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, async () => {
      // Waits for handlers that run; the process then ends by itself.
      await client.close();
      console.log('closed');
    });
  }
} catch (error) {
  if (!(error instanceof MQError)) throw error;
  console.error(error.message);
  process.exit(1);
}
