import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Fields, GrownClient } from '../../support/grown-client.ts';
import { type Failure, failureOf } from '../../support/grpc-client.ts';
import { startProxy } from '../target.ts';
import type { StartedSending } from './started-sending.ts';

const committed = { success: true, message: 'the transaction is committed' };
const rolledBack = { success: true, message: 'the transaction is rolled back' };
const commit = 'TRANSACTION_OUTCOME_COMMIT';
const rollback = 'TRANSACTION_OUTCOME_ROLLBACK';

export function transactionSuite(at: () => StartedSending): void {
  let settings: StartedSending['settings'];
  let one: GrownClient;
  let other: GrownClient;
  let published: StartedSending['published'];
  let startIds: StartedSending['startTopic'];
  const streams: { cancel(): void }[] = [];

  beforeAll(() => {
    ({ settings, one, other, published, startTopic: startIds } = at());
  });

  afterAll(() => {
    for (const stream of streams) stream.cancel();
  });

  let markerCount = 0;

  /** A topic of one queue with a producer, and what was delivered of it since the last look. */
  async function startTopic(topic: string) {
    const { producer_id, consumer_id } = await startIds(topic);
    return {
      producer_id,
      delivered: async (): Promise<readonly string[]> => {
        markerCount += 1;
        const marker = `marker ${markerCount}`;
        const stream = one.open('ReceiveMessages', { consumer_id });
        await one.call('SendMessage', { producer_id, message_body: marker });
        const bodies: string[] = [];
        while (bodies.at(-1) !== marker) {
          const [{ message_body, receipt_handle } = {}] = await stream.take(1);
          bodies.push(message_body);
          await one.call('AckMessage', { consumer_id, receipt_handle });
        }
        stream.cancel();
        return bodies.slice(0, -1);
      },
    };
  }

  const begin = (client: GrownClient, producer_id: string, more: object = {}): Promise<Fields> =>
    client.call('SendTransactionMessage', { producer_id, message_body: 'half', left_pending: true, ...more });

  const end = (client: GrownClient, producer_id: string, { transaction_handle }: Fields, outcome: string) =>
    client.call('EndTransaction', { producer_id, transaction_handle, outcome });

  function openChecks(client: GrownClient, request: object) {
    const stream = client.open('ReceiveTransactionChecks', request);
    streams.push(stream);
    return stream;
  }

  describe('a transaction that is left pending', () => {
    test.concurrent('is delivered when it is committed, once, by whichever instance and however often', async () => {
      const { producer_id, delivered } = await startTopic('commit');
      const half = await begin(one, producer_id);
      expect(half).toEqual({
        success: true,
        message: 'the half message was stored and waits for EndTransaction',
        message_id: expect.stringMatching(/^[0-9A-F]{32}$/),
        receipt_handle: half['message_id'],
        transaction_id: half['message_id'],
        transaction_handle: expect.stringMatching(/^[\w-]{50,400}$/),
      });
      expect(await delivered()).toEqual([]);
      expect(await end(other, producer_id, half, commit)).toEqual(committed);
      // Once it has been delivered, every instance can see that.
      expect(await delivered()).toEqual(['half']);
      for (const client of [one, other, one]) expect(await end(client, producer_id, half, commit)).toEqual(committed);
      for (const client of [one, other]) {
        expect(await failureOf(end(client, producer_id, half, rollback))).toEqual<Failure>({
          code: 'INVALID_ARGUMENT',
          details: `transaction ${half['transaction_id']} has ended with the other outcome already`,
        });
      }
      expect(await delivered()).toEqual([]);
    });

    test.concurrent('is never delivered when it is rolled back', async () => {
      const { producer_id, delivered } = await startTopic('rollback');
      const half = await begin(one, producer_id);
      for (let times = 0; times < 2; times += 1)
        expect(await end(one, producer_id, half, rollback)).toEqual(rolledBack);
      expect((await failureOf(end(one, producer_id, half, commit))).code).toBe('INVALID_ARGUMENT');
      expect(await delivered()).toEqual([]);
    });

    test.concurrent('ends once however many say so at the same time', async () => {
      const { producer_id, delivered } = await startTopic('crowd');
      const half = await begin(one, producer_id);
      const ends = Array.from({ length: 16 }, () => end(other, producer_id, half, commit));
      expect(await Promise.all(ends)).toEqual(ends.map(() => committed));
      expect(await delivered()).toEqual(['half']);
    });

    test.concurrent('outlives the instance that began it', async () => {
      const { producer_id, delivered } = await startTopic('outlives');
      const proxy = await startProxy(settings);
      const client = new GrownClient(proxy.address);
      const halves = [await begin(client, producer_id), await begin(client, producer_id, { message_body: 'never' })];
      client.close();
      await proxy.stop();
      const [first = {}, second = {}] = halves;
      expect(await end(other, producer_id, first, commit)).toEqual(committed);
      expect(await end(other, producer_id, second, rollback)).toEqual(rolledBack);
      expect(await delivered()).toEqual(['half']);
    });

    test.concurrent('may be ended by any producer of the same endpoint and topic, and by no other', async () => {
      const { producer_id, delivered } = await startTopic('owners');
      const { producer_id: stranger } = await startTopic('strangers');
      const half = await begin(one, producer_id);
      const refused = {
        code: 'INVALID_ARGUMENT',
        details:
          'transaction_handle was not issued by this service to a producer of this endpoint, topic and caller, or was altered: ' +
          'use it exactly as it was returned',
      };
      const handle: string = half['transaction_handle'];
      const altered = `${handle.slice(0, -2)}${handle.endsWith('AA') ? 'BB' : 'AA'}`;
      for (const transaction_handle of [altered, 'forged', producer_id, 'x'.repeat(20_000)])
        expect(await failureOf(end(one, producer_id, { transaction_handle }, commit))).toEqual(refused);
      expect(await failureOf(end(one, stranger, half, commit))).toEqual(refused);
      expect(await failureOf(one.call('RecallMessage', { producer_id, recall_handle: handle }))).toEqual({
        ...refused,
        details: refused.details.replace('transaction', 'recall'),
      });
      const twin = await published.createProducer('owners');
      expect(await end(other, twin, half, commit)).toEqual(committed);
      expect(await delivered()).toEqual(['half']);
    });
  });

  describe('a broker that wants to know', () => {
    test.concurrent('asks by a stream of any instance, and takes the answer by any other: exactly one is delivered', async () => {
      const { producer_id, delivered } = await startTopic('checked');
      const text = { message_body: 'größe', tag: 'tag', properties: { message_key: 'key', properties: { a: '1' } } };
      const half = await begin(one, producer_id, text);
      const stream = openChecks(other, { producer_id });
      const [check = {}] = await stream.take(1);
      expect(check).toMatchObject({
        message_id: half['message_id'],
        transaction_id: half['transaction_id'],
        message_body: 'größe',
        tag: 'tag',
        properties: { KEYS: 'key', TAGS: 'tag', UNIQ_KEY: half['message_id'], a: '1' },
      });
      expect(Object.keys(check['properties']).sort()).toEqual(['KEYS', 'TAGS', 'UNIQ_KEY', 'a']);
      expect(Number(check['born_timestamp'])).toBeGreaterThan(Date.now() - 120_000);
      expect(await end(one, producer_id, check, commit)).toEqual(committed);
      expect(await delivered()).toEqual(['größe']);
      // What the broker asked meanwhile, and the handle of the send, name the same transaction.
      const again = stream.received.filter(({ message_id }) => message_id === half['message_id']);
      for (const handles of [half, ...again])
        for (const client of [one, other]) expect(await end(client, producer_id, handles, commit)).toEqual(committed);
      expect(await delivered()).toEqual([]);
    });

    test.concurrent('asks again while nobody answers, and is told of a rollback', async () => {
      const { producer_id, delivered } = await startTopic('asked-again');
      const half = await begin(one, producer_id, { message_body: '', binary_body: Buffer.from([0xff, 0]) });
      const stream = openChecks(one, { producer_id, binary_bodies: true });
      const checks = await stream.take(2);
      for (const check of checks) {
        expect(check).toMatchObject({ message_id: half['message_id'], message_body: '' });
        expect(check['binary_body']).toEqual(Buffer.from([0xff, 0]));
      }
      expect(await end(other, producer_id, checks[1] ?? {}, rollback)).toEqual(rolledBack);
      expect(await delivered()).toEqual([]);
    });

    test.concurrent('asks about a group only those who receive for that group and topic', async () => {
      const { producer_id } = await startTopic('group-a');
      const { producer_id: second } = await startTopic('group-b');
      const producer_group = 'shared-group';
      const streams = [producer_id, second].map((id) => openChecks(one, { producer_id: id, producer_group }));
      const halves = [
        await begin(other, producer_id, { producer_group }),
        await begin(other, second, { producer_group }),
      ];
      for (const [index, stream] of streams.entries()) {
        const [check = {}] = await stream.take(1);
        expect(check['message_id']).toBe(halves[index]?.['message_id']);
        await end(other, index === 0 ? producer_id : second, check, rollback);
      }
    });

    test.concurrent('is not answered by those who have gone: streams end with their producer', async () => {
      const { producer_id } = await startTopic('cleaned-up');
      const streams = [openChecks(one, { producer_id }), openChecks(one, { producer_id })];
      // Both are open.
      const half = await begin(one, producer_id);
      await Promise.any(streams.map((stream) => stream.take(1)));
      await end(one, producer_id, half, rollback);
      await one.call('CleanupProducer', { producer_id });
      for (const stream of streams) expect((await failureOf(stream.ended())).code).toBe('NOT_FOUND');
      expect((await failureOf(end(one, producer_id, half, rollback))).code).toBe('NOT_FOUND');
    });
  });

  test.concurrent('what cannot be is refused, and says why', async () => {
    const { producer_id, delivered } = await startTopic('refusals');
    const half = await begin(one, producer_id);
    const refusals: readonly (readonly [Promise<unknown>, string, string])[] = [
      [
        begin(one, producer_id, { properties: { start_deliver_time: Date.now() + 60_000 } }),
        'INVALID_ARGUMENT',
        'later',
      ],
      [begin(one, producer_id, { producer_group: 'a b' }), 'INVALID_ARGUMENT', 'letters'],
      [begin(one, producer_id, { producer_group: 'a%b' }), 'INVALID_ARGUMENT', 'producer_group'],
      [begin(one, producer_id, { producer_group: 'g'.repeat(121) }), 'INVALID_ARGUMENT', '120'],
      [begin(one, producer_id, { producer_group: 'CID_RMQ_SYS_x' }), 'INVALID_ARGUMENT', 'RocketMQ itself'],
      [begin(one, producer_id, { producer_group: 'rocketmq-grpc-proxy' }), 'INVALID_ARGUMENT', 'commits at once'],
      [begin(one, producer_id, { left_pending: false, producer_group: 'g' }), 'INVALID_ARGUMENT', 'left_pending'],
      [begin(one, producer_id, { trans_check_immunity_time: -1 }), 'INVALID_ARGUMENT', 'immunity'],
      [begin(one, 'x'), 'NOT_FOUND', 'producer_id'],
      [end(one, producer_id, half, 'TRANSACTION_OUTCOME_UNSPECIFIED'), 'INVALID_ARGUMENT', 'outcome'],
      [
        one.call('EndTransaction', { producer_id, transaction_handle: half['transaction_handle'] }),
        'INVALID_ARGUMENT',
        'outcome',
      ],
      [end(one, producer_id, { transaction_handle: '' }, commit), 'INVALID_ARGUMENT', 'transaction_handle is empty'],
      [end(one, '', half, commit), 'NOT_FOUND', 'producer_id'],
      [openChecks(one, { producer_id: '' }).ended(), 'NOT_FOUND', 'producer_id'],
      [openChecks(one, { producer_id, producer_group: 'a b' }).ended(), 'INVALID_ARGUMENT', 'letters'],
    ];
    for (const [call, code, text] of refusals)
      expect(await failureOf(call)).toEqual<Failure>({ code, details: expect.stringContaining(text) });
    const longest = await begin(one, producer_id, { producer_group: 'g'.repeat(120), message_body: 'longest' });
    expect(await end(other, producer_id, longest, commit)).toEqual(committed);
    expect(await end(one, producer_id, half, commit)).toEqual(committed);
    expect((await delivered()).toSorted()).toEqual(['half', 'longest']);
  });
}
