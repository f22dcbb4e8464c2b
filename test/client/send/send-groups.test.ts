import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ClientOptions } from '../../../src/client/options.ts';
import type { OutgoingMessage, SendResult } from '../../../src/client/send/outgoing-message.ts';
import { groupedBodyBytesMax } from '../../../src/client/send/send-groups.ts';
import type { Command } from '../../../src/remoting/command.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import { decodeBatch } from '../../../src/remoting/message-batch.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import {
  routesScript,
  type ScriptedCluster,
  sentProperties,
  startScriptedCluster,
} from '../../support/scripted-cluster.ts';
import { type Answer, deferred, type ScriptedPeer } from '../../support/scripted-peer.ts';

const { SEND_BATCH_MESSAGE, SEND_MESSAGE_V2, GET_ROUTEINFO_BY_TOPIC } = RequestCode;
const soon = (): Deadline => Deadline.after(10_000);

function message(body: string, change: Partial<OutgoingMessage> = {}): OutgoingMessage {
  return { topic: 'topic', body: Buffer.from(body), delivery: { kind: 'now' }, ...change };
}

function bodiesOf({ body }: Command): string[] {
  return decodeBatch(body).map((record) => record.body.toString());
}

/** Stores a batch, the first of it at offset 40. */
function storedBatch(request: Command): Answer {
  const msgId = bodiesOf(request)
    .map((body) => `id of ${body}`)
    .join(',');
  return { extFields: { msgId, queueId: request.extFields['e'] ?? '', queueOffset: '40' } };
}

async function outcomes(sent: readonly Promise<SendResult>[]): Promise<string[]> {
  const settled = await Promise.allSettled(sent);
  return settled.map((one) => (one.status === 'fulfilled' ? 'stored' : (one.reason as { kind: string }).kind));
}

