import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { PushConsumerOptions } from '../../../src/client/api/push-options.ts';
import type { ReceivedMessage } from '../../../src/client/api/received-message.ts';
import { RocketMQClient } from '../../../src/client/api/rocketmq-client.ts';
import { configuredAllocation } from '../../../src/client/pull/allocation.ts';
import type { TestBroker } from '../../../src/testing/test-broker.ts';
import { Inbox, startApi } from '../../support/api-client.ts';

function anotherClient(broker: TestBroker): RocketMQClient {
  const client = new RocketMQClient({ nameServers: broker.nameServer });
  onTestFinished(() => client.close());
  return client;
}

/** A consumer of `orders` whose messages are in the box. */
async function subscribed(client: RocketMQClient, options: Partial<PushConsumerOptions> = {}) {
  const inbox = new Inbox<string>();
  const handler = (message: ReceivedMessage): void => inbox.add(message.text());
  const consumer = client.pushConsumer({ group: 'billing', handler, ...options });
  await consumer.subscribe('orders');
  return { consumer, inbox };
}

describe.each(['pop', 'pull'] as const)('by %s', (consumeMode) => {
  test('a consumer that is paused takes nothing until it goes on, topics that it subscribes to meanwhile too', async () => {
    const { client, broker } = await startApi();
    for (const topic of ['orders', 'payments']) await broker.createTopic(topic, { queueCount: 1 });
    const { consumer, inbox } = await subscribed(client, { consumeMode });
    const producer = client.producer();
    await producer.send({ topic: 'orders', body: '0' });
    await inbox.count(1);
    consumer.pause();
    expect(consumer.isPaused).toBe(true);
    await consumer.subscribe('payments');
    const witness = client.simpleConsumer({ group: 'witness', consumeMode });
    for (const topic of ['orders', 'payments']) await witness.subscribe(topic);
    for (const topic of ['orders', 'payments']) await producer.send({ topic, body: topic });
    // Whoever is not paused has them.
    let seen = 0;
    while (seen < 2) seen += (await witness.receive(2)).length;
    expect(inbox.items).toEqual(['0']);
    consumer.resume();
    expect((await inbox.count(3)).toSorted()).toEqual(['0', 'orders', 'payments']);
    await consumer.close();
    expect(() => consumer.pause()).toThrow(expect.objectContaining({ code: 'CLOSED' }));
    expect(() => consumer.resume()).toThrow(expect.objectContaining({ code: 'CLOSED' }));
  });

  test('the messages of a sharding key come in order, also when one fails', async () => {
    const { client, broker } = await startApi();
    await broker.createTopic('orders', { queueCount: 4 });
    const inbox = new Inbox<string>();
    await subscribed(client, {
      ...{ consumeMode, ordered: true, retryDelayMs: () => 0 },
      handler: (message) => {
        inbox.add(`${message.text()} ${message.reconsumeTimes}`);
        if (message.text() === 'b1' && message.reconsumeTimes < 2) throw new Error('not yet');
      },
    });
    const producer = client.producer();
    for (const step of ['0', '1', '2', '3']) {
      for (const key of ['a', 'b', 'c']) await producer.send({ topic: 'orders', body: key + step, shardingKey: key });
    }
    const handled = await inbox.count(14);
    const ofKey = (key: string): string[] => handled.filter((one) => one.startsWith(key));
    expect(ofKey('a')).toEqual(['a0 0', 'a1 0', 'a2 0', 'a3 0']);
    expect(ofKey('b')).toEqual(['b0 0', 'b1 0', 'b1 1', 'b1 2', 'b2 0', 'b3 0']);
    expect(ofKey('c')).toEqual(['c0 0', 'c1 0', 'c2 0', 'c3 0']);
  });

  test.each([false, true])(
    'a message is dead after as many redeliveries as are asked for; ordered: %s',
    async (ordered) => {
      const { client, broker } = await startApi();
      await broker.createTopic('orders', { queueCount: 1 });
      const inbox = new Inbox<number>();
      await subscribed(client, {
        ...{ consumeMode, ordered, reconsumeTimesMax: 1, retryDelayMs: () => 0 },
        handler: (message) => {
          inbox.add(message.reconsumeTimes);
          throw new Error('never');
        },
      });
      await client.producer().send({ topic: 'orders', body: 'x' });
      await vi.waitFor(() => expect(broker.messages('%DLQ%billing')).toHaveLength(1), 20_000);
      expect(inbox.items).toEqual([0, 1]);
    },
    30_000,
  );
});

