import { describe, expect, test, vi } from 'vitest';
import type { ReceivedMessage } from '../../../src/client/api/received-message.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { Inbox, startApi } from '../../support/api-client.ts';
import { deferred } from '../../support/scripted-peer.ts';

describe('PushConsumer', () => {
  test('gives messages to its handler, with all that they were sent with, and acknowledges them', async () => {
    const clock = new VirtualClock();
    const { client } = await startApi({}, { clock });
    const inbox = new Inbox<ReceivedMessage>();
    const consumer = client.pushConsumer({ group: 'billing', handler: (message) => inbox.add(message) });
    await consumer.subscribe('orders', 'created || paid');
    const producer = client.producer();
    await producer.send({ topic: 'orders', body: 'not wanted', tag: 'deleted' });
    const bytes = Buffer.from([0, 255, 128]);
    const { messageId } = await producer.send({
      topic: 'orders',
      body: bytes,
      tag: 'paid',
      keys: ['4711', 'x'],
      properties: { region: 'north' },
      shardingKey: 'customer-7',
    });
    const [message] = await inbox.count(1);
    expect(message).toMatchObject({ messageId, topic: 'orders', tag: 'paid', keys: ['4711', 'x'], reconsumeTimes: 0 });
    expect(message?.body).toEqual(bytes);
    expect(message?.shardingKey).toBe('customer-7');
    expect(message?.properties.get('region')).toBe('north');
    await consumer.close();
    await clock.advance(3_600_000);
    const other = client.pushConsumer({ group: 'billing', handler: (one) => inbox.add(one) });
    await other.subscribe('orders', 'created || paid');
    await producer.send({ topic: 'orders', body: 'last', tag: 'paid' });
    const all = await inbox.count(2);
    expect(all.map((one) => one.text())).toEqual([bytes.toString(), 'last']);
  });

  test('a message whose handler throws comes again after its delay; one whose handler says when, then', async () => {
    const clock = new VirtualClock();
    const { client, broker } = await startApi({}, { clock });
    await broker.createTopic('orders');
    const inbox = new Inbox<number>();
    const consumer = client.pushConsumer({
      group: 'billing',
      consumeFrom: 'first',
      retryDelayMs: () => 60_000,
      handler: ({ reconsumeTimes }) => {
        inbox.add(reconsumeTimes);
        if (reconsumeTimes === 0) throw new Error('no database');
        return reconsumeTimes === 1 ? { retryAfterMs: 120_000 } : 'ack';
      },
    });
    await consumer.subscribe('orders');
    await client.producer().send({ topic: 'orders', body: 'hello' });
    await inbox.count(1);
    await vi.waitFor(async () => {
      await clock.advance(20_000);
      expect(inbox.items.length).toBeGreaterThan(1);
    }, 10_000);
    await vi.waitFor(async () => {
      await clock.advance(20_000);
      expect(inbox.items.length).toBeGreaterThan(2);
    }, 10_000);
    expect(inbox.items).toEqual([0, 1, 2]);
  });

  test('runs as many handlers at once as it may', async () => {
    const { client, broker } = await startApi();
    await broker.createTopic('orders');
    const go = deferred<void>();
    const started = new Inbox<string>();
    let most = 0;
    let running = 0;
    const consumer = client.pushConsumer({
      group: 'billing',
      concurrency: 3,
      handler: async (message) => {
        running += 1;
        most = Math.max(most, running);
        started.add(message.text());
        await go.promise;
        running -= 1;
      },
    });
    await consumer.subscribe('orders');
    const producer = client.producer();
    const sends = Array.from({ length: 10 }, (_, index) => producer.send({ topic: 'orders', body: String(index) }));
    await Promise.all(sends);
    await started.count(3);
    expect(running).toBe(3);
    go.resolve();
    await started.count(10);
    expect(most).toBe(3);
    expect(new Set(started.items).size).toBe(10);
  });

  test('ordered: the next message of a sharding key comes when the one before is done', async () => {
    const { client, broker } = await startApi();
    await broker.createTopic('orders', { queueCount: 2 });
    const done = new Inbox<string>();
    const consumer = client.pushConsumer({
      group: 'billing',
      ordered: true,
      retryDelayMs: () => 10,
      handler: async (message) => {
        if (message.text() === 'a1' && message.reconsumeTimes === 0) throw new Error('not yet');
        await new Promise((resolve) => setImmediate(resolve));
        done.add(message.text());
      },
    });
    await consumer.subscribe('orders');
    const producer = client.producer();
    for (const body of ['a0', 'b0', 'a1', 'b1', 'a2', 'b2']) {
      await producer.send({ topic: 'orders', body, shardingKey: body.charAt(0) });
    }
    const bodies = await done.count(6);
    for (const key of ['a', 'b']) {
      expect(bodies.filter((body) => body.startsWith(key))).toEqual([`${key}0`, `${key}1`, `${key}2`]);
    }
  });

  test('close waits for handlers that run, and gives back what waits for one', async () => {
    const { client, broker } = await startApi();
    await broker.createTopic('orders', { queueCount: 1 });
    const go = deferred<void>();
    const started = new Inbox<ReceivedMessage>();
    const consumer = client.pushConsumer({
      group: 'billing',
      concurrency: 1,
      handler: async (message, { signal }) => {
        started.add(message);
        await go.promise;
        expect(signal.aborted).toBe(false);
      },
    });
    await consumer.subscribe('orders');
    const producer = client.producer();
    const sent = await Promise.all(['0', '1', '2'].map((body) => producer.send({ topic: 'orders', body })));
    const [first] = await started.count(1);
    let closed = false;
    const closing = consumer.close().then(() => {
      closed = true;
    });
    const rest = new Inbox<ReceivedMessage>();
    const other = client.pushConsumer({ group: 'billing', handler: (message) => rest.add(message) });
    await other.subscribe('orders');
    const others = await rest.count(2);
    expect(closed).toBe(false);
    go.resolve();
    await closing;
    await other.close();
    const ids = [first, ...others].map((message) => message?.messageId);
    expect(ids.toSorted()).toEqual(sent.map(({ messageId }) => messageId).toSorted());
    expect(rest.items.length).toBe(2);
  });

  test('close waits no longer than it may: handlers hear of it, and their messages come again', async () => {
    const { client } = await startApi();
    const inbox = new Inbox<AbortSignal>();
    const consumer = client.pushConsumer({
      group: 'billing',
      closeTimeoutMs: 1,
      handler: async (_, { signal }) => {
        inbox.add(signal);
        await new Promise(() => {});
      },
    });
    await consumer.subscribe('orders');
    await client.producer().send({ topic: 'orders', body: 'hello' });
    const [signal] = await inbox.count(1);
    await consumer.close();
    await consumer.close();
    expect(signal?.aborted).toBe(true);
    const again = new Inbox<ReceivedMessage>();
    const other = client.pushConsumer({ group: 'billing', handler: (message) => again.add(message) });
    await other.subscribe('orders');
    expect((await again.count(1))[0]?.text()).toBe('hello');
  });

  test('a handler has its time, then its message comes again', async () => {
    const { client } = await startApi();
    const inbox = new Inbox<ReceivedMessage>();
    const reasons: unknown[] = [];
    const consumer = client.pushConsumer({
      group: 'billing',
      handlerTimeoutMs: 20,
      retryDelayMs: () => 0,
      handler: async (message, { signal }) => {
        inbox.add(message);
        if (message.reconsumeTimes > 0) return;
        signal.addEventListener('abort', () => reasons.push(signal.reason));
        await new Promise(() => {});
      },
    });
    await consumer.subscribe('orders');
    await client.producer().send({ topic: 'orders', body: 'hello' });
    const messages = await inbox.count(2);
    expect(messages.map(({ reconsumeTimes }) => reconsumeTimes)).toEqual([0, 1]);
    expect(reasons).toEqual([expect.objectContaining({ message: expect.stringContaining('no more time') })]);
  });

  test('a topic may be left again, and is subscribed to once', async () => {
    const { client } = await startApi();
    const inbox = new Inbox<string>();
    const consumer = client.pushConsumer({ group: 'billing', handler: (message) => inbox.add(message.text()) });
    await consumer.subscribe('orders');
    await consumer.subscribe('payments', { sql: 'price > 10' });
    await expect(consumer.subscribe('orders')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await consumer.unsubscribe('orders');
    await consumer.unsubscribe('unknown');
    const producer = client.producer();
    await producer.send({ topic: 'orders', body: 'order' });
    await producer.send({ topic: 'payments', body: 'small', properties: { price: '5' } });
    await producer.send({ topic: 'payments', body: 'large', properties: { price: '50' } });
    expect(await inbox.count(1)).toEqual(['large']);
    await consumer.subscribe('orders');
    expect(await inbox.count(2)).toEqual(['large', 'order']);
    await consumer.close();
    await expect(consumer.subscribe('more')).rejects.toMatchObject({ code: 'CLOSED' });
  });

  test('receives by pull where it is told to, also in order', async () => {
    const { client } = await startApi();
    const inbox = new Inbox<string>();
    const consumer = client.pushConsumer({
      group: 'billing',
      consumeMode: 'pull',
      consumeFrom: 'first',
      handler: (message) => inbox.add(message.text()),
    });
    await client.producer().send({ topic: 'orders', body: 'order' });
    await consumer.subscribe('orders');
    expect(await inbox.count(1)).toEqual(['order']);
  });
});
