import { describe, expect, test } from 'vitest';
import { queryBytesMax, queryCountMax } from '../../../src/broker/processors/queries.ts';
import type { MessageDraft } from '../../../src/broker/store/message-store.ts';
import { decodeOffsetMessageId } from '../../../src/remoting/message-id.ts';
import { queryMessage, viewMessage } from '../../../src/remoting/requests/query-message.ts';
import { decodeStoredMessages } from '../../../src/remoting/stored-message.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { connectEngine, startTestEngine } from '../../support/engine-client.ts';

const startMs = 1_700_000_000_000;

async function start() {
  const clock = new VirtualClock(startMs);
  const { engine, brokerAddress } = await startTestEngine({ clock });
  const client = await connectEngine(brokerAddress);
  const query = async (key: string, more: Partial<Parameters<typeof queryMessage.encode>[0]> = {}) => {
    const times = { beginTimestamp: 0n, endTimestamp: 2n ** 63n - 1n };
    const reply = await client.invoke(queryMessage.encode({ topic: 'T', key, countMax: 32, ...times, ...more }));
    return { reply, bodies: decodeStoredMessages(reply.body).map(({ body }) => body.toString('utf8', 0, 10)) };
  };
  return { clock, engine, client, query };
}

describe('messages with a key', () => {
  test('are found, newest first, with the state of the index', async () => {
    const { engine, client, query } = await start();
    await client.send('T', 'one', { properties: { KEYS: 'a b' } });
    await client.send('T', 'two', { properties: { KEYS: 'b c' } });
    await client.send('other', 'three', { properties: { KEYS: 'b' } });
    const { reply, bodies } = await query('b');
    expect([reply.code, bodies]).toEqual([0, ['two', 'one']]);
    expect((await query('a')).bodies).toEqual(['one']);
    expect(reply.extFields).toEqual({
      indexLastUpdateTimestamp: String(startMs),
      indexLastUpdatePhyoffset: String(engine.store.maxCommitLogOffset),
    });
  });

  test('are not found: 22, with the state of the index', async () => {
    const { client, query } = await start();
    await client.send('T', 'one', { properties: { KEYS: 'a' } });
    const { reply } = await query('b');
    expect([reply.code, Object.keys(reply.extFields), reply.body.length]).toEqual([
      22,
      ['indexLastUpdateTimestamp', 'indexLastUpdatePhyoffset'],
      0,
    ]);
  });

  test('are found within a time only', async () => {
    const { clock, client, query } = await start();
    for (const body of ['one', 'two', 'three']) {
      await client.send('T', body, { properties: { KEYS: 'a' } });
      await clock.advance(1_000);
    }
    const at = (ms: number) => BigInt(startMs + ms);
    expect((await query('a', { beginTimestamp: at(1), endTimestamp: at(1_999) })).bodies).toEqual(['two']);
    expect((await query('a', { beginTimestamp: at(1_000) })).bodies).toEqual(['three', 'two']);
    expect((await query('a', { endTimestamp: at(0) })).bodies).toEqual(['one']);
  });

  test('are as many as asked for, and no more than a limit', async () => {
    const { client, query } = await start();
    for (let at = 0; at <= queryCountMax; at += 1) await client.send('T', String(at), { properties: { KEYS: 'a' } });
    const counts = [-1, 0, 1, 3, queryCountMax, queryCountMax + 1, 2 ** 31 - 1].map(
      async (countMax) => (await query('a', { countMax })).bodies.length,
    );
    expect(await Promise.all(counts)).toEqual([1, 1, 1, 3, queryCountMax, queryCountMax, queryCountMax]);
  });

  test('take no more bytes than a limit', async () => {
    const { engine, query } = await start();
    const large = (bytes: number, key: string): MessageDraft => ({
      topic: 'T',
      queueId: 0,
      flag: 0,
      sysFlag: 0,
      bornTimestampMs: startMs,
      bornHost: '127.0.0.1:1',
      reconsumeTimes: 0,
      replaces: 0,
      body: Buffer.alloc(bytes, key),
      properties: new Map([['KEYS', key]]),
    });
    const [first] = await engine.store.append([large(queryBytesMax / 2, 'x')]);
    const overheadBytes = (first?.size ?? 0) - queryBytesMax / 2;
    await engine.store.append([large(queryBytesMax / 2 - 2 * overheadBytes, 'x')]);
    expect((await query('x')).bodies).toHaveLength(2);
    // A third one does not fit: the newest are told.
    await engine.store.append([large(1, 'x')]);
    expect((await query('x')).bodies.map((body) => body.length)).toEqual([1, 10]);
  });
});

test('a message is found by the id that its producer gave it, and not by a key that is the same', async () => {
  const { client, query } = await start();
  await client.send('T', 'one', { properties: { UNIQ_KEY: 'ID' } });
  await client.send('T', 'two', { properties: { KEYS: 'ID' } });
  expect((await query('ID', { unique: true, countMax: 0 })).bodies).toEqual(['one']);
  expect((await query('ID')).bodies).toEqual(['two']);
});

describe('a message at a place of the log', () => {
  test('is what its id names', async () => {
    const { client } = await start();
    await client.send('T', 'one');
    const { messageId } = await client.send('T', 'two');
    const { commitLogOffset } = decodeOffsetMessageId(messageId);
    const reply = await client.invoke(viewMessage.encode({ offset: commitLogOffset }));
    expect(decodeStoredMessages(reply.body)).toEqual([expect.objectContaining({ topic: 'T', commitLogOffset })]);
  });

  test('is there only where one starts, and never a record of the engine', async () => {
    const { engine, client } = await start();
    const { messageId } = await client.send('T', 'one');
    const { commitLogOffset } = decodeOffsetMessageId(messageId);
    const draft = { topic: 'rmq_sys_ENGINE_STATE', queueId: 0, flag: 0, sysFlag: 0, bornTimestampMs: 0 };
    const more = { bornHost: '127.0.0.1:0', reconsumeTimes: 0, replaces: 0, body: Buffer.from('[]') };
    const [own] = await engine.store.append([{ ...draft, ...more, properties: new Map() }]);
    const end = BigInt(engine.store.maxCommitLogOffset);
    for (const offset of [commitLogOffset + 1n, BigInt(own?.commitLogOffset ?? 0), 0n, -1n, end, 2n ** 63n - 1n]) {
      expect((await client.invoke(viewMessage.encode({ offset }))).code).toBe(1);
    }
  });
});