describe('messages that are sent in one turn', () => {
  let cluster: ScriptedCluster;
  let broker: ScriptedPeer;

  beforeEach(async () => {
    cluster = await startScriptedCluster(1);
    broker = cluster.broker.on(SEND_BATCH_MESSAGE, storedBatch);
    cluster.nameServer.on(GET_ROUTEINFO_BY_TOPIC, routesScript({ topic: cluster.queues, other: cluster.queues }));
  });

  afterEach(() => cluster.stop());

  const producer = (changes: Partial<ClientOptions> = {}) =>
    cluster.client({ sendGroupCountMax: 4, ...changes }).producer;
  const groups = () => broker.requests(SEND_BATCH_MESSAGE).map(bodiesOf);
  const singles = () => broker.requests(SEND_MESSAGE_V2).map(({ body }) => body.toString());

  test('are one request, each with its own id and properties, and each told where it was stored', async () => {
    const { send } = bound(producer({ namespace: 'space' }));
    const results = await Promise.all([send(message('a', { tag: 'x' })), send(message('b', { keys: 'k' }))]);
    const [request] = broker.requests(SEND_BATCH_MESSAGE);
    expect(request?.extFields).toMatchObject({ b: 'topic', m: 'true' });
    expect(
      decodeBatch(request?.body ?? Buffer.alloc(0)).map(({ properties }) => Object.fromEntries(properties)),
    ).toEqual([
      { UNIQ_KEY: results[0]?.messageId, TAGS: 'x', INSTANCE_ID: 'space' },
      { UNIQ_KEY: results[1]?.messageId, KEYS: 'k', INSTANCE_ID: 'space' },
    ]);
    expect(results.map(({ queueOffset, offsetMessageId }) => [queueOffset, offsetMessageId])).toEqual([
      [40n, 'id of a'],
      [41n, 'id of b'],
    ]);
    expect(singles()).toEqual([]);
  });

  test('are requests of their own where nothing else is said', async () => {
    const { send } = bound(cluster.client().producer);
    await Promise.all([send(message('a')), send(message('b'))]);
    expect(groups()).toEqual([]);
    expect(singles()).toEqual(['a', 'b']);
  });

  test('wait for nobody: one alone is a plain send', async () => {
    const { send } = bound(producer());
    const { messageId } = await send(message('a'));
    await send(message('b'));
    expect(groups()).toEqual([]);
    expect(broker.requests(SEND_MESSAGE_V2).map((request) => sentProperties(request).get('UNIQ_KEY'))[0]).toBe(
      messageId,
    );
    expect(singles()).toEqual(['a', 'b']);
  });

  test('go alone where brokers could not store them together, or it would gain nothing', async () => {
    const { send } = bound(producer({ compression: { type: 'zlib', overBytes: 100 } }));
    const [longest, longer] = ['l'.repeat(groupedBodyBytesMax), 'l'.repeat(groupedBodyBytesMax + 1)];
    const { send: sendPlain } = bound(producer({ compression: { type: 'none', overBytes: 0 } }));
    await Promise.all([
      send(message('keyed', { shardingKey: 'key' })),
      send(message('late', { delivery: { kind: 'level', level: 1 } })),
      send(message('compressed'.repeat(10))),
      send(message('a')),
      send(message('b')),
      sendPlain(message(longer)),
      sendPlain(message(longest)),
      sendPlain(message('c')),
    ]);
    expect(groups()).toEqual([
      ['a', 'b'],
      [longest, 'c'],
    ]);
    expect(broker.requests(SEND_MESSAGE_V2)).toHaveLength(4);
  });

  test('are a request for each topic', async () => {
    const { send } = bound(producer());
    await Promise.all(
      ['topic', 'other'].flatMap((topic) => [
        send(message(`${topic} 1`, { topic })),
        send(message(`${topic} 2`, { topic })),
      ]),
    );
    expect(groups().sort()).toEqual([
      ['other 1', 'other 2'],
      ['topic 1', 'topic 2'],
    ]);
  });

  test.each<[string, Partial<ClientOptions>]>([
    ['as many', { sendGroupCountMax: 2 }],
    ['as many bytes', { batchBytesMax: 2 }],
  ])('are no more than %s as a request may have', async (_what, changes) => {
    const { send } = bound(producer(changes));
    await Promise.all(['a', 'b', 'c', 'd', 'e'].map((body) => send(message(body))));
    expect(groups()).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
    expect(singles()).toEqual(['e']);
  });

  test('keep their deadlines: those of one request have the same', async () => {
    const one = producer();
    const [short, long] = [Deadline.after(5_000), Deadline.after(9_000)];
    await Promise.all([
      one.send(message('a'), short),
      one.send(message('b'), short.atMost(4_995)),
      one.send(message('c'), long),
      one.send(message('d'), long),
    ]);
    expect(groups()).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
  });

  test('are sent one by one where a broker refuses them together, so that each fares by itself', async () => {
    const refusal = { code: ResponseCode.MESSAGE_ILLEGAL, remark: 'no' };
    broker.on(SEND_BATCH_MESSAGE, () => refusal);
    broker.on(SEND_MESSAGE_V2, ({ body }) =>
      body.toString() === 'bad' ? refusal : { extFields: { msgId: 'id', queueId: '0', queueOffset: '0' } },
    );
    const { send } = bound(producer());
    const settled = await Promise.allSettled([send(message('a')), send(message('bad')), send(message('c'))]);
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(groups()).toEqual([['a', 'bad', 'c']]);
    expect(singles()).toEqual(['a', 'bad', 'c']);
  });

  test('are tried again together, with the same ids', async () => {
    let tries = 0;
    broker.on(SEND_BATCH_MESSAGE, (request) => {
      tries += 1;
      return tries === 1 ? { code: ResponseCode.SYSTEM_BUSY } : storedBatch(request);
    });
    const { send } = bound(producer());
    const results = await Promise.all([send(message('a')), send(message('b'))]);
    const ids = broker
      .requests(SEND_BATCH_MESSAGE)
      .map(({ body }) => decodeBatch(body).map(({ properties }) => properties.get('UNIQ_KEY')));
    const told = results.map(({ messageId }) => messageId);
    expect(ids).toEqual([told, told]);
  });

  test('share what is not known of them', async () => {
    broker.on(SEND_BATCH_MESSAGE, (_, { socket }) => {
      socket.destroy();
      return undefined;
    });
    const { send } = bound(producer({ sendAttemptsMax: 1 }));
    expect(await outcomes([send(message('a')), send(message('b'))])).toEqual(['outcomeUnknown', 'outcomeUnknown']);
  });

  test('go on without a caller that gives up, whose message may be stored', async () => {
    const arrived = deferred<void>();
    const answer = deferred<void>();
    broker.on(SEND_BATCH_MESSAGE, async (request) => {
      arrived.resolve();
      await answer.promise;
      return storedBatch(request);
    });
    const caller = new AbortController();
    const one = producer();
    const sent = [
      one.send(message('a'), Deadline.after(10_000, caller.signal)),
      one.send(message('b'), Deadline.after(10_000)),
    ];
    const told = outcomes(sent);
    await arrived.promise;
    caller.abort();
    await expect(sent[0]).rejects.toMatchObject({ kind: 'outcomeUnknown' });
    answer.resolve();
    expect(await told).toEqual(['outcomeUnknown', 'stored']);
  });

  test('are not sent for a caller that has given up before', async () => {
    const sent = producer().send(message('a'), Deadline.after(10_000, AbortSignal.abort()));
    await expect(sent).rejects.toMatchObject({ kind: 'cancelled' });
    expect([...groups(), ...singles()]).toEqual([]);
  });

  test('are refused where too many wait already, and taken again when these are done', async () => {
    const { send } = bound(producer({ sendsInFlightMax: 2, sendsWaitingMax: 1 }));
    const sent = ['a', 'b', 'c', 'd'].map((body) => send(message(body)));
    expect(await outcomes(sent)).toEqual(['stored', 'stored', 'stored', 'overloaded']);
    expect(await outcomes([send(message('e'))])).toEqual(['stored']);
  });

  /** Sends with a deadline that is the same for all. */
  function bound(one: ReturnType<typeof producer>) {
    const deadline = soon();
    return { send: (sent: OutgoingMessage) => one.send(sent, deadline) };
  }
});
