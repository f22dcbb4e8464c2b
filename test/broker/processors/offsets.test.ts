import { beforeEach, describe, expect, it } from 'vitest';
import type { RunningBroker } from '../../../src/broker/broker.ts';
import { newTopic } from '../../../src/broker/topics.ts';
import {
  getEarliestStoreTime,
  getMaxOffset,
  getMinOffset,
  queryConsumerOffset,
  searchOffset,
  updateConsumerOffset,
} from '../../../src/remoting/requests/consumer-offset.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { connectEngine, type EngineClient, startTestEngine } from '../../support/engine-client.ts';

const { INVALID_PARAMETER, QUERY_NOT_FOUND, SUBSCRIPTION_GROUP_NOT_EXIST, TOPIC_NOT_EXIST } = ResponseCode;
const startMs = 1_700_000_000_000;
const queue = { topic: 'orders', queueId: 0 };
const groupQueue = { consumerGroup: 'group', ...queue };
const known = { group: 'group', ...queue };

let broker: RunningBroker;
let client: EngineClient;
let clock: VirtualClock;
beforeEach(async () => {
  clock = new VirtualClock(startMs);
  broker = await startTestEngine({ clock });
  client = await connectEngine(broker.brokerAddress);
  await broker.engine.topics.put(newTopic('orders', 4), broker.engine.state);
});

/** Stores three messages, 100 ms apart. */
async function sendThree(): Promise<void> {
  for (const body of ['one', 'two', 'three']) {
    await client.send('orders', body);
    await clock.advance(100);
  }
}

async function update(commitOffset: bigint, more: Partial<typeof groupQueue> = {}): Promise<number> {
  const values = { ...groupQueue, ...more, commitOffset };
  return (await client.invoke(updateConsumerOffset.encode(values))).code;
}

describe('the offset of a group', () => {
  it('is what it says', async () => {
    await sendThree();
    expect(await update(2n)).toBe(0);
    expect(await client.ask(queryConsumerOffset, groupQueue)).toEqual({ offset: 2n });
    expect(await update(3n)).toBe(0);
    expect(await update(0n)).toBe(0);
    expect(await client.ask(queryConsumerOffset, groupQueue)).toEqual({ offset: 0n });
  });

  it.each([-1n, 4n, 9_223_372_036_854_775_807n])('cannot be %i where the queue has three messages', async (offset) => {
    await sendThree();
    expect(await update(offset)).toBe(INVALID_PARAMETER);
    expect(broker.engine.offsets.get(known)).toBeUndefined();
  });

  it.each([-1, 4, 2_147_483_647])('cannot be one of queue %i, which is not there', async (queueId) => {
    expect(await update(0n, { queueId })).toBe(INVALID_PARAMETER);
    expect([...broker.engine.offsets.all()]).toEqual([]);
  });

  it('cannot be one of a topic that is not there, or of a group that cannot be', async () => {
    expect(await update(0n, { topic: 'nothing' })).toBe(TOPIC_NOT_EXIST);
    expect(await update(0n, { consumerGroup: 'a b' })).toBe(INVALID_PARAMETER);
    expect(await update(0n, { consumerGroup: '' })).toBe(INVALID_PARAMETER);
    expect([...broker.engine.offsets.all()]).toEqual([]);
  });

  it('is not moved by what a group says that has not heard of a reset', async () => {
    await sendThree();
    await broker.engine.offsets.reset(known, 1, broker.engine.state);
    expect(await update(3n)).toBe(0);
    expect(broker.engine.offsets.get(known)).toBe(1);
    expect((await client.pull('orders', { offset: 3 })).nextBeginOffset).toBe(1);
    expect(await update(3n)).toBe(0);
    expect(broker.engine.offsets.get(known)).toBe(3);
  });

  it('may be said one-way', async () => {
    await sendThree();
    await update(0n);
    client.channel.sendOneWay(updateConsumerOffset.encode({ ...groupQueue, commitOffset: 1n }));
    expect(await client.ask(queryConsumerOffset, groupQueue)).toEqual({ offset: 1n });
  });

  it('is 0 for a group that is new to a queue with all of its messages, unless it does not want that', async () => {
    await sendThree();
    expect(await client.ask(queryConsumerOffset, groupQueue)).toEqual({ offset: 0n });
    expect(await client.ask(queryConsumerOffset, { ...groupQueue, setZeroIfNotFound: true })).toEqual({ offset: 0n });
    const unknown = await client.invoke(queryConsumerOffset.encode({ ...groupQueue, setZeroIfNotFound: false }));
    expect(unknown).toMatchObject({
      code: QUERY_NOT_FOUND,
      remark: 'the group group has no offset in queue 0 of orders',
      extFields: {},
    });
  });

  it('is none for a group that is new to a queue without its first messages', async () => {
    broker.engine.store.raiseMaxOffset('orders', 0, 5);
    const unknown = await client.invoke(queryConsumerOffset.encode(groupQueue));
    expect(unknown.code).toBe(QUERY_NOT_FOUND);
  });

  it('is refused for unknown groups where groups are not made by consumers', async () => {
    broker = await startTestEngine({ autoCreateGroups: false });
    client = await connectEngine(broker.brokerAddress);
    const { code } = await client.invoke(queryConsumerOffset.encode(groupQueue));
    expect(code).toBe(SUBSCRIPTION_GROUP_NOT_EXIST);
    expect(await update(0n)).toBe(SUBSCRIPTION_GROUP_NOT_EXIST);
  });
});

