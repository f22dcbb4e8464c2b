import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseTagFilter, sqlFilter } from '../../src/client/message-filter.ts';
import { outgoing, Reader, RealClients, soon } from '../support/real-client.ts';
import { describeOnTarget, lacks, startTarget, type Target } from './target.ts';

describeOnTarget('filters', () => {
  let cluster: Target;
  let clients: RealClients;

  beforeAll(async () => {
    cluster = await startTarget({ apache: { enablePropertyFilter: true } });
    clients = new RealClients(cluster.nameServer);
  });

  afterAll(async () => {
    await clients?.close();
    await cluster?.stop();
  });

  test('a condition lets through what it is true of, and nothing else', async () => {
    const client = clients.create();
    await cluster.createTopic('conditions');
    const filter = sqlFilter("price BETWEEN 10 AND 20 AND region IN ('north', 'east') OR TAGS = 'all'");
    const reader = await Reader.open(client, { topic: 'conditions', group: 'conditions-group' }, { filter });
    const send = (body: string, properties: Record<string, string>, tag = 'some') =>
      client.producer.send(outgoing('conditions', body, { tag, properties: Object.entries(properties) }), soon());
    await send('too dear', { price: '21', region: 'north' });
    await send('in the south', { price: '15', region: 'south' });
    await send('without properties', {});
    await send('north', { price: '10', region: 'north' });
    await send('east', { price: '20', region: 'east' });
    await send('by its tag', {}, 'all');
    await reader.count(3);
    await reader.stop();
    expect(reader.bodies.toSorted()).toEqual(['by its tag', 'east', 'north']);
  });

  test('what a condition let through and nobody acknowledged comes again', async () => {
    const client = clients.create();
    await cluster.createTopic('conditions-again');
    const reader = await Reader.open(
      client,
      { topic: 'conditions-again', group: 'conditions-again-group' },
      { filter: sqlFilter('price > 10'), ack: false, invisibleDurationMs: 2_000 },
    );
    await client.producer.send(outgoing('conditions-again', 'cheap', { properties: [['price', '9']] }), soon());
    await client.producer.send(outgoing('conditions-again', 'dear', { properties: [['price', '11']] }), soon());
    const [first, second] = await reader.count(2);
    expect(reader.bodies.slice(0, 2)).toEqual(['dear', 'dear']);
    expect([first?.reconsumeTimes, second?.reconsumeTimes]).toEqual([0, 1]);
    expect(second?.messageId).toBe(first?.messageId);
    await reader.stop();
  });

  test('tags let through exactly what is named, not what has the same hash', async () => {
    const client = clients.create();
    await cluster.createTopic('tags');
    const reader = await Reader.open(
      client,
      { topic: 'tags', group: 'tags-group' },
      { filter: parseTagFilter('Aa || c') },
    );
    // `BB` and `Aa` have one hash in Java, and brokers compare hashes.
    for (const tag of ['BB', 'Aa', 'b', 'c']) await client.producer.send(outgoing('tags', tag, { tag }), soon());
    await client.producer.send(outgoing('tags', 'none'), soon());
    await reader.count(2);
    await reader.stop();
    expect(reader.bodies.toSorted()).toEqual(['Aa', 'c']);
  });

  test('a condition lets through the same by pull, and is refused alike', async () => {
    const client = clients.create();
    await cluster.createTopic('pulled-conditions', { queueCount: 1 });
    const consumerOf = (condition: string) =>
      client.pullConsumer({
        subscriber: { topic: 'pulled-conditions', group: 'pulled-conditions-group' },
        filter: sqlFilter(condition),
        invisibleDurationMs: 30_000,
        renewalDurationMs: 0,
        pollDurationMs: 1_000,
      });
    const unreadable = consumerOf('price >').open(soon());
    await expect(unreadable).rejects.toMatchObject({ name: 'ClientError', kind: 'invalid' });
    const consumer = consumerOf('price > 10');
    await consumer.open(soon());
    const prices = [9, 11, 10, 12];
    for (const price of prices) {
      const properties = [['price', String(price)]] as const;
      await client.producer.send(outgoing('pulled-conditions', String(price), { properties }), soon());
    }
    const bodies: string[] = [];
    const ending = new AbortController();
    for await (const { body, receipt } of consumer.stream({ messagesMax: 10, signal: ending.signal })) {
      bodies.push(body.toString());
      await consumer.ack(receipt);
      if (bodies.length === 2) ending.abort();
    }
    expect(bodies).toEqual(['11', '12']);
    await consumer.close();
  });

  test('a condition that cannot be read is refused when the consumer is opened', async () => {
    const client = clients.create();
    await cluster.createTopic('bad-conditions');
    const subscriber = { topic: 'bad-conditions', group: 'bad-conditions-group' };
    const opened = Reader.open(client, subscriber, { filter: sqlFilter('price >') });
    await expect(opened).rejects.toMatchObject({ name: 'ClientError', kind: 'invalid' });
    const unreadable = Reader.open(client, subscriber, { filter: sqlFilter("region = 'north") });
    await expect(unreadable).rejects.toMatchObject({ name: 'ClientError', kind: 'invalid' });
  });
});

describeOnTarget('filters where they are not switched on', () => {
  // Apache's brokers do not filter by conditions unless they are told to.
  const isPointless = lacks('embedded', 'filters');
  let cluster: Target;
  let clients: RealClients;

  beforeAll(async () => {
    if (isPointless) return;
    cluster = await startTarget();
    clients = new RealClients(cluster.nameServer);
  });

  afterAll(async () => {
    await clients?.close();
    await cluster?.stop();
  });

  test.skipIf(isPointless)('a condition is refused when the consumer is opened', async () => {
    await cluster.createTopic('conditions-off');
    const subscriber = { topic: 'conditions-off', group: 'conditions-off-group' };
    const opened = Reader.open(clients.create(), subscriber, { filter: sqlFilter('price > 10') });
    await expect(opened).rejects.toMatchObject({
      kind: 'unsupported',
      message: expect.stringContaining('enablePropertyFilter=true'),
    });
  });
});
