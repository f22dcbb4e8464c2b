import { afterAll, beforeAll, expect, test } from 'vitest';
import { countOf, outgoing, Reader, RealClients, soon } from '../support/real-client.ts';
import { describeOnTarget, startTarget, type Target } from './target.ts';

describeOnTarget('batches', () => {
  let cluster: Target;
  let clients: RealClients;

  beforeAll(async () => {
    cluster = await startTarget();
    clients = new RealClients(cluster.nameServer);
  });

  afterAll(async () => {
    await clients?.close();
    await cluster?.stop();
  });

  test('every message of a batch comes as one of its own, with its id, tag and properties', async () => {
    const client = clients.create();
    await cluster.createTopic('batch');
    const reader = await Reader.open(client, { topic: 'batch', group: 'batch-group' });
    const messages = Array.from({ length: 50 }, (_, index) =>
      outgoing('batch', `body ${index}`, { tag: `tag${index % 2}`, properties: [['index', String(index)]] }),
    );
    const results = await client.producer.sendBatch(messages, soon());
    await countOf([reader], 50);
    const byId = new Map(reader.messages.map((message) => [message.messageId, message]));
    for (const [index, { messageId }] of results.entries()) {
      const received = byId.get(messageId);
      expect(received?.body.toString()).toBe(`body ${index}`);
      expect(received?.tag).toBe(`tag${index % 2}`);
      expect(received?.properties.get('index')).toBe(String(index));
    }
    expect(new Set(results.map(({ queue }) => queue.queueId)).size).toBe(1);
    expect(results.map(({ queueOffset }) => queueOffset)).toEqual(messages.map((_, index) => BigInt(index)));
  });
});
