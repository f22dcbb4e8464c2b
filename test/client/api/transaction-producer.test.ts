import { describe, expect, test, vi } from 'vitest';
import { RocketMQClient } from '../../../src/client/api/rocketmq-client.ts';
import { RocketMQError } from '../../../src/client/api/rocketmq-error.ts';
import type { HalfMessage, TransactionState } from '../../../src/client/api/transaction-producer.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { Inbox, startApi } from '../../support/api-client.ts';

const message = { topic: 'orders', body: 'order 4711', keys: '4711', tag: 'created' };
const never = (): TransactionState => {
  throw new Error('nobody should ask');
};

describe('TransactionProducer', () => {
  test('delivers what is committed, and nothing else', async () => {
    const { client, broker } = await startApi();
    const producer = client.transactionProducer({ group: 'shop', check: never });
    const committed = await producer.send({ ...message, body: 'committed' });
    const rolledBack = await producer.send({ ...message, body: 'rolled back' });
    expect(broker.messages('orders')).toEqual([]);
    committed.commit();
    committed.commit();
    rolledBack.rollback();
    expect(() => committed.rollback()).toThrow(
      expect.objectContaining({ name: 'RocketMQError', code: 'INVALID_ARGUMENT' }),
    );
    await vi.waitFor(() => expect(broker.messages('orders').length).toBe(1), 20_000);
    const [stored] = broker.messages('orders');
    expect(stored).toMatchObject({ messageId: committed.messageId, tag: 'created', keys: ['4711'] });
  });

  test('commits when its work succeeds, rolls back when it throws, and leaves alone what is unknown', async () => {
    const clock = new VirtualClock();
    const { client, broker } = await startApi({}, { clock });
    const asked = new Inbox<HalfMessage>();
    const check = (half: HalfMessage): TransactionState => {
      asked.add(half);
      return 'rollback';
    };
    const producer = client.transactionProducer({ group: 'shop', check });
    const result = await producer.sendInTransaction({ ...message, body: 'good' }, ({ messageId }) => messageId);
    const failing = producer.sendInTransaction({ ...message, body: 'bad' }, async () => {
      throw new Error('no database');
    });
    await expect(failing).rejects.toThrow('no database');
    const unknown = producer.sendInTransaction({ ...message, body: 'unknown' }, async () => {
      throw new RocketMQError('OUTCOME_UNKNOWN', 'the database did not answer');
    });
    await expect(unknown).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    await vi.waitFor(
      () => expect(broker.messages('orders').map(({ messageId }) => messageId)).toEqual([result]),
      20_000,
    );
    await clock.advance(60_000);
    const [half] = await asked.count(1);
    expect(half).toMatchObject({ topic: 'orders', tag: 'created', keys: ['4711'] });
    expect(half?.text()).toBe('unknown');
  });

  test('nobody is asked about work that is still running', async () => {
    const clock = new VirtualClock();
    const { client, broker } = await startApi({}, { clock });
    const check = vi.fn(never);
    const producer = client.transactionProducer({ group: 'shop', check });
    await producer.sendInTransaction(message, async () => {
      await clock.advance(60_000);
    });
    await vi.waitFor(() => expect(broker.messages('orders').length).toBe(1), 20_000);
    expect(check).not.toHaveBeenCalled();
  });

  test('another member of the group answers for one that is gone, also when it has sent nothing', async () => {
    const clock = new VirtualClock();
    const { client, broker } = await startApi({ namespace: 'shop' }, { clock });
    await broker.createTopic('shop%orders');
    const gone = new RocketMQClient({ nameServers: broker.nameServer, namespace: 'shop' });
    await gone.transactionProducer({ group: 'shop', check: () => 'unknown' }).send(message);
    await gone.close();
    const asked = new Inbox<HalfMessage>();
    client.transactionProducer({
      group: 'shop',
      topics: ['orders'],
      check: async (half) => {
        asked.add(half);
        return asked.items.length === 1 ? 'unknown' : 'commit';
      },
    });
    await vi.waitFor(async () => {
      await clock.advance(30_000);
      expect(broker.messages('shop%orders').length).toBe(1);
    }, 10_000);
    expect(asked.items.map((half) => [half.topic, half.text()])).toEqual([
      ['orders', 'order 4711'],
      ['orders', 'order 4711'],
    ]);
  });

  test('an end that got lost is told when the broker asks', async () => {
    const clock = new VirtualClock();
    const { client, broker } = await startApi({}, { clock });
    const producer = client.transactionProducer({ group: 'shop', check: never });
    const transaction = await producer.send(message);
    broker.faults.add({ code: RequestCode.END_TRANSACTION, times: 1, fault: { kind: 'refuse', code: 1 } });
    transaction.commit();
    await vi.waitFor(async () => {
      await clock.advance(30_000);
      expect(broker.messages('orders').length).toBe(1);
    }, 10_000);
  });

  test('a check that says what is no state is told to the log, and asked again', async () => {
    const clock = new VirtualClock();
    const errors = new Inbox<string>();
    const logger = { debug() {}, info() {}, warn() {}, error: (_: object, text: string) => errors.add(text) };
    const { client } = await startApi({ logger }, { clock });
    const producer = client.transactionProducer({ group: 'shop', check: () => JSON.parse('"maybe"') });
    await producer.send(message);
    await vi.waitFor(async () => {
      await clock.advance(30_000);
      expect(errors.items[0]).toContain('check');
    }, 10_000);
  });

  test('refuses what makes no sense', async () => {
    const { client, broker } = await startApi();
    const invalid = expect.objectContaining({ code: 'INVALID_ARGUMENT' });
    expect(() => client.transactionProducer({ group: 'a b', check: never })).toThrow(invalid);
    expect(() => client.transactionProducer({ group: 'g', check: never, topics: ['a b'] })).toThrow(invalid);
    for (const checkImmunitySeconds of [0, 86_401]) {
      expect(() => client.transactionProducer({ group: 'g', check: never, checkImmunitySeconds })).toThrow(invalid);
    }
    const producer = client.transactionProducer({ group: 'g', check: never, checkImmunitySeconds: 86_400 });
    await expect(producer.send({ ...message, delayLevel: 1 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await producer.send(message);
    const second = client.transactionProducer({ group: 'g', check: never });
    await expect(second.send(message)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await producer.close();
    await expect(producer.send(message)).rejects.toMatchObject({ code: 'CLOSED' });
    await second.send(message);
    expect(broker.messages('orders')).toEqual([]);
  });
});
