import { afterAll, beforeAll, expect, test } from 'vitest';
import { type MessageFilter, parseTagFilter, sqlFilter } from '../../src/client/message-filter.ts';
import { outgoing, Reader, RealClients, soon } from '../support/real-client.ts';
import { describeOnTarget, startTarget, type Target } from './target.ts';

/** Longest that the brokers of these tests hold a question: who is not woken hears of a message only then. */
const pollDurationMs = 5_000;

describeOnTarget('a stream that waits', () => {
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

  const filters: readonly (readonly [string, MessageFilter])[] = [
    ['all', parseTagFilter('*')],
    ['tags', parseTagFilter('wanted || other')],
    ['conditions', sqlFilter('price > 10')],
  ];

  test.each(filters)('for %s is woken by what it wants, also behind what it does not want', async (name, filter) => {
    const topic = `waiting-${name}`;
    await cluster.createTopic(topic, { queueCount: 1 });
    const client = clients.create();
    const send = (body: string, tag: string, price: string) =>
      client.producer.send(outgoing(topic, body, { tag, properties: [['price', price]] }), soon());
    const reader = await Reader.open(client, { group: `g-${name}`, topic }, { filter, pollDurationMs });
    const wanted = (): string[] => reader.bodies.filter((body) => body.startsWith('wanted'));
    // The first one may meet a JVM that does it for the first time.
    for (const round of [1, 2, 3]) {
      for (const number of [1, 2, 3]) await send(`not ${number}`, 'not', '9');
      const startedMs = Date.now();
      await send(`wanted ${round}`, 'wanted', '11');
      await reader.until(() => wanted().length === round);
      if (round > 1) expect(Date.now() - startedMs).toBeLessThan(3_000);
    }
    expect(reader.bodies.length).toBe(name === 'all' ? 12 : 3);
    await reader.stop();
  });
});
