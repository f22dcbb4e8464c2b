import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { queryCountMax } from '../../../src/client/admin/queries.ts';
import type { ClusterClient } from '../../../src/client/client.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { encodeStoredMessage } from '../../../src/remoting/stored-message.ts';
import { startTestBroker } from '../../../src/testing/test-broker.ts';
import { outgoing, RealClients, soon } from '../../support/real-client.ts';
import { routesScript, startScriptedCluster, storedMessage } from '../../support/scripted-cluster.ts';
import { type Answer, ScriptedPeer } from '../../support/scripted-peer.ts';

describe('on the engine', () => {
  let client: ClusterClient;

  beforeEach(async () => {
    const broker = await startTestBroker();
    onTestFinished(() => broker.close());
    const clients = new RealClients(broker.nameServer);
    onTestFinished(() => clients.close());
    await broker.createTopic('topic');
    await broker.createTopic('other');
    client = clients.create();
  });

  test('a message is found by either of its ids, with all that belongs to it', async () => {
    const message = outgoing('topic', 'body', { tag: 'tag', keys: 'one two', properties: [['user', 'ü']] });
    const sent = await client.producer.send(message, soon());
    for (const id of [sent.messageId, sent.offsetMessageId]) {
      expect(await client.queries.byMessageId('topic', id, soon())).toMatchObject({
        messageId: sent.messageId,
        offsetMessageId: sent.offsetMessageId,
        queue: sent.queue,
        queueOffset: sent.queueOffset,
        body: Buffer.from('body'),
        tag: 'tag',
        keys: ['one', 'two'],
        bornTimestampMs: sent.bornTimestampMs,
        reconsumeTimes: 0,
      });
      expect(await client.queries.byMessageId('other', id, soon())).toBeUndefined();
    }
    const unknown = `${sent.messageId.slice(0, -4)}FFFF`;
    expect(await client.queries.byMessageId('topic', unknown, soon())).toBeUndefined();
    const beside = `${sent.offsetMessageId.slice(0, -2)}03`;
    expect(await client.queries.byMessageId('topic', beside, soon())).toBeUndefined();
  });

  test('messages are found by key and store time, newest first, no more than asked for', async () => {
    const storedAt: number[] = [];
    for (let index = 0; index < queryCountMax + 2; index += 1) {
      await client.producer.send(outgoing('topic', String(index), { keys: `key x${index}` }), soon());
      const [newest] = await client.queries.byKey('topic', `x${index}`, {}, soon());
      storedAt.push(newest?.storeTimestampMs ?? 0);
    }
    const all = await client.queries.byKey('topic', 'key', {}, soon());
    expect(all).toHaveLength(queryCountMax);
    expect(all.map(({ storeTimestampMs }) => storeTimestampMs)).toEqual(storedAt.slice(2).reverse());
    expect(await client.queries.byKey('topic', 'key', { countMax: 1 }, soon())).toHaveLength(1);
    const range = { beginTimestampMs: storedAt[1], endTimestampMs: storedAt[3] };
    const some = await client.queries.byKey('topic', 'key', range, soon());
    expect(some.length).toBeGreaterThanOrEqual(3);
    for (const { storeTimestampMs } of some) {
      expect(storeTimestampMs).toBeGreaterThanOrEqual(storedAt[1] ?? 0);
      expect(storeTimestampMs).toBeLessThanOrEqual(storedAt[3] ?? 0);
    }
    expect(await client.queries.byKey('other', 'key', {}, soon())).toEqual([]);
    expect(await client.queries.byKey('topic', 'never', {}, soon())).toEqual([]);
  });

  test('what cannot be looked up is refused', async () => {
    for (const countMax of [0, 1.5, queryCountMax + 1]) {
      await expect(client.queries.byKey('topic', 'key', { countMax }, soon())).rejects.toMatchObject({
        kind: 'invalid',
      });
    }
    for (const key of ['', 'a b']) {
      await expect(client.queries.byKey('topic', key, {}, soon())).rejects.toMatchObject({ kind: 'invalid' });
      await expect(client.queries.byMessageId('topic', key, soon())).rejects.toMatchObject({ kind: 'invalid' });
    }
    await expect(client.queries.byKey('unknown', 'key', {}, soon())).rejects.toMatchObject({ kind: 'noRoute' });
  });
});

const found = (...messages: Parameters<typeof storedMessage>): Answer => ({
  extFields: { indexLastUpdateTimestamp: '0', indexLastUpdatePhyoffset: '0' },
  body: Buffer.concat(messages.map((message) => encodeStoredMessage(storedMessage(message)))),
});
const nothing: Answer = { code: ResponseCode.QUERY_NOT_FOUND };

