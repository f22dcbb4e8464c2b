import { describe, expect, test } from 'vitest';
import type { Engine } from '../../../src/broker/engine.ts';
import { newGroup } from '../../../src/broker/groups.ts';
import { decodeOffsetMessageId } from '../../../src/remoting/message-id.ts';
import { sendMessageBack } from '../../../src/remoting/requests/send-message-back.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { connectEngine, type EngineClient, startTestEngine } from '../../support/engine-client.ts';
import { messagesOf } from '../../support/started-engine.ts';

type SendBackFields = Parameters<typeof sendMessageBack.encode>[0];

interface Started {
  readonly clock: VirtualClock;
  readonly client: EngineClient;
  readonly engine: Engine;
  /** Sends the message at an offset back; the code of the answer. */
  back(offset: bigint, fields?: Partial<SendBackFields>): Promise<number>;
}

async function start(): Promise<Started> {
  const clock = new VirtualClock();
  const broker = await startTestEngine({ clock });
  const client = await connectEngine(broker.brokerAddress);
  return {
    clock,
    client,
    engine: broker.engine,
    back: async (offset, fields = {}) =>
      (await client.invoke(sendMessageBack.encode({ offset, group: 'eaters', delayLevel: 0, ...fields }))).code,
  };
}

const offsetOf = (messageId: string): bigint => decodeOffsetMessageId(messageId).commitLogOffset;

describe('a message that is sent back', () => {
  test('comes again later each time, as it was, knowing where it comes from, and dies in the end', async () => {
    const { clock, client, engine, back } = await start();
    const sent = await client.send('orders', 'sour', { flag: 7, properties: { TAGS: 'a', UNIQ_KEY: 'k' } });
    let offset = offsetOf(sent.messageId);
    for (const [tries, delayMs] of [10_000, 30_000, 60_000].entries()) {
      expect(await back(offset, { maxReconsumeTimes: 3 })).toBe(0);
      await clock.advance(delayMs - 1);
      expect(messagesOf(engine.store, '%RETRY%eaters')).toHaveLength(tries);
      await clock.advance(1);
      await clock.advance(0);
      const retry = messagesOf(engine.store, '%RETRY%eaters').at(-1);
      expect(retry).toMatchObject({ reconsumeTimes: tries + 1, flag: 7, bornTimestampMs: 1_700_000_000_000 });
      expect(retry?.body.toString()).toBe('sour');
      expect(Object.fromEntries(retry?.properties ?? [])).toMatchObject({
        TAGS: 'a',
        UNIQ_KEY: 'k',
        RETRY_TOPIC: 'orders',
        ORIGIN_MESSAGE_ID: sent.messageId,
      });
      expect(retry?.properties.has('DELAY')).toBe(false);
      offset = retry?.commitLogOffset ?? 0n;
    }
    expect(await back(offset, { maxReconsumeTimes: 3 })).toBe(0);
    const [dead, ...more] = messagesOf(engine.store, '%DLQ%eaters');
    expect(more).toEqual([]);
    expect(dead).toMatchObject({ queueId: 0, reconsumeTimes: 4 });
    expect(dead?.properties.get('ORIGIN_MESSAGE_ID')).toBe(sent.messageId);
    expect(engine.topics.get('%DLQ%eaters')).toMatchObject({ readQueueCount: 1, writeQueueCount: 1 });
    expect(engine.delayed.count).toBe(0);
  });

  test('comes when its consumer says', async () => {
    const { clock, client, engine, back } = await start();
    const { messageId } = await client.send('orders', 'sour');
    expect(await back(offsetOf(messageId), { delayLevel: 1 })).toBe(0);
    await clock.advance(1_000);
    await clock.advance(0);
    expect(messagesOf(engine.store, '%RETRY%eaters')).toHaveLength(1);
    expect(await back(offsetOf(messageId), { delayLevel: 99 })).toBe(0);
    await clock.advance(7_199_999);
    expect(messagesOf(engine.store, '%RETRY%eaters')).toHaveLength(1);
    await clock.advance(1);
    await clock.advance(0);
    expect(messagesOf(engine.store, '%RETRY%eaters')).toHaveLength(2);
  });

  test('dies at once where its consumer says so, also one that waited for a time before', async () => {
    const { clock, client, engine, back } = await start();
    await client.send('orders', 'late', { properties: { TIMER_DELAY_SEC: '2' } });
    await clock.advance(2_000);
    await clock.advance(0);
    const [late] = messagesOf(engine.store, 'orders');
    expect(await back(late?.commitLogOffset ?? 0n, { delayLevel: -1 })).toBe(0);
    expect(messagesOf(engine.store, '%DLQ%eaters').map(({ body }) => body.toString())).toEqual(['late']);
    expect(messagesOf(engine.store, '%RETRY%eaters')).toEqual([]);
  });

  test('goes by the settings of its group', async () => {
    const { client, engine, back } = await start();
    const group = newGroup('eaters');
    await engine.groups.put({ ...group, retryMaxTimes: 0, retryQueueCount: 3 }, engine.state);
    const { messageId } = await client.send('orders', 'sour');
    expect(await back(offsetOf(messageId))).toBe(0);
    expect(messagesOf(engine.store, '%DLQ%eaters')).toHaveLength(1);
    expect(await back(offsetOf(messageId), { maxReconsumeTimes: 1 })).toBe(0);
    expect(engine.topics.get('%RETRY%eaters')).toMatchObject({ readQueueCount: 3 });
    expect(engine.delayed.count).toBe(1);
    await engine.groups.put({ ...group, retryQueueCount: 0 }, engine.state);
    expect(await back(offsetOf(messageId))).toBe(0);
    expect(engine.delayed.count).toBe(1);
    expect(messagesOf(engine.store, '%DLQ%eaters')).toHaveLength(1);
  });

  test('must be one that a consumer can have got', async () => {
    const { client, engine, back } = await start();
    const { messageId } = await client.send('orders', 'a message');
    const waiting = await client.send('orders', 'waiting', { properties: { DELAY: '5' } });
    const half = await client.send('orders', 'half', { properties: { TRAN_MSG: 'true', PGROUP: 'g' } });
    const timed = await client.send('orders', 'timed', { properties: { TIMER_DELAY_MS: '9000' } });
    const inner = [waiting, half, timed].map((sent) => offsetOf(sent.messageId));
    const offsets = [offsetOf(messageId) + 1n, -1n, 2n ** 62n, ...inner];
    for (const offset of offsets) expect(await back(offset)).toBe(1);
    expect(engine.delayed.count).toBe(2);
    expect(await back(offsetOf(messageId), { group: 'no group!' })).toBe(29);
  });
});

