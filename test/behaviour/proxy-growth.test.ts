import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { quickRedelivery } from '../rocketmq/cluster.ts';
import { type Fields, GrownClient } from '../support/grown-client.ts';
import { type Failure, failureOf, ProxyClient } from '../support/grpc-client.ts';
import type { TestedProxy } from '../support/proxy-process.ts';
import { sendRpcs } from '../support/published-api.ts';
import { clientOf, ways } from '../support/started-proxy.ts';
import { describeOnTarget, startProxy, startTarget, type Target } from './target.ts';

describeOnTarget('what the API has beyond the published one', () => {
  let cluster: Target;
  let proxy: TestedProxy;
  /** Knows the published fields only. */
  let published: ProxyClient;
  let client: GrownClient;

  beforeAll(async () => {
    cluster = await startTarget({ apache: quickRedelivery });
    proxy = await startProxy({ ROCKETMQ_ENDPOINT: cluster.nameServer });
    published = new ProxyClient(proxy.address);
    client = new GrownClient(proxy.address);
  });

  afterAll(async () => {
    published?.close();
    client?.close();
    await proxy?.stop();
    await cluster?.stop();
  });

  const portOf = ({ address }: TestedProxy): number => Number(address.split(':')[1]);

  /** A topic of one queue, with ids for it. */
  async function startTopic(topic: string) {
    await cluster.createTopic(topic, { queueCount: 1 });
    return {
      producer_id: await published.createProducer(topic),
      consumer_id: await published.createConsumer(topic, topic),
    };
  }

  describe('bodies of bytes', () => {
    const binary_body = Buffer.concat([Buffer.from([0, 0xff, 0xc3, 0x28]), randomBytes(1_000)]);

    test.concurrent('are sent by every RPC, and received as they are by who asks for bytes', async () => {
      const { producer_id, consumer_id } = await startTopic('bytes');
      const stream = client.open('ReceiveMessages', { consumer_id, binary_bodies: true });
      for (const rpc of sendRpcs) {
        await client.call(rpc, { producer_id, binary_body, sharding_key: 'key' });
        await client.call(rpc, { producer_id, message_body: 'größe', sharding_key: 'key' });
      }
      for (const message of await stream.take(sendRpcs.length * 2)) {
        expect(message).toMatchObject({ message_body: '' });
        expect([binary_body.toString('hex'), Buffer.from('größe').toString('hex')]).toContain(
          message['binary_body'].toString('hex'),
        );
      }
      stream.cancel();
    });

    test.concurrent('of published clients are text, as ever', async () => {
      const { producer_id, consumer_id } = await startTopic('text-of-bytes');
      const stream = published.receive(consumer_id);
      await client.call('SendMessage', { producer_id, binary_body });
      await published.send('SendMessage', { producer_id, message_body: 'größe' });
      const messages = await stream.take(2);
      expect(messages.map(({ message_body }) => message_body)).toEqual([binary_body.toString(), 'größe']);
      stream.cancel();
    });

    test.concurrent('are refused beside text', async () => {
      const { producer_id } = await startTopic('both');
      for (const rpc of sendRpcs) {
        const both = { producer_id, message_body: 'x', binary_body, sharding_key: 'key' };
        expect(await failureOf(client.call(rpc, both))).toEqual<Failure>({
          code: 'INVALID_ARGUMENT',
          details: 'message_body and binary_body are both set: give one of them',
        });
      }
    });

    test.concurrent.each(Object.keys(ways))('go and come by %s', async (way) => {
      const topic = `by-${way.replaceAll(/[^\w]+/g, '-')}`;
      const { producer_id: producerId, consumer_id: consumerId } = await startTopic(topic);
      const api = clientOf(portOf(proxy), way as keyof typeof ways);
      const ending = new AbortController();
      await api.sendMessage({ producerId, binaryBody: binary_body });
      for await (const message of api.receiveMessages({ consumerId, binaryBodies: true }, { signal: ending.signal })) {
        expect(Buffer.from(message.binaryBody)).toEqual(binary_body);
        expect(message.messageBody).toBe('');
        break;
      }
      ending.abort();
    });
  });

  describe('many messages at once', () => {
    test.concurrent('are stored, received and acknowledged, each with an outcome', async () => {
      const { producer_id, consumer_id } = await startTopic('many');
      const stream = client.open('ReceiveMessages', { consumer_id, binary_bodies: true });
      const { message, outcomes } = await client.call('SendMessages', {
        producer_id,
        messages: [
          { message_body: 'plain' },
          { message_body: 'bad level', delay_time_level: 19 },
          { binary_body: Buffer.from([0xff]), tag: 'tag', properties: { message_key: 'key', properties: { a: '1' } } },
          { message_body: 'both', binary_body: Buffer.from('both') },
          { message_body: 'ordered 1', properties: { sharding_key: 's' } },
          { message_body: 'ordered 2', properties: { sharding_key: 's' } },
          { message_body: 'later', delay_time_level: 1 },
          { message_body: 'reserved', properties: { properties: { POP_CK: '1' } } },
        ],
      });
      expect(message).toBe('5 of 8 messages are stored');
      const stored = { success: true, message: 'the message was stored', code: 0, reason: '' };
      const refused = { success: false, message: expect.any(String), code: 3, reason: 'INVALID_REQUEST' };
      expect(outcomes.map(({ outcome }: Fields) => outcome)).toEqual([
        stored,
        refused,
        stored,
        refused,
        stored,
        stored,
        stored,
        refused,
      ]);
      const received = await stream.take(5);
      const bodies = received.map(({ binary_body }) => binary_body.toString('latin1'));
      // Each group in its order; the groups go side by side.
      for (const [first = '', second = ''] of [
        ['plain', 'ÿ'],
        ['ordered 1', 'ordered 2'],
      ])
        expect([first, bodies.indexOf(second)]).toEqual([first, bodies.indexOf(first) + 1]);
      expect(bodies.at(-1)).toBe('later');
      const tagged = { tag: 'tag', properties: { KEYS: 'key', a: '1', TAGS: 'tag' } };
      expect(received[bodies.indexOf('ÿ')]).toMatchObject(tagged);
      const ids = outcomes.map(({ message_id }: Fields) => message_id).filter((id: string) => id !== '');
      expect(received.map(({ message_id }) => message_id).sort()).toEqual(ids.sort());

      const handles = received.map(({ receipt_handle }) => receipt_handle);
      const acked = await client.call('AckMessages', {
        consumer_id,
        receipt_handles: [...handles, 'forged', handles[0]],
      });
      expect(acked).toMatchObject({ success: true, message: '6 of 7 messages are acknowledged' });
      expect(acked['outcomes'].map(({ code, reason }: Fields) => [code, reason])).toEqual([
        ...handles.map(() => [0, '']),
        [3, 'INVALID_REQUEST'],
        [0, ''],
      ]);
      // What was acknowledged does not come again, where what comes behind it does.
      stream.cancel();
      const next = published.receive(consumer_id);
      await published.send('SendMessage', { producer_id, message_body: 'next' });
      expect(await next.take(1)).toMatchObject([{ message_body: 'next', reconsume_times: 0 }]);
      next.cancel();
    });

    test.concurrent('are 1 to 1,000', async () => {
      const { producer_id, consumer_id } = await startTopic('bounds');
      const messages = Array.from({ length: 1_001 }, (_, index) => ({ message_body: String(index) }));
      const sent = await client.call('SendMessages', { producer_id, messages: messages.slice(1) });
      expect(sent['message']).toBe('1000 of 1000 messages are stored');
      const receipt_handles = messages.map(() => 'x');
      const acked = await client.call('AckMessages', { consumer_id, receipt_handles: receipt_handles.slice(1) });
      expect(acked['message']).toBe('0 of 1000 messages are acknowledged');
      for (const count of [0, 1_001]) {
        const sending = client.call('SendMessages', { producer_id, messages: messages.slice(1_001 - count) });
        expect(await failureOf(sending)).toEqual<Failure>({
          code: 'INVALID_ARGUMENT',
          details: `messages has ${count} entries; it may have 1 to 1000`,
        });
        const acking = client.call('AckMessages', {
          consumer_id,
          receipt_handles: receipt_handles.slice(1_001 - count),
        });
        expect(await failureOf(acking)).toEqual<Failure>({
          code: 'INVALID_ARGUMENT',
          details: `receipt_handles has ${count} entries; it may have 1 to 1000`,
        });
      }
    });
  });

  describe('a message', () => {
    test.concurrent('that is given back comes again, after its delay', async () => {
      const { producer_id, consumer_id } = await startTopic('nack');
      await published.send('SendMessage', { producer_id, message_body: 'twice' });
      const stream = published.receive(consumer_id);
      const [first] = await stream.take(1);
      const { receipt_handle } = first ?? {};
      const startedMs = Date.now();
      const nacked = await client.call('NackMessage', { consumer_id, receipt_handle, delay_ms: 2_000 });
      expect(nacked).toEqual({ success: true, message: 'the message comes again' });
      const [second] = await stream.take(1);
      expect(second).toMatchObject({ message_id: first?.message_id, reconsume_times: 1 });
      // Brokers count in whole seconds in places, and their clock is not ours.
      expect((second?.arrivedAtMs ?? 0) - startedMs).toBeGreaterThan(900);
      // Its first handle is spent.
      const late = client.call('AckMessage', { consumer_id, receipt_handle });
      expect((await failureOf(late)).code).toBe('FAILED_PRECONDITION');
      await published.ack(consumer_id, { receipt_handle: second?.receipt_handle ?? '' });
      stream.cancel();
    });

    test.concurrent('stays invisible for as long as it is told to, and has another handle then', async () => {
      const { producer_id, consumer_id } = await startTopic('change');
      await published.send('SendMessage', { producer_id, message_body: 'slow' });
      const stream = published.receive(consumer_id);
      const [first] = await stream.take(1);
      const change = (receipt_handle: unknown, invisible_duration_ms: number) =>
        client.call('ChangeInvisibleDuration', { consumer_id, receipt_handle, invisible_duration_ms });
      const { receipt_handle, ...rest } = await change(first?.receipt_handle, 60_000);
      expect(rest).toEqual({
        success: true,
        message: 'the message stays invisible: go on with the new receipt handle',
      });
      expect(receipt_handle).not.toBe(first?.receipt_handle);
      expect((await failureOf(change(first?.receipt_handle, 60_000))).code).toBe('FAILED_PRECONDITION');
      // The shorter time is the one that counts.
      await change(receipt_handle, 1_000);
      const [second] = await stream.take(1);
      expect(second).toMatchObject({ message_id: first?.message_id, reconsume_times: 1 });
      await published.ack(consumer_id, { receipt_handle: second?.receipt_handle ?? '' });
      stream.cancel();
    });

    test.concurrent.each([
      ['NackMessage', 'delay_ms', 0],
      ['ChangeInvisibleDuration', 'invisible_duration_ms', 1],
    ] as const)('is given no time that it cannot have: %s', async (rpc, field, least) => {
      const { producer_id, consumer_id } = await startTopic(rpc);
      await published.send('SendMessage', { producer_id, message_body: 'patient' });
      const stream = published.receive(consumer_id);
      const [message] = await stream.take(1);
      const { receipt_handle } = message ?? {};
      for (const durationMs of [least - 1, 43_200_001, -(2 ** 31), 2 ** 31 - 1]) {
        expect(
          await failureOf(client.call(rpc, { consumer_id, receipt_handle, [field]: durationMs })),
        ).toEqual<Failure>({
          code: 'INVALID_ARGUMENT',
          details: `${field} is ${durationMs}; it may be ${least} to 43200000 milliseconds`,
        });
      }
      for (const [request, code] of [
        [{ consumer_id: '', receipt_handle }, 'NOT_FOUND'],
        [{ consumer_id: producer_id, receipt_handle }, 'NOT_FOUND'],
        [{ consumer_id, receipt_handle: '' }, 'INVALID_ARGUMENT'],
        [{ consumer_id, receipt_handle: consumer_id }, 'INVALID_ARGUMENT'],
        [{ consumer_id, receipt_handle: 'x'.repeat(20_000) }, 'INVALID_ARGUMENT'],
      ] as const) {
        expect((await failureOf(client.call(rpc, { ...request, [field]: 1_000 }))).code).toBe(code);
      }
      // None of that has touched the message.
      await client.call(rpc, { consumer_id, receipt_handle, [field]: 43_200_000 });
      stream.cancel();
    });
  });
});
