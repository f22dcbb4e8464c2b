import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BatchError } from '../../../src/client/send/batches.ts';
import type { OutgoingMessage } from '../../../src/client/send/outgoing-message.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import { ResponseError } from '../../../src/remoting/errors.ts';
import { binaryHeaderBytesMax } from '../../../src/remoting/header-binary.ts';
import { decodeBatch } from '../../../src/remoting/message-batch.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { type ScriptedCluster, startScriptedCluster } from '../../support/scripted-cluster.ts';
import type { Answer, ScriptedPeer } from '../../support/scripted-peer.ts';

const { SEND_BATCH_MESSAGE } = RequestCode;
const soon = (): Deadline => Deadline.after(10_000);
const offsetIds = ['7F00000100002A9F0000000000000010', '7F00000100002A9F0000000000000020'];

function message(body: string, change: Partial<OutgoingMessage> = {}): OutgoingMessage {
  return { topic: 'topic', body: Buffer.from(body), delivery: { kind: 'now' }, ...change };
}

async function failureOf(sent: Promise<unknown>): Promise<BatchError> {
  const failure: unknown = await sent.catch((error: unknown) => error);
  if (failure instanceof BatchError) return failure;
  throw new Error('a BatchError was expected', { cause: failure });
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
    expect(request?.extFields).toMatchObject({ b: 'topic', m: 'true' });
    expect(request?.extFields).not.toHaveProperty('i');
    // No empty field keeps it from a binary header.
    expect(binaryHeaderBytesMax(request ?? expect.fail('no request'))).toBeGreaterThan(0);
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

  /** Answers each part, by its first body, as the script says; stores it where that says nothing. */
  function script(answers: Readonly<Record<string, Answer | 'silent'>>): void {
    let next = 0;
    broker.on(SEND_BATCH_MESSAGE, ({ body, extFields }) => {
      const records = decodeBatch(body);
      const answer = answers[records[0]?.body.toString() ?? ''];
      if (answer !== undefined) return answer === 'silent' ? undefined : answer;
      const queueOffset = String(next);
      next += records.length;
      return {
        extFields: { msgId: records.map(() => offsetIds[0]).join(','), queueId: extFields['e'] ?? '', queueOffset },
      };
    });
  }

  const bodies = (): string[][] =>
    broker.requests(SEND_BATCH_MESSAGE).map(({ body }) => decodeBatch(body).map((record) => record.body.toString()));

  test('sends in parts what is too much for one request, and gives the results in order', async () => {
    script({});
    const { producer } = cluster.client({ batchCountMax: 2 });
    const messages = ['a', 'b', 'c', 'd', 'e'].map((body) => message(body, { shardingKey: 'one' }));
    const results = await producer.sendBatch(messages, soon());
    expect(bodies()).toEqual([['a', 'b'], ['c', 'd'], ['e']]);
    expect(results.map(({ queueOffset }) => queueOffset)).toEqual([0n, 1n, 2n, 3n, 4n]);
    expect(new Set(results.map(({ messageId }) => messageId)).size).toBe(5);
    expect(new Set(results.map(({ queue }) => queue.queueId)).size).toBe(1);
  });

  test('fills a request to its last byte', async () => {
    script({});
    const [first] = await cluster.client().producer.sendBatch([message('x')], soon());
    const recordBytes = broker.requests(SEND_BATCH_MESSAGE)[0]?.body.length ?? 0;
    expect(first?.messageId).toHaveLength(32);
    const exactly = cluster.client({ batchBytesMax: 2 * recordBytes }).producer;
    await exactly.sendBatch([message('a'), message('b')], soon());
    const under = cluster.client({ batchBytesMax: 2 * recordBytes - 1 }).producer;
    await under.sendBatch([message('c'), message('d')], soon());
    expect(bodies()).toEqual([['x'], ['a', 'b'], ['c'], ['d']]);
  });

  test('stops at a part that is refused, and says what is stored', async () => {
    script({ c: { code: ResponseCode.MESSAGE_ILLEGAL, remark: 'no' } });
    const { producer } = cluster.client({ batchCountMax: 2 });
    const failure = await failureOf(
      producer.sendBatch(
        ['a', 'b', 'c', 'd', 'e'].map((body) => message(body)),
        soon(),
      ),
    );
    expect(failure.outcomes.map(({ state }) => state)).toEqual([
      ...['stored', 'stored'],
      ...['notStored', 'notStored', 'notStored'],
    ]);
    expect(failure.cause).toBeInstanceOf(ResponseError);
    expect(bodies()).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
    const [stored] = failure.outcomes;
    expect(stored?.state === 'stored' && stored.result.queueOffset).toBe(0n);
  });

  test('says of a part without an answer that it may be stored', async () => {
    script({ c: 'silent' });
    const { producer } = cluster.client({ batchCountMax: 1, requestTimeoutMs: 50, sendAttemptsMax: 2 });
    const failure = await failureOf(producer.sendBatch([message('a'), message('c'), message('e')], soon()));
    expect(failure.outcomes.map(({ state }) => state)).toEqual(['stored', 'unknown', 'notStored']);
    expect(failure.cause).toMatchObject({ kind: 'outcomeUnknown' });
    const ids = broker.requests(SEND_BATCH_MESSAGE).map(({ body }) => decodeBatch(body)[0]?.properties.get('UNIQ_KEY'));
    expect(ids).toEqual([failure.outcomes[0], failure.outcomes[1], failure.outcomes[1]].map((one) => one?.messageId));
  });

  test('is never compressed, and says the namespace of each message', async () => {
    script({});
    await cluster.client({ namespace: 'ns' }).producer.sendBatch([message('x'.repeat(10_000))], soon());
    const [request] = broker.requests(SEND_BATCH_MESSAGE);
    expect(request?.extFields['f']).toBe('0');
    const [record] = decodeBatch(request?.body ?? Buffer.alloc(0));
    expect(record?.body).toHaveLength(10_000);
    expect(record?.properties.get('INSTANCE_ID')).toBe('ns');
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