describe('as a broadcast', () => {
  test('every member gets everything that is sent from its subscription on', async () => {
    const { client, broker } = await startApi();
    await broker.createTopic('orders', { queueCount: 2 });
    await client.producer().send({ topic: 'orders', body: 'before' });
    const one = await subscribed(client, { broadcast: true });
    const other = await subscribed(anotherClient(broker), { broadcast: true });
    const bodies = ['0', '1', '2', '3'];
    for (const body of bodies) await client.producer().send({ topic: 'orders', body });
    expect((await one.inbox.count(4)).toSorted()).toEqual(bodies);
    expect((await other.inbox.count(4)).toSorted()).toEqual(bodies);
  });

  test('a member goes on where it was, by its file; what failed too often is dropped', async () => {
    const { client, broker } = await startApi();
    await broker.createTopic('orders', { queueCount: 1 });
    const directory = mkdtempSync(join(tmpdir(), 'offsets-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const producer = client.producer();
    const inbox = new Inbox<string>();
    const options: Partial<PushConsumerOptions> = {
      ...{ broadcast: { directory, clientId: 'member-1' }, consumeFrom: 'first', reconsumeTimesMax: 1 },
      retryDelayMs: () => 0,
      handler: (message) => {
        inbox.add(`${message.text()} ${message.reconsumeTimes}`);
        if (message.text() === 'bad') throw new Error('never');
      },
    };
    const { consumer } = await subscribed(client, options);
    await producer.send({ topic: 'orders', body: 'bad' });
    await inbox.count(2);
    await producer.send({ topic: 'orders', body: 'good' });
    await inbox.count(3);
    await consumer.close();
    await producer.send({ topic: 'orders', body: 'later' });
    await subscribed(client, options);
    expect(await inbox.count(4)).toEqual(['bad 0', 'bad 1', 'good 0', 'later 0']);
    expect(broker.messages('%DLQ%billing')).toEqual([]);
  });

  test('is by pull, and its group cannot share at the same time', async () => {
    const { client, broker } = await startApi();
    await broker.createTopic('orders', { queueCount: 1 });
    await subscribed(client, { broadcast: true });
    const refused = { code: 'INVALID_ARGUMENT' };
    await expect(subscribed(client, { consumeMode: 'pull' })).rejects.toMatchObject(refused);
    await expect(subscribed(client, { broadcast: true, consumeMode: 'pop' })).rejects.toMatchObject(refused);
  });
});

test('members share queues by the strategy that they are given', async () => {
  const { client, broker } = await startApi();
  await broker.createTopic('orders', { queueCount: 2 });
  const producer = client.producer();
  const queues = await client.litePullConsumer({ group: 'lookup' }).queuesOf('orders');
  const members = await Promise.all(
    queues.map((queue, index) => {
      const options = { consumeMode: 'pull', allocationStrategy: configuredAllocation([queue]) } as const;
      return subscribed(index === 0 ? client : anotherClient(broker), options);
    }),
  );
  const sent = await Promise.all(['0', '1', '2', '3'].map((body) => producer.send({ topic: 'orders', body })));
  for (const [index, { inbox }] of members.entries()) {
    const expected = sent.flatMap(({ queue }, body) =>
      queue.queueId === queues[index]?.queueId ? [String(body)] : [],
    );
    expect((await inbox.count(expected.length)).toSorted()).toEqual(expected);
  }
});
