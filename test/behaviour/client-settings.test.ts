import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ClusterClient } from '../../src/client/client.ts';
import { parseTagFilter, sqlFilter } from '../../src/client/message-filter.ts';
import { outgoing, Reader, RealClients, soon } from '../support/real-client.ts';
import { describeOnTarget, lacks, startTarget, type Target } from './target.ts';

const GET_MIN_OFFSET = 31;
const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

describeOnTarget('the client with brokers that make no topics, do not filter, and forget', () => {
  let cluster: Target;
  let clients: RealClients;
  let client: ClusterClient;

  beforeAll(async () => {
    cluster = await startTarget({ autoCreateTopics: false, durable: true, logFileBytes: 1_048_576 });
    clients = new RealClients(cluster.nameServer);
    client = clients.create();
  });

  afterAll(async () => {
    await clients?.close();
    await cluster?.stop();
  });

  const send = (topic: string, ...bodies: readonly string[]) =>
    Promise.all(bodies.map((body) => client.producer.send(outgoing(topic, body), soon())));

  test('who sends to or receives from a topic that is not there is told', async () => {
    const nowhere = { kind: 'noRoute' };
    await expect(send('never-made', 'x')).rejects.toMatchObject({ name: 'ClientError', ...nowhere });
    await expect(client.checkTopic('never-made', soon())).rejects.toMatchObject(nowhere);
    await expect(Reader.open(client, { group: 'g', topic: 'never-made' })).rejects.toMatchObject(nowhere);
  });

  test.skipIf(lacks('embedded', 'filters'))('a condition is refused when the consumer is opened', async () => {
    const topic = 'conditions-off';
    await cluster.createTopic(topic);
    const opened = Reader.open(client, { topic, group: 'g' }, { filter: sqlFilter('price > 10') });
    await expect(opened).rejects.toMatchObject({
      kind: 'unsupported',
      message: expect.stringContaining('enablePropertyFilter=true'),
    });
  });

  // The last one: it kills the broker.
  test('a group that is new to an old topic begins when its consumer is created, not when it is first read', async () => {
    const topic = 'old-topic';
    await cluster.createTopic(topic, { queueCount: 2 });
    await send(topic, ...numbers(4).map((number) => `old ${number}`));
    // A queue that still has its first message counts as young. As if they had expired, its oldest messages are taken away.
    await cluster.createTopic('filling', { queueCount: 1 });
    await send('filling', ...numbers(3).map(() => 'x'.repeat(600_000)));
    await send(topic, 'old 4', 'old 5', 'old 6', 'old 7');
    await cluster.stopBroker();
    const [oldest] = (await readdir(cluster.logDirectory)).toSorted();
    await rm(join(cluster.logDirectory, oldest ?? ''));
    await cluster.startBroker();
    for (const queueId of ['0', '1']) {
      const { extFields } = await cluster.brokerCall(GET_MIN_OFFSET, { topic, queueId });
      expect(Number(extFields['offset'])).toBeGreaterThan(0);
    }
    const subscriber = { group: 'g-old', topic };
    const durations = { invisibleDurationMs: 30_000, renewalDurationMs: 0, pollDurationMs: 1_000 };
    await clients
      .create()
      .consumer({ subscriber, filter: parseTagFilter('*'), ...durations })
      .open(soon());
    await send(topic, ...numbers(4).map((number) => `new ${number}`));
    const reader = await Reader.open(client, subscriber);
    await reader.count(4);
    expect(reader.bodies.toSorted()).toEqual(['new 0', 'new 1', 'new 2', 'new 3']);
    await reader.stop();
  });
});
