import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { Delivery } from '../../../src/client/send/delivery.ts';
import { ResponseError } from '../../../src/remoting/errors.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { outgoing, soon } from '../../support/real-client.ts';
import { differsBefore5, isBefore5 } from '../target.ts';
import { type ClientSuite, numbers } from './client-suite.ts';

const bodyBytesMax = 4_194_304;
const later = (delayMs: number): Delivery => ({ kind: 'time', deliverTimestampMs: Date.now() + delayMs });

/** What is sent comes as it was sent, in its order and in its time; what cannot be stored is refused. */
export function describeSending(suite: ClientSuite): void {
  describe.concurrent('sending', () => {
    test('every body comes back as it was sent, with all that belongs to it', async () => {
      const reader = await suite.reader('round-trip', 4);
      const bodies = [
        Buffer.from([0]),
        Buffer.from('Grüße, 订单 😀'),
        Buffer.from(numbers(256)),
        Buffer.alloc(1_048_576, 'RocketMQ'),
        Buffer.alloc(bodyBytesMax, 1),
      ];
      const properties = [
        ['user', 'wert=1;2'],
        ['emoji 😀', 'ü'],
      ] as const;
      const beforeMs = Date.now();
      const sent = new Map<string, Buffer>();
      for (const body of bodies) {
        const message = outgoing('round-trip', body, { tag: '标签', keys: 'key-1 key-2', properties });
        const { messageId, queue, offsetMessageId } = await suite.client.producer.send(message, soon());
        expect(queue.brokerName).toBe(suite.target.brokerName);
        expect(offsetMessageId).toMatch(/^[0-9A-F]{32}$/);
        sent.set(messageId, body);
      }
      const afterMs = Date.now();
      for (const message of await reader.count(bodies.length)) {
        expect(sent.get(message.messageId)?.equals(message.body)).toBe(true);
        sent.delete(message.messageId);
        expect(message).toMatchObject({ topic: 'round-trip', tag: '标签', reconsumeTimes: 0 });
        expect(message.bornTimestampMs).toBeGreaterThanOrEqual(beforeMs);
        expect(message.bornTimestampMs).toBeLessThanOrEqual(afterMs);
        expect(Object.fromEntries(message.properties)).toMatchObject({
          TAGS: '标签',
          KEYS: 'key-1 key-2',
          UNIQ_KEY: message.messageId,
          user: 'wert=1;2',
          'emoji 😀': 'ü',
        });
      }
      expect(sent.size).toBe(0);
      await reader.stop();
    });

    test('the largest messages of many queues come, each once and whole', async () => {
      const topic = await suite.topic('largest', 8);
      for (const number of numbers(8)) {
        // Nothing that compression could make smaller.
        const body = Buffer.concat([Buffer.from([number]), randomBytes(bodyBytesMax - 1)]);
        await suite.client.producer.send(outgoing(topic, body), soon());
      }
      const reader = await suite.join(topic);
      await reader.count(8);
      expect(new Set(reader.messages.map(({ body }) => body[0]))).toEqual(new Set(numbers(8)));
      expect(reader.messages.map(({ reconsumeTimes }) => reconsumeTimes)).toEqual(numbers(8).fill(0));
      await reader.stop();
    });

    test('what a broker does not store is refused at once, and its reason kept', async () => {
      const topic = await suite.topic('refused');
      const refusal = (body: Uint8Array | string, more: Parameters<typeof outgoing>[2] = {}) =>
        suite.client.producer.send(outgoing(topic, body, more), soon()).catch((error: unknown) => error);
      const illegal = { code: ResponseCode.MESSAGE_ILLEGAL };
      expect(await refusal(Buffer.alloc(bodyBytesMax + 65_536))).toMatchObject(illegal);
      expect(await refusal('x', { properties: [['big', 'x'.repeat(32_767)]] })).toMatchObject(illegal);
      const fourDaysMs = 4 * 24 * 3_600_000;
      const tooFar = await refusal('x', { delivery: later(fourDaysMs) });
      if (isBefore5(suite.variant, 'noDeliveryTime')) expect(tooFar).toMatchObject({ kind: 'unsupported' });
      else expect(tooFar).toBeInstanceOf(ResponseError);
    });

    test('a message without a body is stored or refused, as the broker can', async () => {
      const topic = await suite.topic('empty', 1);
      const sent = suite.client.producer.send(outgoing(topic, ''), soon());
      const outcome = await sent.then(
        ({ queueOffset }) => `stored at ${queueOffset}`,
        ({ kind }) => kind,
      );
      expect(outcome).toBe(differsBefore5(suite.variant, 'emptyBody', { before5: 'stored at 0', since5: 'invalid' }));
    });

    test('messages of one sharding key come from one queue, in the order in which they were sent', async () => {
      const reader = await suite.reader('sharded', 8);
      const keys = ['a', 'order-1', 'order-2', '订单-42', '-', ''];
      const sendAll = async (shardingKey: string): Promise<void> => {
        for (const number of numbers(50)) {
          const message = outgoing('sharded', String(number), { shardingKey, keys: `k${shardingKey}` });
          await suite.client.producer.send(message, soon());
        }
      };
      await Promise.all(keys.map(sendAll));
      await reader.count(keys.length * 50);
      for (const key of keys.filter((each) => each !== '')) {
        const ofKey = reader.messages.filter(({ properties }) => properties.get('KEYS') === `k${key}`);
        expect(ofKey.map(({ body }) => Number(body.toString()))).toEqual(numbers(50));
        expect(new Set(ofKey.map(({ receipt }) => receipt.queueId)).size).toBe(1);
      }
      await reader.stop();
    });

    test('a delay by level never ends early, others do not wait for it, and a time in the past is now', async () => {
      const reader = await suite.reader('levels', 1);
      const send = (body: string, delivery: Delivery) =>
        suite.client.producer.send(outgoing('levels', body, { delivery }), soon());
      const sentAtMs = Date.now();
      await send('level 2', { kind: 'level', level: 2 });
      await send('level 1', { kind: 'level', level: 1 });
      await send('an hour ago', later(-3_600_000));
      await send('at once', { kind: 'now' });
      await reader.count(4);
      expect(reader.bodies.toSorted()).toEqual(['an hour ago', 'at once', 'level 1', 'level 2']);
      const earliestMs = { 'level 1': 1_000, 'level 2': 5_000 };
      for (const [body, delayMs] of Object.entries(earliestMs))
        expect(reader.receivedAtMs[reader.bodies.indexOf(body)]).toBeGreaterThanOrEqual(sentAtMs + delayMs);
      expect(reader.bodies.at(-1)).toBe('level 2');
      await reader.stop();
    });

    test.skipIf(!isBefore5(suite.variant, 'noDeliveryTime'))(
      'a delay to a time is refused, naming the nearest level',
      async () => {
        const topic = await suite.topic('no-times', 1);
        const sent = suite.client.producer.send(outgoing(topic, 'later', { delivery: later(290_000) }), soon());
        await expect(sent).rejects.toMatchObject({ kind: 'unsupported', message: expect.stringContaining('level 9 ') });
      },
    );

    test('a topic is made by its first message, for a consumer that was there before', async () => {
      const topic = 'made-by-sending';
      const client = suite.clients.create({ routeRefreshIntervalMs: 2_000 });
      const reader = await suite.join(topic, {}, client);
      const { queue } = await suite.client.producer.send(outgoing(topic, 'first'), soon());
      expect(queue).toMatchObject({ topic, brokerName: suite.target.brokerName });
      await reader.count(1);
      expect(reader.bodies).toEqual(['first']);
      await reader.stop();
    });
  });

  describe.skipIf(isBefore5(suite.variant, 'noDeliveryTime'))('delays to a time', { concurrent: true }, () => {
    test('never end early, and others do not wait for them', async () => {
      const reader = await suite.reader('times', 1);
      const dueAtMs = new Map<string, number>();
      for (const delayMs of [1_500, 4_000, -3_600_000, 0]) {
        dueAtMs.set(String(delayMs), Date.now() + delayMs);
        await suite.client.producer.send(outgoing('times', String(delayMs), { delivery: later(delayMs) }), soon());
      }
      await reader.count(4);
      for (const [index, body] of reader.bodies.entries())
        expect(reader.receivedAtMs[index]).toBeGreaterThanOrEqual(dueAtMs.get(body) ?? Number.POSITIVE_INFINITY);
      expect(reader.bodies.at(-1)).toBe('4000');
      await reader.stop();
    });

    test('can be taken back in time: then nothing is delivered', async () => {
      const topic = 'recalled';
      const { client } = suite;
      await suite.target.createTopic(topic, { queueCount: 1, messageType: 'DELAY' });
      const reader = await suite.join(topic);
      const { recallHandle, messageId } = await client.producer.send(
        outgoing(topic, 'recalled', { delivery: later(6_000) }),
        soon(),
      );
      if (recallHandle === undefined) throw new Error('there is no handle to take it back by');
      await client.producer.send(outgoing(topic, 'kept', { delivery: later(7_000) }), soon());
      expect(await client.recalls.recall(topic, recallHandle, soon())).toBe(messageId);
      await reader.count(1);
      expect(reader.bodies).toEqual(['kept']);
      const again = client.recalls.recall(topic, recallHandle, soon());
      await expect(again).rejects.toMatchObject({ kind: 'expired' });
      await reader.stop();
    });
  });
}