test('all brokers of a topic are asked; hashes that only collide are left out', async () => {
  const cluster = await startScriptedCluster(2);
  onTestFinished(() => cluster.stop());
  const [first, second] = cluster.brokers;
  const properties = (key: string) => new Map([['KEYS', key]]);
  first?.on(RequestCode.QUERY_MESSAGE, () => found({ storeTimestampMs: 5, properties: properties('a key') }));
  const collision = Buffer.concat([
    encodeStoredMessage(storedMessage({ properties: properties('akey') })),
    encodeStoredMessage(storedMessage({ properties: properties('key'), topic: 'another' })),
    encodeStoredMessage(storedMessage({ properties: properties('key b'), storeTimestampMs: 7 })),
  ]);
  second?.on(RequestCode.QUERY_MESSAGE, () => ({ body: collision }));
  const { queries } = cluster.client();
  const messages = await queries.byKey('topic', 'key', {}, soon());
  expect(messages.map(({ storeTimestampMs, queue }) => [storeTimestampMs, queue.brokerName])).toEqual([
    [7, 'broker-b'],
    [5, 'broker-a'],
  ]);
  // A list that may lack something is no answer; one message that is there is.
  first?.on(RequestCode.QUERY_MESSAGE, () => ({ code: ResponseCode.SYSTEM_ERROR }));
  await expect(queries.byKey('topic', 'key', {}, soon())).rejects.toMatchObject({ code: ResponseCode.SYSTEM_ERROR });
  await expect(queries.byMessageId('topic', 'ID', soon())).rejects.toMatchObject({ code: ResponseCode.SYSTEM_ERROR });
  second?.on(RequestCode.QUERY_MESSAGE, () => found({ properties: new Map([['UNIQ_KEY', 'ID']]) }));
  expect(await queries.byMessageId('topic', 'ID', soon())).toMatchObject({ messageId: 'ID' });
});

describe('an offset message id', () => {
  /** `127.0.0.1` with this port, then a commit log offset of 16. */
  const idAt = (port: number): string => `7F000001${port.toString(16).padStart(8, '0').toUpperCase()}0000000000000010`;
  const portOf = (address: string): number => Number(address.split(':')[1]);

  test('never leads to an address that is not in the route of the topic', async () => {
    const stranger = await ScriptedPeer.start();
    onTestFinished(() => stranger.stop());
    const cluster = await startScriptedCluster();
    onTestFinished(() => cluster.stop());
    cluster.broker.on(RequestCode.QUERY_MESSAGE, () => nothing);
    const id = idAt(portOf(stranger.address));
    expect(await cluster.client().queries.byMessageId('topic', id, soon())).toBeUndefined();
    expect(stranger.connections).toEqual([]);
    expect(cluster.broker.requests(RequestCode.VIEW_MESSAGE_BY_ID)).toEqual([]);
  });

  test('brings a message only where that bears it out', async () => {
    const cluster = await startScriptedCluster(2);
    onTestFinished(() => cluster.stop());
    const { broker } = cluster;
    for (const peer of cluster.brokers) peer.on(RequestCode.QUERY_MESSAGE, () => nothing);
    const storeHost = broker.address;
    const right = { storeHost, commitLogOffset: 16n };
    const answers: [Answer, boolean][] = [
      [found(right), true],
      [found({ ...right, commitLogOffset: 17n }), false],
      [found({ ...right, topic: 'another' }), false],
      [found({ ...right, storeHost: '127.0.0.1:1' }), false],
      [{ body: Buffer.from('bytes that are no message') }, false],
      [{ code: ResponseCode.SYSTEM_ERROR }, false],
    ];
    const { queries } = cluster.client();
    for (const [answer, isFound] of answers) {
      broker.on(RequestCode.VIEW_MESSAGE_BY_ID, () => answer);
      const message = await queries.byMessageId('topic', idAt(portOf(storeHost)), soon());
      expect(message !== undefined).toBe(isFound);
    }
    expect(broker.requests(RequestCode.VIEW_MESSAGE_BY_ID)[0]?.extFields).toMatchObject({
      offset: '16',
      topic: 'topic',
    });
    expect(cluster.brokers[1]?.requests(RequestCode.VIEW_MESSAGE_BY_ID)).toEqual([]);
  });

  test('is asked for where routes have host names', async () => {
    const cluster = await startScriptedCluster();
    onTestFinished(() => cluster.stop());
    const { broker } = cluster;
    const port = portOf(broker.address);
    const queues = [{ brokerName: 'broker-a', address: `localhost:${port}` }];
    cluster.nameServer.on(RequestCode.GET_ROUTEINFO_BY_TOPIC, routesScript({ topic: queues }));
    broker.on(RequestCode.QUERY_MESSAGE, () => nothing);
    broker.on(RequestCode.VIEW_MESSAGE_BY_ID, () => found({ storeHost: broker.address, commitLogOffset: 16n }));
    const message = await cluster.client().queries.byMessageId('topic', idAt(port), soon());
    expect(message?.offsetMessageId).toBe(idAt(port));
  });
});
