import { describe, expect, test } from 'vitest';
import { ReceivedMessage } from '../../../src/client/api/received-message.ts';
import { receiveCountMax } from '../../../src/client/api/simple-consumer.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { startApi } from '../../support/api-client.ts';

describe.each(['pop', 'pull'] as const)('SimpleConsumer by %s', (consumeMode) => {
  async function start(clock?: VirtualClock) {
    const { client, broker } = await startApi({}, clock === undefined ? {} : { clock });
    await broker.createTopic('orders', { queueCount: 1 });
    const consumer = client.simpleConsumer({ group: 'billing', consumeMode });
    const producer = client.producer();
    const send = (body: string) => producer.send({ topic: 'orders', body });
    return { client, broker, consumer, send };
  }

  test('receives what is there, up to the count, and acknowledges', async () => {
    const { consumer, send } = await start();
    await consumer.subscribe('orders');
    for (const body of ['0', '1', '2', '3', '4']) await send(body);
    const first = await consumer.receive(3);
    const rest = await consumer.receive(10);
    expect([...first, ...rest].map((message) => message.text())).toEqual(['0', '1', '2', '3', '4']);
    expect(first.length).toBeGreaterThan(0);
    expect(first.length).toBeLessThanOrEqual(3);
    for (const message of [...first, ...rest]) await consumer.ack(message);
    for (const message of first) await consumer.ack(message);
    expect(await consumer.receive(1, { timeoutMs: 50 })).toEqual([]);
  });

  test('waits for a message; a second call waits behind the first', async () => {
    const { consumer, send } = await start();
    await consumer.subscribe('orders');
    const receiving = [consumer.receive(), consumer.receive()];
    await send('0');
    expect((await receiving[0])?.map((message) => message.text())).toEqual(['0']);
    await send('1');
    expect((await receiving[1])?.map((message) => message.text())).toEqual(['1']);
  });

  test('nothing in time is no error; who gives up gets one', async () => {
    const { consumer, send } = await start();
    await consumer.subscribe('orders');
    expect(await consumer.receive(1, { timeoutMs: 20 })).toEqual([]);
    const reason = new Error('changed my mind');
    const giving = new AbortController();
    const receiving = consumer.receive(1, { signal: giving.signal });
    giving.abort(reason);
    await expect(receiving).rejects.toMatchObject({ code: 'CANCELLED', cause: reason });
    await send('late');
    expect((await consumer.receive()).map((message) => message.text())).toEqual(['late']);
  });

  test('gives a message back', async () => {
    const { consumer, send } = await start();
    await consumer.subscribe('orders');
    await send('again');
    const [message] = await consumer.receive();
    if (message === undefined) throw new Error('nothing came');
    await consumer.nack(message);
    const [again] = await consumer.receive(1, { timeoutMs: 30_000 });
    expect(again).toMatchObject({ messageId: message.messageId, reconsumeTimes: 1 });
    if (again !== undefined) await consumer.ack(again);
    await expect(consumer.ack(message)).rejects.toMatchObject({ code: 'RECEIPT_EXPIRED', retryable: false });
  });

  test('what is not settled at its close comes to others at once', async () => {
    const { client, consumer, send } = await start();
    await consumer.subscribe('orders');
    await send('0');
    await consumer.receive();
    const cut = expect(consumer.receive()).rejects.toMatchObject({ code: 'CLOSED' });
    await consumer.close();
    await cut;
    await expect(consumer.receive()).rejects.toMatchObject({ code: 'CLOSED' });
    const other = client.simpleConsumer({ group: 'billing', consumeMode });
    await other.subscribe('orders');
    expect((await other.receive(1, { timeoutMs: 30_000 })).map((message) => message.text())).toEqual(['0']);
  });

  test('can be iterated; a loop that ends gives back what it was not given', async () => {
    const { consumer, send } = await start();
    await consumer.subscribe('orders');
    for (const body of ['0', '1', '2']) await send(body);
    const seen: string[] = [];
    for await (const message of consumer) {
      seen.push(message.text());
      await consumer.ack(message);
      if (seen.length === 2) break;
    }
    const rest = await consumer.receive(10, { timeoutMs: 30_000 });
    expect([...seen, ...rest.map((message) => message.text())]).toEqual(['0', '1', '2']);
  });
});