describe('a message that a client sends to the retries of its group', () => {
  const retry = { properties: { DELAY: '1' }, reconsumeTimes: 3 };

  test('comes again, until it was tried too often', async () => {
    const { clock, client, engine } = await start();
    await client.send('%RETRY%eaters', 'once more', { ...retry, maxReconsumeTimes: 3 });
    await client.send('%RETRY%eaters', 'too often', { ...retry, maxReconsumeTimes: 2 });
    await clock.advance(1_000);
    await clock.advance(0);
    expect(messagesOf(engine.store, '%RETRY%eaters').map(({ body }) => body.toString())).toEqual(['once more']);
    const dead = messagesOf(engine.store, '%DLQ%eaters');
    expect(dead.map(({ body }) => body.toString())).toEqual(['too often']);
    expect(dead[0]?.properties.has('DELAY')).toBe(false);
  });

  test('is limited by its group where it does not say', async () => {
    const { client, engine } = await start();
    await engine.groups.put({ ...newGroup('eaters'), retryMaxTimes: 2 }, engine.state);
    await client.send('%RETRY%eaters', 'too often', retry);
    expect(messagesOf(engine.store, '%DLQ%eaters')).toHaveLength(1);
  });

  test('dies at once while its group reads in order: it tried on its own', async () => {
    const { client, engine } = await start();
    engine.locks.lock('eaters', 'c1', [{ topic: 'orders', brokerName: 'broker-a', queueId: 0 }]);
    await client.send('%RETRY%eaters', 'given up', { ...retry, maxReconsumeTimes: 100 });
    expect(messagesOf(engine.store, '%DLQ%eaters')).toHaveLength(1);
    expect(engine.delayed.count).toBe(0);
  });
});
