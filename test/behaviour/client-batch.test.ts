import { afterAll, beforeAll, expect, test } from 'vitest';
import { BatchError } from '../../src/client/send/batches.ts';
import { countOf, outgoing, Reader, RealClients, soon } from '../support/real-client.ts';
import { describeOnTarget, differs, startTarget, type Target } from './target.ts';

const brokerBytesMax = 4_194_304;

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

  test('a batch of any size is stored in parts, and every message comes once', async () => {
    const client = clients.create();
    await cluster.createTopic('large-batch');
    const reader = await Reader.open(client, { topic: 'large-batch', group: 'large-batch-group' });
    const messages = Array.from({ length: 1_100 }, (_, index) =>
      outgoing('large-batch', `${index} `.padEnd(index < 100 ? 20_000 : 100, 'x')),
    );
    const results = await client.producer.sendBatch(messages, soon());
    await countOf([reader], messages.length);
    await reader.stop();
    const ids = results.map(({ messageId }) => messageId);
    expect(new Set(reader.messages.map(({ messageId }) => messageId))).toEqual(new Set(ids));
    expect(new Set(ids).size).toBe(messages.length);
    const places = results.map(({ queue, queueOffset }) => `${queue.queueId} ${queueOffset}`);
    expect(new Set(places).size).toBe(messages.length);
  });

  test('a request is stored up to the largest that brokers take, and refused above', async () => {
    const client = clients.create({ batchBytesMax: brokerBytesMax });
    const over = clients.create({ batchBytesMax: brokerBytesMax + 1 });
    await cluster.createTopic('full-batch', { queueCount: 1 });
    // What a message takes around its body: lengths, and its id among its properties.
    const envelopeBytes = 22 + 'UNIQ_KEY'.length + 32 + 2;
    const messagesOf = (bytes: number) => {
      const half = bytes / 2 - envelopeBytes;
      return [
        outgoing('full-batch', Buffer.alloc(Math.floor(half))),
        outgoing('full-batch', Buffer.alloc(Math.ceil(half))),
      ];
    };
    const stored = await client.producer.sendBatch(messagesOf(brokerBytesMax), soon());
    expect(stored.map(({ queueOffset }) => queueOffset)).toEqual([0n, 1n]);
    const inParts = await client.producer.sendBatch(messagesOf(brokerBytesMax + 1), soon());
    expect(inParts.map(({ queueOffset }) => queueOffset)).toEqual([2n, 3n]);
    const whole = over.producer.sendBatch(messagesOf(brokerBytesMax + 1), soon());
    const outcome = await whole.then(
      (results) => results.map(({ queueOffset }) => queueOffset),
      (error: unknown) => error,
    );
    if (differs('batchSize', { apache: false, embedded: true })) {
      expect(outcome).toEqual([4n, 5n]);
      return;
    }
    expect(outcome).toBeInstanceOf(BatchError);
    expect(outcome instanceof BatchError && outcome.outcomes.map(({ state }) => state)).toEqual([
      'notStored',
      'notStored',
    ]);
  });
});
