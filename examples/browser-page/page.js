import { createWebClient } from 'rocketmq-grpc-proxy/web';

const form = document.querySelector('form');
const list = document.querySelector('ul');
const status = document.querySelector('[role=status]');

// A page of another site gives the proxy's own URL, and a token: this one's server hands its calls on.
const client = createWebClient({ baseUrl: location.origin });

const producer = client.producer('orders');
form.addEventListener('submit', async (event) => {
  event.preventDefault();
  try {
    const { messageId } = await producer.publish(form.order.value, { tag: 'created' });
    status.textContent = `sent ${messageId}`;
  } catch (error) {
    status.textContent = `not sent: ${error.message}`;
  }
});

const consumer = client.consumer('orders', 'page', {
  consumeFrom: 'first',
  // A stream that breaks is opened again by itself.
  onResume: (error) => {
    status.textContent = error.message;
  },
});
status.textContent = 'receiving';
for await (const message of consumer) {
  const item = document.createElement('li');
  item.textContent = `received ${message.body}`;
  list.append(item);
  await consumer.ack(message);
}
