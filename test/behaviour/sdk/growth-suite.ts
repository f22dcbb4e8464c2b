import { describe, expect, test, vi } from 'vitest';
import { MessageProperties } from '../../../src/sdk/message-properties.ts';
import type { HalfMessage } from '../../../src/sdk/transaction.ts';
import { Inbox } from '../../support/sdk-inbox.ts';
import { differsBefore5, isBefore5, type Variant } from '../target.ts';
import { failuresOf, type StartedSdk } from './started-sdk.ts';

/** What the SDK has of the API beyond the published one. */
export function growthSuite({ way, clientOf, open }: StartedSdk, variant: Variant): void {
  describe('transactions that the caller ends', () => {
    test.concurrent('are received when they are committed, and never when they are rolled back', async () => {
      const { consumer, producer, topic } = await open('half');
      const inbox = new Inbox(consumer);
      const [never, half] = [await producer.publishHalfMessage('never'), await producer.publishHalfMessage('half')];
      expect({ ...half }).toEqual({
        messageId: expect.stringMatching(/^[0-9A-F]{32}$/),
        receiptHandle: half.messageId,
        transactionId: half.messageId,
        transactionHandle: expect.stringMatching(/^[\w-]{20,400}$/),
      });
      expect(await never.rollback()).toEqual({ success: true, message: 'the transaction is rolled back' });
      // By another program.
      const other = await clientOf().getProducer('', topic);
      const committed = { success: true, message: 'the transaction is committed' };
      expect(await other.endTransaction(half.transactionHandle, 'commit')).toEqual(committed);
      const { messageId } = await inbox.at(0);
      expect(messageId).toBe(half.messageId);
      expect(await half.commit()).toEqual(committed);
      for (const failure of await failuresOf([half.rollback(), never.commit()]))
        expect(failure).toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'INVALID_REQUEST' });
      await producer.publishMessage('after');
      await inbox.atLeast(2);
      expect(inbox.bodies).toEqual(['half', 'after']);
    });

    test.concurrent('that nobody has ended are decided by a checker of the group, whichever program it is in', async () => {
      const { consumer, producer, topic } = await open('checked', { producer: { producerGroup: 'sdk-checkout' } });
      const inbox = new Inbox(consumer);
      const asked: HalfMessage[] = [];
      // What a checker says of each message, one answer after the other.
      const answers = {
        committed: ['commit'],
        'rolled back': ['rollback'],
        unknown: ['unknown', 'commit'],
        failing: [new Error('no database'), 'commit'],
      } as Record<string, ('commit' | 'rollback' | 'unknown' | Error)[]>;
      const checker = await clientOf().getProducer('', topic, {
        producerGroup: 'sdk-checkout',
        checker: async (message) => {
          asked.push(message);
          const [answer = 'rollback'] = answers[message.body]?.splice(0, 1) ?? [];
          if (answer instanceof Error) throw answer;
          return answer;
        },
      });
      const properties = new MessageProperties().messageKey('4711').putProperty('a', '1');
      const sent = [];
      for (const body of Object.keys(answers)) sent.push(await producer.publishHalfMessage(body, 'tag', properties));
      await inbox.atLeast(3);
      expect(inbox.bodies.toSorted()).toEqual(['committed', 'failing', 'unknown']);
      await vi.waitFor(() => expect(answers['rolled back']).toEqual([]), 60_000);
      const { messageId } = sent[0] ?? {};
      const first = asked.find(({ body }) => body === 'committed');
      expect(first).toEqual({
        messageId,
        transactionId: messageId,
        transactionHandle: expect.stringMatching(/./),
        body: 'committed',
        bytes: Buffer.from('committed'),
        tag: 'tag',
        properties: { a: '1', KEYS: '4711', TAGS: 'tag', UNIQ_KEY: messageId },
        bornTimestamp: inbox.messages.find(({ body }) => body === 'committed')?.bornTimestamp,
      });
      await checker.close();
    });

    test.concurrent('are refused where they cannot be', async () => {
      const { producer, client, topic } = await open('half-refused');
      const stranger = await client.getProducer('', `sdk-${way}-half`);
      const half = await producer.publishHalfMessage('x');
      const own = await client.getProducer('', topic, { producerGroup: 'rocketmq-grpc-proxy' });
      const calls = [
        producer.endTransaction('', 'commit'),
        producer.endTransaction('forged', 'commit'),
        stranger.endTransaction(half.transactionHandle, 'commit'),
        producer.endTransaction(half.transactionHandle, 'unknown' as 'commit'),
        producer.recallMessage(half.transactionHandle),
        producer.publishHalfMessage('x', '', new MessageProperties().startDeliverTime(Date.now() + 600_000)),
        producer.publishHalfMessage('x', '', null, 86_401),
        own.publishHalfMessage('x'),
        client.getProducer('', topic, { checker: 'commit' as unknown as () => 'commit' }),
      ];
      for (const failure of await failuresOf(calls)) expect(failure).toMatchObject({ reason: 'INVALID_REQUEST' });
      await half.rollback();
    });
  });

  test
    .skipIf(isBefore5(variant, 'noDeliveryTime'))
    .concurrent('messages that wait for their time can be taken back, by any producer of their topic', async () => {
      const { producer, client, topic } = await open('recall');
      // Far away, so that nothing here depends on time; that it never comes is judged in proxy-sending.test.ts.
      const delay = { startDeliverTime: Date.now() + 600_000 };
      const draft = (body: string) => producer.publishDelayMessage(body, '', null, delay);
      const sent = [await draft('alone'), ...(await Promise.all([draft('together'), draft('too')]))];
      for (const { recallHandle } of sent) expect(recallHandle).toMatch(/^[\w-]{50,400}$/);
      const other = await client.getProducer('', topic);
      for (const { messageId, recallHandle = '' } of sent)
        expect(await other.recallMessage(recallHandle)).toEqual({ messageId });
      const stranger = await client.getProducer('', `sdk-${way}-half`);
      const foreign = stranger.recallMessage(sent[0]?.recallHandle ?? '');
      expect(await failuresOf([foreign])).toMatchObject([{ code: 'INVALID_ARGUMENT', reason: 'INVALID_REQUEST' }]);
    });

  test.concurrent('what does not wait for a time cannot be taken back', async () => {
    const { producer } = await open('no-recall');
    const { messageId } = await producer.publishMessage('now');
    const past = await producer.publishDelayMessage('past', '', null, { startDeliverTime: 1 });
    expect(past).toEqual({ messageId: expect.any(String), receiptHandle: past.messageId });
    for (const failure of await failuresOf(['', 'forged', messageId].map((handle) => producer.recallMessage(handle))))
      expect(failure).toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'INVALID_REQUEST' });
  });

  test.concurrent('producers and consumers are listed while they are there', async () => {
    const before = Date.now();
    const { client, producer, consumer, topic } = await open('listed');
    const groupId = `${topic}-group`;
    const second = await client.getConsumer('', topic, `${topic}-second`);
    let release = (): void => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const inbox = new Inbox(consumer, () => released);
    await producer.publishMessage('x');
    const times = { createdTimestamp: expect.any(Number), lastUsedTimestamp: expect.any(Number) };
    await vi.waitFor(async () => {
      expect(await client.listConsumers({ topic })).toEqual([
        {
          consumerId: second.consumerId,
          topic,
          groupId: `${topic}-second`,
          ...times,
          streamCount: 0,
          inFlightCount: 0,
        },
        { consumerId: consumer.consumerId, topic, groupId, ...times, streamCount: 1, inFlightCount: 1 },
      ]);
    }, 60_000);
    expect(await client.listConsumers({ groupId })).toMatchObject([{ consumerId: consumer.consumerId }]);
    expect(await client.listConsumers({ groupId, topic: 'nowhere' })).toEqual([]);
    const [live] = await client.listProducers({ topic });
    expect(live).toEqual({ producerId: producer.producerId, topic, ...times });
    expect(live?.createdTimestamp).toBeGreaterThan(before - 60_000);
    expect(live?.lastUsedTimestamp).toBeGreaterThanOrEqual(live?.createdTimestamp ?? Number.POSITIVE_INFINITY);
    expect((await client.listProducers()).map(({ producerId }) => producerId)).toContain(producer.producerId);
    await producer.close();
    await second.close();
    expect(await client.listProducers({ topic })).toEqual([]);
    expect(await client.listConsumers({ topic })).toMatchObject([{ groupId }]);
    release();
    await inbox.atLeast(1);
  });

  test.concurrent('the lag of a group is what it is not done with', async () => {
    const { client, producer, topic } = await open('lag', { queueCount: 1 });
    for (const body of ['1', '2', '3']) await producer.publishMessage(body);
    const groupId = `${topic}-late`;
    const lagOf = () => client.getConsumerLag('instance', topic, groupId);
    // Brokers put messages into their queues a little after they answered.
    await vi.waitFor(async () => expect(await lagOf()).toMatchObject({ lag: 3 }), 60_000);
    const committedOffset = differsBefore5(variant, 'youngQueues', { before5: 0, since5: undefined });
    const queue = { brokerName: expect.any(String), queueId: 0, maxOffset: 3, retry: false };
    expect(await lagOf()).toEqual({ lag: 3, queues: [{ ...queue, committedOffset, lag: 3 }], members: [] });
    const pull = { consumeFrom: 'first', consumeMode: 'pull' } as const;
    const inbox = new Inbox(await client.getConsumer('', topic, groupId, '*', pull));
    await inbox.atLeast(3);
    await vi.waitFor(async () => {
      expect(await lagOf()).toEqual({
        lag: 0,
        queues: [{ ...queue, committedOffset: 3, lag: 0 }],
        members: [{ clientId: expect.stringContaining('@'), language: expect.stringMatching(/^(NODE_JS|OTHER)$/) }],
      });
    }, 60_000);
    expect(await failuresOf([client.getConsumerLag('', 'sdk-nowhere', groupId)])).toMatchObject([
      { code: 'NOT_FOUND', reason: 'TOPIC_NOT_FOUND' },
    ]);
  });
}
