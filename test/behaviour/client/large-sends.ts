import { deflateSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { BatchError } from '../../../src/client/send/batches.ts';
import { compressBody } from '../../../src/remoting/compression.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { SysFlag } from '../../../src/remoting/sys-flag.ts';
import { outgoing, soon } from '../../support/real-client.ts';
import { differs } from '../target.ts';
import { type ClientSuite, numbers } from './client-suite.ts';

const brokerBytesMax = 4_194_304;
const mebibyte = 1_048_576;

/** Many messages in one request, up to the largest. */
export function describeBatches(suite: ClientSuite): void {
  describe.concurrent('batches', () => {
    test('every message of a batch comes as one of its own, with its id, tag and properties', async () => {
      const reader = await suite.reader('batch', 4);
      const messages = numbers(50).map((index) =>
        outgoing('batch', `body ${index}`, { tag: `tag${index % 2}`, properties: [['index', String(index)]] }),
      );
      const results = await suite.client.producer.sendBatch(messages, soon());
      await reader.count(50);
      const byId = new Map(reader.messages.map((message) => [message.messageId, message]));
      for (const [index, { messageId }] of results.entries()) {
        const received = byId.get(messageId);
        expect(received?.body.toString()).toBe(`body ${index}`);
        expect(received?.tag).toBe(`tag${index % 2}`);
        expect(received?.properties.get('index')).toBe(String(index));
      }
      expect(new Set(results.map(({ queue }) => queue.queueId)).size).toBe(1);
      expect(results.map(({ queueOffset }) => queueOffset)).toEqual(numbers(50).map(BigInt));
      await reader.stop();
    });

    test('a batch of any size is stored in parts, and every message comes once', async () => {
      const reader = await suite.reader('large-batch', 4);
      const messages = numbers(1_100).map((index) =>
        outgoing('large-batch', `${index} `.padEnd(index < 100 ? 20_000 : 100, 'x')),
      );
      const results = await suite.client.producer.sendBatch(messages, soon());
      await reader.count(messages.length);
      await reader.stop();
      const ids = results.map(({ messageId }) => messageId);
      expect(reader.messages.length).toBe(messages.length);
      expect(new Set(reader.messages.map(({ messageId }) => messageId))).toEqual(new Set(ids));
      const places = results.map(({ queue, queueOffset }) => `${queue.queueId} ${queueOffset}`);
      expect(new Set(places).size).toBe(messages.length);
    });

    test('a request is stored up to the largest that brokers take, and refused above', async () => {
      const client = suite.clients.create({ batchBytesMax: brokerBytesMax });
      const over = suite.clients.create({ batchBytesMax: brokerBytesMax + 1 });
      const topic = await suite.topic('full-batch', 1);
      // What a message takes around its body: lengths, and its id among its properties.
      const envelopeBytes = 22 + 'UNIQ_KEY'.length + 32 + 2;
      const messagesOf = (bytes: number) => {
        const half = bytes / 2 - envelopeBytes;
        return [Math.floor(half), Math.ceil(half)].map((length) => outgoing(topic, Buffer.alloc(length)));
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
      const states = outcome instanceof BatchError ? outcome.outcomes.map(({ state }) => state) : [];
      expect(states).toEqual(['notStored', 'notStored']);
    });
  });
}

/** Bodies that are made smaller on their way. */
export function describeCompression(suite: ClientSuite): void {
  describe.concurrent('compression', () => {
    test.each(['zlib', 'lz4'] as const)('bodies sent as %s come as they were, up to the largest', async (type) => {
      const client = suite.clients.create({ compression: { type, overBytes: 100 } });
      const topic = `compressed-${type}`;
      const reader = await suite.reader(topic, 4);
      const text = (length: number): string =>
        'Ein Satz, der sich wiederholt, 😀; '.repeat(length / 34 + 1).slice(0, length);
      const bodies = [text(99), text(100), text(5_000), Buffer.alloc(4 * mebibyte, text(70_000))];
      for (const body of bodies) await client.producer.send(outgoing(topic, body), soon());
      await reader.count(bodies.length);
      await reader.stop();
      const byLength = (one: Buffer, other: Buffer): number => one.length - other.length;
      const received = reader.messages.map(({ body }) => body).toSorted(byLength);
      const expected = bodies.map((body) => Buffer.from(body)).toSorted(byLength);
      const isEqual = received.map((body, index) => body.equals(expected[index] ?? Buffer.alloc(0)));
      expect(isEqual).toEqual(bodies.map(() => true));
      expect(reader.messages.map(({ reconsumeTimes }) => reconsumeTimes)).toEqual([0, 0, 0, 0]);
    });

    test('a body that unfolds to more than may be, or that is damaged, keeps no other from coming', async () => {
      const topic = 'bombs';
      const reader = await suite.reader(topic, 1);
      const lz4Bomb = await compressBody(Buffer.alloc(64 * mebibyte), 'lz4');
      const as = (type: number): number => SysFlag.COMPRESSED | type;
      await sendAs(topic, lz4Bomb.sysFlag, lz4Bomb.body);
      await sendAs(topic, as(SysFlag.COMPRESSION_ZLIB), deflateSync(Buffer.alloc(64 * mebibyte)));
      await sendAs(topic, as(SysFlag.COMPRESSION_ZLIB), Buffer.from('this is not what zlib makes'));
      await sendAs(topic, as(SysFlag.COMPRESSION_LZ4), lz4Bomb.body.subarray(0, 1_000));
      await sendAs(topic, as(SysFlag.COMPRESSION_ZSTD), Buffer.from('this is not what ZSTD makes'));
      await suite.send(topic, 'good');
      await reader.count(1);
      await reader.stop();
      expect(reader.bodies).toEqual(['good']);
      const unreadable = suite.clients.log.troubles.filter((trouble) => trouble.includes('cannot be read'));
      expect(unreadable.length).toBeGreaterThanOrEqual(5);
    });

    /** Sends a body that is compressed already, or says so. */
    async function sendAs(topic: string, sysFlag: number, body: Uint8Array): Promise<void> {
      const now = String(Date.now());
      const fields = { a: 'producers', b: topic, c: 'TBW102', d: '4', e: '0', f: String(sysFlag), g: now, h: '0' };
      expect(await suite.target.brokerCall(RequestCode.SEND_MESSAGE_V2, fields, body)).toMatchObject({ code: 0 });
    }
  });
}
