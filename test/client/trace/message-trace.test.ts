import { expect, onTestFinished, test } from 'vitest';
import { observeProcess } from '../../../src/client/observer.ts';
import { startTestBroker } from '../../../src/testing/test-broker.ts';
import { outgoing, Reader, RealClients, soon } from '../../support/real-client.ts';

test('the history of a message is in the trace topic, found by its id', async () => {
  const broker = await startTestBroker();
  onTestFinished(() => broker.close());
  const clients = new RealClients(broker.nameServer);
  onTestFinished(() => clients.close());
  await broker.createTopic('topic');
  await broker.createTopic('traces', { queueCount: 1 });
  const client = clients.create({ trace: { topic: 'traces' }, producerGroup: 'senders' });
  const sent = await client.producer.send(outgoing('topic', 'body', { tag: 'tag', keys: 'key' }), soon());
  const delivery = { kind: 'level', level: 1 } as const;
  const delayed = await client.producer.send(outgoing('topic', 'delayed', { delivery }), soon());
  const batch = await client.producer.sendBatch([outgoing('topic', 'one'), outgoing('topic', 'two')], soon());
  await expect(client.producer.send(outgoing('topic', ''), soon())).rejects.toMatchObject({ kind: 'invalid' });
  const reader = await Reader.open(client, { group: 'readers', topic: 'topic' });
  const [first, second] = await reader.count(3);
  if (first === undefined || second === undefined) throw new Error('no messages');
  const work = observeProcess(client.observer, { message: first, group: 'readers' }, () => Promise.resolve('done'));
  expect(await work).toBe('done');
  const failure = new Error('no');
  const failing = observeProcess(client.observer, { message: second, group: 'readers' }, () => Promise.reject(failure));
  await expect(failing).rejects.toBe(failure);
  await reader.stop();
  await client.close();
  expect(client.droppedTraceCount).toBe(0);
  const stored = broker.messages('traces');
  const lines = stored.flatMap(({ body }) => body.toString().split('\u0002')).map((line) => line.split('\u0001'));
  const pubs = lines.filter(([type]) => type === 'Pub');
  expect(pubs.map((line) => [line[3], line[4], line[5], line[6], line[7], line[9], line[11]])).toEqual([
    ['senders', 'topic', sent.messageId, 'tag', 'key', '4', '0'],
    ['senders', 'topic', delayed.messageId, 'null', 'null', '7', '3'],
    ['senders', 'topic', batch[0]?.messageId, 'null', 'null', '3', '0'],
    ['senders', 'topic', batch[1]?.messageId, 'null', 'null', '3', '0'],
  ]);
  expect(pubs[0]?.slice(12)).toEqual([sent.offsetMessageId, 'true']);
  const before = lines.filter(([type]) => type === 'SubBefore');
  expect(before.map((line) => line[5])).toEqual([first.messageId, second.messageId]);
  const after = lines.filter(([type]) => type === 'SubAfter');
  expect(after.map((line) => [line[1], line[2], line[4], line[6], line[8]])).toEqual([
    [before[0]?.[4], first.messageId, 'true', '0', 'readers'],
    [before[1]?.[4], second.messageId, 'false', '4', 'readers'],
  ]);
  expect(stored.flatMap(({ keys }) => keys)).toContain(sent.messageId);
  expect(stored.flatMap(({ keys }) => keys)).toContain('key');
});

test('what brokers want no traces of is not traced, nor are the traces', async () => {
  const broker = await startTestBroker();
  onTestFinished(() => broker.close());
  const clients = new RealClients(broker.nameServer);
  onTestFinished(() => clients.close());
  await broker.createTopic('traces', { queueCount: 1 });
  const client = clients.create({ trace: { topic: 'traces' } });
  await client.producer.send(outgoing('traces', 'by hand'), soon());
  expect(client.observer?.sending?.(outgoing('RMQ_SYS_TRACE_TOPIC', 'x'), 'normal')).toBeUndefined();
  expect(client.observer?.sending?.(outgoing('other', 'x'), 'normal')).toBeDefined();
  const reader = await Reader.open(client, { group: 'readers', topic: 'traces' });
  const [message] = await reader.count(1);
  if (message === undefined) throw new Error('no message');
  const untraced = { ...message, properties: new Map([['TRACE_ON', 'false']]) };
  expect(client.observer?.processing?.(untraced, 'readers')).toBeUndefined();
  await reader.stop();
  await client.close();
  expect(broker.messages('traces').map(({ body }) => body.toString())).toEqual(['by hand']);
});