describe('SimpleConsumer', () => {
  test('takes no more than is wanted, and keeps it for as long as is said', async () => {
    const clock = new VirtualClock();
    const { client, broker } = await startApi({}, { clock });
    await broker.createTopic('orders', { queueCount: 1 });
    const [one, other] = ['billing', 'billing'].map((group) => client.simpleConsumer({ group }));
    await one?.subscribe('orders');
    await other?.subscribe('orders');
    const producer = client.producer();
    for (const body of ['0', '1', '2']) await producer.send({ topic: 'orders', body });
    const [first] = (await one?.receive(1, { invisibleDurationMs: 600_000 })) ?? [];
    const [second] = (await other?.receive(1, { invisibleDurationMs: 60_000 })) ?? [];
    const [third] = (await one?.receive(1, { invisibleDurationMs: 60_000 })) ?? [];
    expect([first, second, third].map((message) => message?.text())).toEqual(['0', '1', '2']);
    if (third !== undefined) await one?.changeInvisibleDuration(third, 600_000);
    await clock.advance(70_000);
    expect((await one?.receive(10))?.map((message) => message.text())).toEqual(['1']);
    if (third !== undefined) await one?.ack(third);
  });

  test('receives from all of its topics', async () => {
    const { client } = await startApi();
    const consumer = client.simpleConsumer({ group: 'billing', consumeFrom: 'first' });
    const producer = client.producer();
    const topics = ['a', 'b', 'c'];
    for (const topic of topics) {
      await producer.send({ topic, body: topic });
      await consumer.subscribe(topic);
    }
    const seen = new Set<string>();
    while (seen.size < 3) {
      const messages = await consumer.receive();
      expect(messages.length).toBe(1);
      for (const message of messages) {
        seen.add(message.text());
        await consumer.ack(message);
      }
    }
    await consumer.unsubscribe('a');
    await consumer.unsubscribe('a');
    await producer.send({ topic: 'a', body: 'unheard' });
    expect(await consumer.receive(2, { timeoutMs: 100 })).toEqual([]);
  });

  test('refuses what makes no sense, before anything is sent', async () => {
    const { client } = await startApi();
    const invalid = { code: 'INVALID_ARGUMENT' };
    expect(() => client.simpleConsumer({ group: 'no group' })).toThrow(expect.objectContaining(invalid));
    expect(() => client.simpleConsumer({ group: 'g', invisibleDurationMs: 1 })).toThrow(
      expect.objectContaining(invalid),
    );
    const consumer = client.simpleConsumer({ group: 'g' });
    await expect(consumer.receive()).rejects.toMatchObject(invalid);
    await consumer.subscribe('orders');
    await expect(consumer.subscribe('orders')).rejects.toMatchObject(invalid);
    for (const countMax of [0, receiveCountMax + 1])
      await expect(consumer.receive(countMax)).rejects.toMatchObject(invalid);
    await expect(consumer.receive(1, { timeoutMs: 0 })).rejects.toMatchObject(invalid);
    await expect(consumer.receive(1, { invisibleDurationMs: 999 })).rejects.toMatchObject(invalid);
    const receipt = { brokerName: 'a', queueId: 0, queueOffset: 0n };
    const content = {
      messageId: '',
      topic: '',
      body: Buffer.of(),
      tag: undefined,
      bornTimestampMs: 0,
      reconsumeTimes: 0,
    };
    const foreign = new ReceivedMessage({ ...content, properties: new Map(), receipt }, '');
    await expect(consumer.ack(foreign)).rejects.toMatchObject(invalid);
  });
});
