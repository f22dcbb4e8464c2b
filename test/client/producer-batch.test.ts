import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { OutgoingMessage } from '../../src/client/outgoing-message.ts';
import { Deadline } from '../../src/remoting/deadline.ts';
import { decodeBatch } from '../../src/remoting/message-batch.ts';
import { RequestCode } from '../../src/remoting/request-code.ts';
import { ResponseCode } from '../../src/remoting/response-code.ts';
import { type ScriptedCluster, startScriptedCluster } from '../support/scripted-cluster.ts';
import type { ScriptedPeer } from '../support/scripted-peer.ts';

const { SEND_BATCH_MESSAGE } = RequestCode;
const soon = (): Deadline => Deadline.after(10_000);
const offsetIds = ['7F00000100002A9F0000000000000010', '7F00000100002A9F0000000000000020'];

function message(body: string, change: Partial<OutgoingMessage> = {}): OutgoingMessage {
  return { topic: 'topic', body: Buffer.from(body), delivery: { kind: 'now' }, ...change };
}

describe('Producer.sendBatch', () => {
  let cluster: ScriptedCluster;
  let broker: ScriptedPeer;

  beforeEach(async () => {
    cluster = await startScriptedCluster(1);
    const [only] = cluster.brokers;
    if (only === undefined) throw new Error('there is one');
    broker = only;
    broker.on(SEND_BATCH_MESSAGE, ({ extFields }) => ({
      extFields: { msgId: offsetIds.join(','), queueId: extFields['e'] ?? '', queueOffset: '40' },
    }));
  });

  afterEach(() => cluster.stop());

  test('sends all in one request, each with its own id and properties, and says where each was stored', async () => {
    const { producer } = cluster.client();
    const results = await producer.sendBatch([message('a', { tag: 'x' }), message('b', { keys: 'k' })], soon());
    const [request] = broker.requests(SEND_BATCH_MESSAGE);
    // Properties in the header would be appended to every message, and the last of a name wins.
    expect(request?.extFields).toMatchObject({ b: 'topic', m: 'true', i: '' });
    const records = decodeBatch(request?.body ?? Buffer.alloc(0));
    expect(records.map(({ body, properties }) => [body.toString(), Object.fromEntries(properties)])).toEqual([
      ['a', { UNIQ_KEY: results[0]?.messageId, TAGS: 'x' }],
      ['b', { UNIQ_KEY: results[1]?.messageId, KEYS: 'k' }],
    ]);
    expect(new Set(results.map(({ messageId }) => messageId)).size).toBe(2);
    expect(results.map(({ queueOffset }) => queueOffset)).toEqual([40n, 41n]);
    expect(results.map(({ offsetMessageId }) => offsetMessageId)).toEqual(offsetIds);
  });

  test('tries again as a whole, with the same ids', async () => {
    let tries = 0;
    broker.on(SEND_BATCH_MESSAGE, () => {
      tries += 1;
      if (tries === 1) return { code: ResponseCode.SYSTEM_BUSY };
      return { extFields: { msgId: offsetIds.join(','), queueId: '0', queueOffset: '0' } };
    });
    const results = await cluster.client().producer.sendBatch([message('a'), message('b')], soon());
    const ids = broker
      .requests(SEND_BATCH_MESSAGE)
      .map(({ body }) => decodeBatch(body).map(({ properties }) => properties.get('UNIQ_KEY')));
    expect(ids).toEqual([results.map(({ messageId }) => messageId), results.map(({ messageId }) => messageId)]);
  });

  test.each([
    ['no messages', []],
    ['two topics', [message('a'), message('b', { topic: 'other' })]],
    ['two sharding keys', [message('a', { shardingKey: 'one' }), message('b', { shardingKey: 'two' })]],
    ['a delay, which brokers ignore in a batch', [message('a', { delivery: { kind: 'level', level: 1 } })]],
    ['an empty body', [message('a'), message('')]],
  ])('refuses %s without asking a broker', async (_, messages) => {
    const sent = cluster.client().producer.sendBatch(messages, soon());
    await expect(sent).rejects.toMatchObject({ name: 'ClientError', kind: 'invalid' });
    expect(broker.requests(SEND_BATCH_MESSAGE)).toEqual([]);
  });
});
