import { expect, test } from 'vitest';
import type { ReceivedMessage } from '../../../src/client/api/received-message.ts';
import { Inbox, startApi } from '../../support/api-client.ts';

test('a request is replied to by the handler that receives it, in a namespace too', async () => {
  const { client } = await startApi({ namespace: 'shop' });
  const producer = client.producer();
  const consumer = client.pushConsumer({
    group: 'answers',
    handler: (message) => producer.reply(message, `re: ${message.text()}`),
  });
  await consumer.subscribe('questions');
  const replies = await Promise.all(['a', 'b'].map((body) => producer.request({ topic: 'questions', body })));
  expect(replies.map(({ body }) => body.toString())).toEqual(['re: a', 're: b']);
  await consumer.close();
  await expect(producer.request({ topic: 'questions', body: 'c' }, { timeoutMs: 300 })).rejects.toMatchObject({
    code: 'TIMEOUT',
  });
});

test('a message that asks for nothing cannot be replied to', async () => {
  const { client } = await startApi();
  const inbox = new Inbox<ReceivedMessage>();
  await client.pushConsumer({ group: 'g', handler: (message) => inbox.add(message) }).subscribe('topic');
  const producer = client.producer();
  await producer.send({ topic: 'topic', body: 'x' });
  const [message] = await inbox.count(1);
  if (message === undefined) throw new Error('no message');
  await expect(producer.reply(message, 'y')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
});

test('a message that waits for its time is taken back', async () => {
  const { client } = await startApi({ namespace: 'shop' });
  const producer = client.producer();
  const deliverAt = new Date(Date.now() + 3_600_000);
  const { recallHandle = '', messageId } = await producer.send({ topic: 'orders', body: 'x', deliverAt });
  expect(await producer.recall('orders', recallHandle)).toBe(messageId);
  await expect(producer.recall('orders', 'none')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  expect((await producer.send({ topic: 'orders', body: 'at once' })).recallHandle).toBeUndefined();
});