describe('the offsets of a queue', () => {
  it('are its first and its next message', async () => {
    expect(await client.ask(getMaxOffset, queue)).toEqual({ offset: 0n });
    await sendThree();
    expect(await client.ask(getMaxOffset, queue)).toEqual({ offset: 3n });
    expect(await client.ask(getMinOffset, queue)).toEqual({ offset: 0n });
    broker.engine.store.raiseMaxOffset('orders', 1, 5);
    expect(await client.ask(getMaxOffset, { ...queue, queueId: 1 })).toEqual({ offset: 5n });
    expect(await client.ask(getMinOffset, { ...queue, queueId: 1 })).toEqual({ offset: 5n });
  });

  it.each([{ topic: 'nothing' }, { queueId: 99 }, { queueId: -1 }, { topic: '__proto__' }])(
    'are 0 where there is none: %j',
    async (other) => {
      await sendThree();
      for (const definition of [getMaxOffset, getMinOffset]) {
        expect(await client.ask(definition, { ...queue, ...other })).toEqual({ offset: 0n });
      }
      expect(await client.ask(getEarliestStoreTime, { ...queue, ...other })).toEqual({ timestampMs: -1 });
    },
  );

  it('tell when the first message was stored', async () => {
    expect(await client.ask(getEarliestStoreTime, queue)).toEqual({ timestampMs: -1 });
    await sendThree();
    expect(await client.ask(getEarliestStoreTime, queue)).toEqual({ timestampMs: startMs });
  });

  it.each([
    [startMs - 1, 0n, 0n],
    [startMs, 0n, 0n],
    [startMs + 1, 1n, 0n],
    [startMs + 100, 1n, 1n],
    [startMs + 200, 2n, 2n],
    [startMs + 201, 3n, 2n],
    [0, 0n, 0n],
    [-1, 0n, 0n],
  ])('are found by time: %i', async (timestampMs, lower, upper) => {
    await sendThree();
    const search = { ...queue, timestampMs };
    expect(await client.ask(searchOffset, search)).toEqual({ offset: lower });
    for (const boundary of ['LOWER', 'lower', 'nonsense']) {
      expect(await client.ask(searchOffset, { ...search, boundary })).toEqual({ offset: lower });
    }
    for (const boundary of ['UPPER', 'upper']) {
      expect(await client.ask(searchOffset, { ...search, boundary })).toEqual({ offset: upper });
    }
  });

  it('are 0 by time in a queue that is not there', async () => {
    expect(await client.ask(searchOffset, { topic: 'nothing', queueId: 7, timestampMs: 5 })).toEqual({ offset: 0n });
  });
});
