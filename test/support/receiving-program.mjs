// A consumer in a process of its own, to be killed or frozen: node receiving-program.mjs HOST:PORT CONSUMER_ID
// Writes the body of each message that comes as one line, and acknowledges nothing.
import { fileURLToPath } from 'node:url';
import { credentials, loadPackageDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const [, , address, consumerId] = process.argv;
const definition = loadSync(fileURLToPath(new URL('published.proto', import.meta.url)), { keepCase: true });
const { RocketMQProxy } = loadPackageDefinition(definition).rocketmq;
const client = new RocketMQProxy(address, credentials.createInsecure());
const stream = client.ReceiveMessages({ consumer_id: consumerId });
stream.on('data', (message) => process.stdout.write(`${message.message_body}\n`));
stream.on('error', (error) => {
  process.stderr.write(`${error}\n`);
  process.exitCode = 1;
});
