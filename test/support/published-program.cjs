// A program as users of the published SDK have it: its calls, in its argument order, with its fields. A first line that loads the package stands
// before it. It publishes one message of each kind, receives all of them, and ends when nothing is left to do.
const config = {
  endpoint: process.env.ROCKETMQ_ENDPOINT,
  accessKeyId: 'key',
  accessKeySecret: 'secret',
  instanceId: 'instance',
  grpcEndpoint: process.env.GRPC_ENDPOINT,
};
const topic = process.env.TOPIC;

async function publish(client) {
  const producer = await client.getProducer(config.instanceId, topic);
  const order = { orderId: 'order-1', amount: 99.99 };
  let properties = new MessageProperties().putProperty('orderId', order.orderId).messageKey(order.orderId);
  const results = [await producer.publishMessage(order, 'order', properties)];
  results.push(await producer.publishOrderedMessage({ ...order, status: 'paid' }, 'update', properties, 'user-1'));
  const startDeliverTime = Date.now() + 1000;
  results.push(await producer.publishDelayMessage({ check: 1 }, 'timeout', properties, { startDeliverTime }));
  results.push(await producer.publishDelayMessage({ check: 2 }, 'legacy', properties, { delayTimeLevel: 1 }));
  properties = new MessageProperties().messageKey('trans');
  const transaction = await producer.publishTransactionMessage({ pay: 1 }, 'transaction', properties, 30);
  if (typeof transaction.transactionId !== 'string') throw new Error('no transaction id');
  return [...results, transaction].map(({ messageId, receiptHandle }) => {
    if (receiptHandle === '') throw new Error('no receipt handle');
    return messageId;
  });
}

async function main() {
  const client = new MQClient(config);
  const health = await client.healthCheck();
  if (health.healthy !== true) throw new Error(health.message);
  const consumer = await client.getConsumer(config.instanceId, topic, `${topic}-group`, '*');
  const received = new Map();
  const done = new Promise((resolve) => {
    consumer.onMessage(async (message) => {
      const data = JSON.parse(message.body);
      const born = new Date(message.bornTimestamp).toISOString().slice(0, 4);
      await consumer.ackMessage(message.receiptHandle);
      received.set(message.messageId, [message.tag, data, message.properties.KEYS, born, message.reconsumeTimes]);
      if (received.size === 5) resolve();
    });
  });
  const stream = consumer.startReceiving();
  const sent = await publish(client);
  await done;
  stream.cancel();
  console.log(JSON.stringify(sent.map((messageId) => received.get(messageId))));
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
