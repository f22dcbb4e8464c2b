import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { LitePullConsumerOptions } from '../../../src/client/api/lite-pull-consumer.ts';
import { configuredAllocation } from '../../../src/client/pull/allocation.ts';
import { startApi } from '../../support/api-client.ts';

describe('LitePullConsumer', () => {
  test('shares a topic with its group, and goes on where it was', async () => {
    const { client, broker } = await startApi({ namespace: 'shop' });
    await broker.createTopic('shop%orders', { queueCount: 1 });
    const first = client.litePullConsumer({ group: 'audit', consumeFrom: 'first' });
    await first.subscribe('orders', 'a');
    expect(first.queues).toEqual([{ topic: 'orders', brokerName: expect.any(String), queueId: 0 }]);
    const producer = client.producer();
    for (const [body, tag] of [
      ['0', 'a'],
      ['1', 'b'],
      ['2', 'a'],
    ] as const)
      await producer.send({ topic: 'orders', body, tag });
    const messages = await first.poll(1);
    expect(messages.map((message) => [message.topic, message.text()])).toEqual([['orders', '0']]);
    await first.commit();
    await first.close();
    await expect(first.poll()).rejects.toMatchObject({ code: 'CLOSED' });
    const second = client.litePullConsumer({ group: 'audit', consumeFrom: 'first' });
    await second.subscribe('orders', 'a');
    for await (const message of second) {
      expect(message.text()).toBe('2');
      break;
    }
    expect(await second.poll(1, { timeoutMs: 20 })).toEqual([]);
    await expect(second.poll(1, { signal: AbortSignal.abort(new Error('gone')) })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    const cut = expect(second.poll()).rejects.toMatchObject({ code: 'CLOSED' });
    await second.close();
    await cut;
  });

  test('reads the queues that it is told to, from where it is told to', async () => {
    const { client, broker } = await startApi();
    await broker.createTopic('orders', { queueCount: 2 });
    const consumer = client.litePullConsumer({ group: 'audit', autoCommit: false });
    const [queue] = await consumer.queuesOf('orders');
    if (queue === undefined) throw new Error('a topic has queues');
    await consumer.assign([queue]);
    const producer = client.producer();
    const sent = await Promise.all(['0', '1', '2', '3'].map((body) => producer.send({ topic: 'orders', body })));
    const expected = sent.filter((one) => one.queue.queueId === queue.queueId).map(({ messageId }) => messageId);
    await consumer.seek(queue, 'first');
    const ids: string[] = [];
    while (ids.length < expected.length) ids.push(...(await consumer.poll()).map(({ messageId }) => messageId));
    expect(ids).toEqual(expected);
    await consumer.commit();
    expect(await consumer.committed(queue)).toBe(BigInt(expected.length));
    await consumer.seek(queue, 0n);
    await consumer.pause([queue]);
    expect(await consumer.poll(1, { timeoutMs: 50 })).toEqual([]);
    await consumer.resume([queue]);
    expect((await consumer.poll(1)).map(({ messageId }) => messageId)).toEqual(expected.slice(0, 1));
    await expect(consumer.subscribe('orders')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(consumer.poll(1_025)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  test('finds offsets by time, in any queue, and goes to the first and the last message', async () => {
    const { client, broker } = await startApi({ namespace: 'shop' });
    await broker.createTopic('shop%orders', { queueCount: 1 });
    const producer = client.producer();
    for (const body of ['0', '1']) await producer.send({ topic: 'orders', body });
    const consumer = client.litePullConsumer({ group: 'audit' });
    const [queue] = await consumer.queuesOf('orders');
    if (queue === undefined) throw new Error('a topic has queues');
    expect(await consumer.offsetForTimestamp(queue, new Date(0))).toBe(0n);
    expect(await consumer.offsetForTimestamp(queue, new Date(Date.now() + 3_600_000))).toBe(2n);
    await expect(consumer.offsetForTimestamp(queue, new Date(Number.NaN))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    await consumer.assign([queue]);
    await consumer.seekToBegin(queue);
    expect((await consumer.poll(1)).map((message) => message.text())).toEqual(['0']);
    await consumer.seekToEnd(queue);
    await producer.send({ topic: 'orders', body: '2' });
    expect((await consumer.poll()).map((message) => message.text())).toEqual(['2']);
  });

  test('a broadcast goes on where its member was, by a file, which must make sense', async () => {
    const { client, broker } = await startApi();
    await broker.createTopic('orders', { queueCount: 1 });
    const directory = mkdtempSync(join(tmpdir(), 'offsets-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    for (const body of ['0', '1']) await client.producer().send({ topic: 'orders', body });
    const poll = async (options: Partial<LitePullConsumerOptions>): Promise<string[]> => {
      await using consumer = client.litePullConsumer({ group: 'audit', consumeFrom: 'first', ...options });
      await consumer.subscribe('orders');
      const messages = await consumer.poll(1);
      await consumer.commit();
      return messages.map((message) => message.text());
    };
    const broadcast = { directory, clientId: 'member-1' };
    expect([await poll({ broadcast }), await poll({ broadcast })]).toEqual([['0'], ['1']]);
    expect(await poll({ broadcast: { directory, clientId: 'member-2' } })).toEqual(['0']);
    expect([await poll({ broadcast: true }), await poll({ broadcast: true })]).toEqual([['0'], ['0']]);
    writeFileSync(join(directory, 'member-1', 'audit.json'), 'nonsense');
    await expect(poll({ broadcast })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  test('shares queues by the strategy that it is given; refuses what is none', async () => {
    const { client, broker } = await startApi();
    await broker.createTopic('orders', { queueCount: 2 });
    const [, second] = await client.litePullConsumer({ group: 'lookup' }).queuesOf('orders');
    if (second === undefined) throw new Error('there are two');
    const consumer = client.litePullConsumer({ group: 'audit', allocationStrategy: configuredAllocation([second]) });
    await consumer.subscribe('orders');
    expect(consumer.queues).toEqual([second]);
    const wrong: readonly object[] = [{ allocationStrategy: {} }, { broadcast: { directory: '' } }];
    for (const options of wrong)
      expect(() => client.litePullConsumer({ group: 'g', ...options })).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
      );
  });
});
