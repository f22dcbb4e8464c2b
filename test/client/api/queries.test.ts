import { expect, test } from 'vitest';
import { startApi } from '../../support/api-client.ts';

test('messages are found by id, by where they lie, by key and by time', async () => {
  const { client } = await startApi({ namespace: 'shop' });
  const queries = client.queries();
  const producer = client.producer();
  const message = { topic: 'orders', body: 'order 4711', tag: 'created', keys: ['4711', 'eu'] };
  const { messageId, offsetMessageId, queue } = await producer.send(message);
  const second = await producer.send({ ...message, body: 'order 4712', keys: ['4712', 'eu'] });
  const found = await queries.byMessageId('orders', messageId);
  expect(found).toMatchObject({ messageId, offsetMessageId, topic: 'orders', tag: 'created', keys: ['4711', 'eu'] });
  expect([found?.text(), found?.queueId, found?.brokerName]).toEqual(['order 4711', queue.queueId, queue.brokerName]);
  expect(found?.bornHost).toMatch(/^127\.0\.0\.1:\d+$/);
  expect((await queries.byMessageId('orders', offsetMessageId))?.messageId).toBe(messageId);
  expect(await queries.byMessageId('orders', '0'.repeat(32))).toBeUndefined();
  const ids = async (key: string, query = {}): Promise<string[]> =>
    (await queries.byKey('orders', key, query)).map((one) => one.messageId);
  expect(await ids('4711')).toEqual([messageId]);
  expect((await ids('eu')).toSorted()).toEqual([messageId, second.messageId].toSorted());
  expect(await ids('eu', { countMax: 1 })).toHaveLength(1);
  const { storedAt } = found ?? {};
  expect(await ids('4711', { from: storedAt, to: storedAt })).toEqual([messageId]);
  expect(await ids('4711', { to: new Date((storedAt?.getTime() ?? 0) - 1) })).toEqual([]);
});

test('what cannot be found is refused, as are calls on a closed client', async () => {
  const { client } = await startApi();
  const queries = client.queries();
  await client.producer().send({ topic: 'orders', body: 'x' });
  const refused = { code: 'INVALID_ARGUMENT' };
  await expect(queries.byKey('orders', 'a b')).rejects.toMatchObject(refused);
  await expect(queries.byKey('orders', 'a', { countMax: 33 })).rejects.toMatchObject(refused);
  await expect(queries.byKey('orders', 'a', { from: new Date(Number.NaN) })).rejects.toMatchObject(refused);
  await expect(queries.byKey('none', 'a')).rejects.toMatchObject({ code: 'TOPIC_NOT_FOUND' });
  const signal = AbortSignal.abort();
  await expect(queries.byMessageId('orders', 'x', { signal })).rejects.toMatchObject({ code: 'CANCELLED' });
  await client.close();
  expect(() => client.queries()).toThrow(expect.objectContaining({ code: 'CLOSED' }));
  await expect(queries.byKey('orders', 'a')).rejects.toMatchObject({ code: 'CLOSED' });
});
