import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import type { ConsumerOptions } from '../../../src/sdk/consumer.ts';
import { MessageProperties } from '../../../src/sdk/message-properties.ts';
import type { Producer } from '../../../src/sdk/producer.ts';
import { Inbox } from '../../support/sdk-inbox.ts';
import { differsBefore5, type Variant } from '../target.ts';
import { failuresOf, type StartedSdk } from './started-sdk.ts';

const GET_CONSUMER_CONNECTION_LIST = 203;

/** That options of a consumer reach the broker; what they do there is judged where they are made. */
export function optionsSuite({ cluster, clientOf, open }: StartedSdk, variant: Variant): void {
  const modes = differsBefore5(variant, 'noPop', { before5: ['pull'], since5: ['pop', 'pull'] } as const);

  const publishAll = async (producer: Producer, ...bodies: readonly string[]): Promise<void> => {
    for (const body of bodies) await producer.publishMessage(body);
  };

  test.concurrent.each(modes)('consumeMode %s is the way that brokers are asked by', async (consumeMode) => {
    const { client, producer, topic } = await open(`mode-${consumeMode}`);
    const consumerGroup = `${topic}-mode`;
    const inbox = new Inbox(await client.getConsumer('', topic, consumerGroup, '*', { consumeMode }));
    await producer.publishMessage('x');
    await inbox.atLeast(1);
    const consumeType = async () => {
      const { body } = await cluster().brokerCall(GET_CONSUMER_CONNECTION_LIST, { consumerGroup });
      return /"consumeType":"(\w+)"/.exec(Buffer.from(body ?? []).toString())?.[1];
    };
    // Who receives by POP is a member from the next heartbeat on only.
    if (consumeMode === 'pop') expect(['CONSUME_POP', undefined]).toContain(await consumeType());
    else await vi.waitFor(async () => expect(await consumeType()).toBe('CONSUME_PASSIVELY'), 60_000);
  });

  test.concurrent('what brokers do not have is refused', async () => {
    const { client, topic } = await open('no-mode');
    const pop = client.getConsumer('', topic, `${topic}-pop`, '*', { consumeMode: 'pop' });
    const outcome = pop.then(
      () => 'made',
      ({ reason }) => reason,
    );
    expect(await outcome).toBe(differsBefore5(variant, 'noPop', { before5: 'NOT_SUPPORTED', since5: 'made' }));
    const wrong = [
      { consumeMode: 'push' },
      { consumeFrom: 'middle' },
      { messagesMax: 0 },
      { sqlExpression: 'price >' },
    ];
    const calls = wrong.map((options) => client.getConsumer('', topic, 'g', '*', options as object));
    for (const failure of await failuresOf(calls)) expect(failure).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  test.concurrent('sqlExpression lets through what it wants and nothing else', async () => {
    const { client, producer, topic } = await open('sql');
    const sqlExpression = "price > 10 AND region = 'eu'";
    const inbox = new Inbox(await client.getConsumer('', topic, `${topic}-sql`, 'ignored', { sqlExpression }));
    const publish = (body: string, price: number, region: string) =>
      producer.publishMessage(
        body,
        '',
        new MessageProperties().putProperty('price', price).putProperty('region', region),
      );
    await publish('cheap', 10, 'eu');
    await publish('wanted', 11, 'eu');
    await publish('elsewhere', 11, 'us');
    await publish('last', 99, 'eu');
    await inbox.atLeast(2);
    expect(inbox.bodies.toSorted()).toEqual(['last', 'wanted']);
  });

  test.concurrent('ordered: no message overtakes another, also where one fails first', async () => {
    // Long enough for a machine that stands still now and then.
    const ordered = { ordered: true, retryDelayMs: 200, invisibleDurationMs: 120_000, autoAck: true };
    const { consumer, producer } = await open('ordered', { consumer: ordered, queueCount: 1 });
    // All are there when the first one fails.
    await publishAll(producer, '1', '2', '3');
    const inbox = new Inbox(consumer, ({ body, reconsumeTimes }) => {
      if (body === '1' && reconsumeTimes === 0) throw new Error('not now');
    });
    await inbox.atLeast(4);
    expect(inbox.bodies).toEqual(['1', '1', '2', '3']);
  });

  test.concurrent('consumeFrom says where a new group begins', async () => {
    const { producer, topic } = await open('from', { queueCount: 1 });
    await publishAll(producer, 'before');
    // Brokers date in whole ms.
    await sleep(50);
    const since = new Date();
    await sleep(50);
    await publishAll(producer, 'after');
    const all = ['before', 'after', 'last'];
    const groups: readonly [ConsumerOptions['consumeFrom'], readonly string[]][] = [
      ['first', all],
      [since, differsBefore5(variant, 'youngQueues', { before5: all, since5: all.slice(1) })],
    ];
    const client = clientOf();
    const inboxes = await Promise.all(
      groups.map(async ([consumeFrom], index) => {
        const consumer = await client.getConsumer('', topic, `${topic}-${index}`, '*', { consumeFrom });
        return new Inbox(consumer);
      }),
    );
    await publishAll(producer, 'last');
    for (const [index, [, bodies]] of groups.entries()) {
      await inboxes[index]?.atLeast(bodies.length);
      expect(inboxes[index]?.bodies.toSorted()).toEqual(bodies.toSorted());
    }
  });
}
