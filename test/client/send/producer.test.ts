import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { OutgoingMessage } from '../../../src/client/send/outgoing-message.ts';
import { queueForKey } from '../../../src/client/send/queue-selector.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import { decodeOffsetMessageId } from '../../../src/remoting/message-id.ts';
import { decodeProperties, encodeProperties } from '../../../src/remoting/message-properties.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import {
  noRoute,
  routesScript,
  type ScriptedCluster,
  sentProperties,
  startScriptedCluster,
  storedAt,
  storingScript,
} from '../../support/scripted-cluster.ts';
import { deferred, peerVersions, type Script, type ScriptedPeer } from '../../support/scripted-peer.ts';

const { SEND_MESSAGE_V2, GET_ROUTEINFO_BY_TOPIC } = RequestCode;
const soon = (): Deadline => Deadline.after(10_000);
const busy: Script = () => ({ code: ResponseCode.SYSTEM_BUSY, remark: '[OVERLOAD]' });
const silent: Script = () => undefined;
const hangUp: Script = (_, { socket }) => {
  socket.destroy();
  return undefined;
};

function message(change: Partial<OutgoingMessage> = {}): OutgoingMessage {
  return { topic: 'topic', body: Buffer.from('hello'), delivery: { kind: 'now' }, ...change };
}

function sends(...peers: readonly ScriptedPeer[]) {
  return peers.flatMap((peer) => peer.requests(SEND_MESSAGE_V2));
}

function uniqKeys(...peers: readonly ScriptedPeer[]) {
  return new Set(sends(...peers).map((request) => sentProperties(request).get('UNIQ_KEY')));
}

describe('Producer', () => {
  let cluster: ScriptedCluster;
  let a: ScriptedPeer;
  let b: ScriptedPeer;

  beforeEach(async () => {
    cluster = await startScriptedCluster(2);
    const [first, second] = cluster.brokers;
    if (first === undefined || second === undefined) throw new Error('there are two');
    [a, b] = [first, second];
  });

  afterEach(() => cluster.stop());

  /** One broker stores; whichever. */
  const both = (script: Script) => [a, b].map((peer) => peer.on(SEND_MESSAGE_V2, script));

  test('sends all that a message has, and says where it was stored', async () => {
    const { producer } = cluster.client({ producerGroup: 'group' });
    const body = Buffer.from([0, 1, 2, 255]);
    const beforeMs = Date.now();
    const result = await producer.send(
      message({
        body,
        tag: '标签',
        keys: 'k1 k2',
        properties: [
          ['user', 'wert'],
          ['leer', ''],
        ],
        shardingKey: 'order-1',
      }),
      soon(),
    );
    const [request] = sends(a, b);
    // Queues of both brokers: eight, of which Java takes number 6 for order-1.
    expect(result.queue).toEqual({ topic: 'topic', brokerName: 'broker-b', queueId: 2 });
    expect(result).toMatchObject({ queueOffset: 0n, messageId: expect.stringMatching(/^[0-9A-F]{32}$/) });
    expect(decodeOffsetMessageId(result.offsetMessageId)).toEqual({ storeHost: b.address, commitLogOffset: 0n });
    expect(request?.body).toEqual(body);
    expect(request?.extFields).toMatchObject({
      a: 'group',
      b: 'topic',
      c: 'TBW102',
      d: '4',
      e: '2',
      f: '0',
      h: '0',
      j: '0',
      k: 'false',
      m: 'false',
      n: 'broker-b',
    });
    const bornMs = Number(request?.extFields['g']);
    expect(bornMs).toBeGreaterThanOrEqual(beforeMs);
    expect(bornMs).toBeLessThanOrEqual(Date.now());
    expect([...sentProperties(request ?? raise())]).toEqual([
      ['user', 'wert'],
      ['UNIQ_KEY', result.messageId],
      ['TAGS', '标签'],
      ['KEYS', 'k1 k2'],
      ['__SHARDINGKEY', 'order-1'],
    ]);
  });

  test('sends properties that are encoded already beside the others', async () => {
    const { producer } = cluster.client();
    const propertyBytes = Buffer.from(encodeProperties([['größe', '5']]));
    const sent = message({ propertyBytes, properties: [['k', 'v']] });
    await producer.send(sent, soon());
    const [single] = sends(...cluster.brokers);
    expect(decodeProperties(single?.extFields['i'] ?? '')).toEqual(
      new Map([
        ['größe', '5'],
        ['k', 'v'],
        ['UNIQ_KEY', expect.any(String)],
      ]),
    );
  });

  test('uses all queues in turn', async () => {
    const { producer } = cluster.client();
    const results = await Promise.all(Array.from({ length: 16 }, () => producer.send(message(), soon())));
    const used = results.map(({ queue }) => `${queue.brokerName}:${queue.queueId}`);
    expect(new Set(used).size).toBe(8);
    expect(new Set(results.map(({ messageId }) => messageId)).size).toBe(16);
    expect(a.connections.length).toBe(1);
  });

  test.each([
    ['busy', busy],
    ['failing', () => ({ code: ResponseCode.SYSTEM_ERROR })],
    ['without the topic', () => ({ code: ResponseCode.TOPIC_NOT_EXIST })],
    ['shutting down', () => ({ code: ResponseCode.SERVICE_NOT_AVAILABLE })],
    ['hanging up', hangUp],
    ['silent', silent],
  ] as [string, Script][])(
    'a broker that is %s: the next try goes to the other one, with the same id',
    async (_, script) => {
      const { producer } = cluster.client({ requestTimeoutMs: 300 });
      for (let count = 0; count < 8; count += 1) {
        a.on(SEND_MESSAGE_V2, script);
        const { messageId, queue } = await producer.send(message(), soon());
        expect(queue.brokerName).toBe('broker-b');
        const tries = sends(a, b).filter((request) => sentProperties(request).get('UNIQ_KEY') === messageId);
        expect(tries.length).toBeLessThanOrEqual(2);
      }
      expect(sends(a).length).toBeGreaterThan(0);
      expect(sends(b).length).toBe(8);
    },
  );

  test('never tries more than it may, then says that nothing was stored', async () => {
    both(busy);
    const { producer } = cluster.client();
    await expect(producer.send(message(), soon())).rejects.toMatchObject({
      name: 'ClientError',
      kind: 'notStored',
      message: expect.stringContaining('3 tries'),
      cause: { code: ResponseCode.SYSTEM_BUSY },
    });
    expect(sends(a, b).length).toBe(3);
    expect(uniqKeys(a, b).size).toBe(1);
    expect(sends(a).length).toBeGreaterThan(0);
    expect(sends(b).length).toBeGreaterThan(0);
    await expect(cluster.client({ sendAttemptsMax: 1 }).producer.send(message(), soon())).rejects.toMatchObject({
      kind: 'notStored',
    });
    expect(sends(a, b).length).toBe(4);
  });

  test('a refusal of the credentials or of their rights is for good: one try', async () => {
    for (const [remark, kind] of [
      ['check signature failed.', 'unauthenticated'],
      ['why', 'denied'],
    ]) {
      both(() => ({ code: ResponseCode.NO_PERMISSION, remark }));
      const before = sends(a, b).length;
      await expect(cluster.client().producer.send(message(), soon())).rejects.toMatchObject({
        name: 'ClientError',
        kind,
        cause: { code: ResponseCode.NO_PERMISSION, remark },
      });
      expect(sends(a, b).length).toBe(before + 1);
    }
  });

  test.each([ResponseCode.MESSAGE_ILLEGAL, ResponseCode.INVALID_PARAMETER])(
    'code %i is for good: one try',
    async (code) => {
      both(() => ({ code, remark: 'why' }));
      await expect(cluster.client().producer.send(message(), soon())).rejects.toMatchObject({
        name: 'ResponseError',
        code,
        remark: 'why',
      });
      expect(sends(a, b).length).toBe(1);
    },
  );

  test.each([ResponseCode.FLUSH_DISK_TIMEOUT, ResponseCode.FLUSH_SLAVE_TIMEOUT, ResponseCode.SLAVE_NOT_AVAILABLE])(
    'code %i says stored: no second try',
    async (code) => {
      for (const peer of [a, b])
        peer.on(SEND_MESSAGE_V2, (request) => ({ ...storedAt(peer.address, request, 7n), code }));
      expect((await cluster.client().producer.send(message(), soon())).queueOffset).toBe(7n);
      expect(sends(a, b).length).toBe(1);
    },
  );

  test('a sharding key stays on its queue, however often it fails there', async () => {
    const { producer } = cluster.client();
    const queues = cluster.queues.flatMap(({ brokerName }) =>
      [0, 1, 2, 3].map((queueId) => ({ topic: 'topic', brokerName, queueId })),
    );
    for (const shardingKey of ['a', 'order-1', 'order-2', '订单-42', '-']) {
      const { queue } = await producer.send(message({ shardingKey }), soon());
      expect(queue).toEqual(queueForKey(queues, shardingKey));
    }
    const before = sends(b).length;
    b.on(SEND_MESSAGE_V2, busy);
    await expect(producer.send(message({ shardingKey: 'order-1' }), soon())).rejects.toMatchObject({
      kind: 'notStored',
    });
    expect(
      sends(b)
        .slice(before)
        .map(({ extFields }) => extFields['e']),
    ).toEqual(['2', '2', '2']);
  });

  describe('without an answer', () => {
    test('the outcome is unknown', async () => {
      both(hangUp);
      await expect(cluster.client().producer.send(message(), soon())).rejects.toMatchObject({
        name: 'ClientError',
        kind: 'outcomeUnknown',
        message: expect.stringContaining('3 tries'),
        cause: { kind: 'closed' },
      });
      expect(uniqKeys(a, b).size).toBe(1);
    });

    test('the outcome stays unknown when a later try is refused', async () => {
      a.on(SEND_MESSAGE_V2, hangUp);
      b.on(SEND_MESSAGE_V2, () => ({ code: ResponseCode.NO_PERMISSION }));
      const { producer } = cluster.client();
      const failures = await Promise.all(
        Array.from({ length: 8 }, () => producer.send(message(), soon()).catch((error: unknown) => error)),
      );
      // Those that came to broker-b first know that nothing was stored.
      expect(failures).toContainEqual(expect.objectContaining({ name: 'ClientError', kind: 'denied' }));
      expect(failures).toContainEqual(
        expect.objectContaining({
          kind: 'outcomeUnknown',
          cause: expect.objectContaining({ kind: 'denied' }),
        }),
      );
    });

    test('the outcome stays unknown when the topic is gone before a later try', async () => {
      let tries = 0;
      both((request, connection) => {
        tries += 1;
        if (tries === 1) return hangUp(request, connection);
        cluster.nameServer.on(GET_ROUTEINFO_BY_TOPIC, () => noRoute);
        return { code: ResponseCode.TOPIC_NOT_EXIST };
      });
      await expect(cluster.client().producer.send(message(), soon())).rejects.toMatchObject({
        kind: 'outcomeUnknown',
        cause: { kind: 'noRoute' },
      });
    });

    test('the outcome stays unknown when the caller gives up between two tries', async () => {
      const caller = new AbortController();
      both((request, connection) => {
        connection.socket.once('close', () => caller.abort());
        return hangUp(request, connection);
      });
      const sent = cluster.client().producer.send(message(), Deadline.after(10_000, caller.signal));
      await expect(sent).rejects.toMatchObject({ kind: 'outcomeUnknown' });
    });

    test('the outcome is unknown when the caller gives up meanwhile', async () => {
      both(silent);
      const caller = new AbortController();
      const sent = cluster.client().producer.send(message(), Deadline.after(10_000, caller.signal));
      const refused = expect(sent).rejects.toMatchObject({ kind: 'outcomeUnknown', cause: { kind: 'cancelled' } });
      await Promise.race([a.request(SEND_MESSAGE_V2), b.request(SEND_MESSAGE_V2)]);
      caller.abort();
      await refused;
      expect(sends(a, b).length).toBe(1);
    });
  });

  test('a caller that gave up before the request left: nothing was stored', async () => {
    const caller = new AbortController();
    caller.abort();
    const sent = cluster.client().producer.send(message(), Deadline.after(10_000, caller.signal));
    await expect(sent).rejects.toMatchObject({ name: 'RemotingError', kind: 'cancelled' });
    expect(sends(a, b).length).toBe(0);
  });

  test('nobody listens: nothing was stored, said within moments', async () => {
    await Promise.all([a.stop(), b.stop()]);
    await expect(cluster.client().producer.send(message(), soon())).rejects.toMatchObject({
      kind: 'notStored',
      cause: { kind: 'connect' },
    });
  });

  test('all tries share one deadline', async () => {
    both(silent);
    const { producer } = cluster.client({ requestTimeoutMs: 100 });
    const startedMs = performance.now();
    await expect(producer.send(message(), Deadline.after(250))).rejects.toMatchObject({ kind: 'outcomeUnknown' });
    const elapsedMs = performance.now() - startedMs;
    expect(elapsedMs).toBeGreaterThanOrEqual(200);
    expect(sends(a, b).length).toBeLessThanOrEqual(3);
    await expect(producer.send(message(), Deadline.after(0))).rejects.toMatchObject({ kind: 'timeout' });
  });

  test('a lost connection brings a new look at the route', async () => {
    const { producer } = cluster.client();
    await producer.send(message({ shardingKey: 'order-1' }), soon());
    // broker-b moves to another address.
    const lookUps = cluster.nameServer.requests(GET_ROUTEINFO_BY_TOPIC).length;
    cluster.nameServer.on(
      GET_ROUTEINFO_BY_TOPIC,
      routesScript({ topic: [cluster.queues[0] ?? raise(), { brokerName: 'broker-b', address: a.address }] }),
    );
    await b.stop();
    const { queue } = await producer.send(message({ shardingKey: 'order-1' }), soon());
    expect(queue).toEqual({ topic: 'topic', brokerName: 'broker-b', queueId: 2 });
    expect(sends(a).at(-1)?.extFields).toMatchObject({ n: 'broker-b', e: '2' });
    expect(cluster.nameServer.requests(GET_ROUTEINFO_BY_TOPIC).length).toBe(lookUps + 1);
  });

  test('dials again after a broker was gone', async () => {
    const { producer } = cluster.client();
    await producer.send(message({ shardingKey: 'order-1' }), soon());
    b.dropConnections();
    await producer.send(message({ shardingKey: 'order-1' }), soon());
    expect(b.connections.length).toBe(2);
  });

  test('an address that may not be dialled is not', async () => {
    const { producer } = cluster.client({ brokerAllowed: (address) => address !== a.address });
    const results = await Promise.all(Array.from({ length: 8 }, () => producer.send(message(), soon())));
    expect(new Set(results.map(({ queue }) => queue.brokerName))).toEqual(new Set(['broker-b']));
    expect(a.connections.length).toBe(0);
    const none = cluster.client({ brokerAllowed: () => false });
    await expect(none.producer.send(message(), soon())).rejects.toMatchObject({
      kind: 'notStored',
      cause: { kind: 'connect', message: expect.stringContaining('not allowed') },
    });
  });

  test('a topic without a broker to write to', async () => {
    const queues = cluster.queues.map((each) => ({ ...each, permission: 4 }));
    cluster.nameServer.on(GET_ROUTEINFO_BY_TOPIC, routesScript({ topic: queues }));
    await expect(cluster.client().producer.send(message(), soon())).rejects.toMatchObject({
      name: 'ClientError',
      kind: 'noBroker',
      message: expect.stringContaining('topic'),
    });
  });

  test('an answer that makes no sense leaves the outcome unknown', async () => {
    both(() => ({ extFields: { queueId: '0' } }));
    await expect(cluster.client().producer.send(message(), soon())).rejects.toMatchObject({
      kind: 'outcomeUnknown',
      cause: { kind: 'malformed' },
    });
    expect(sends(a, b).length).toBe(1);
  });

  test('a body that no frame can hold is not sent, since it would end the connection for all', async () => {
    const { producer } = cluster.client();
    const body = Buffer.alloc(16_777_216);
    await expect(producer.send(message({ body }), soon())).rejects.toMatchObject({ kind: 'invalid' });
    await producer.send(message({ body: body.subarray(0, 16_000_000) }), soon());
    expect(sends(a, b).length).toBe(1);
  });

  test('what cannot be encoded is not sent', async () => {
    const properties = [['user', 'a\u0002DELAY\u00011']] as const;
    await expect(cluster.client().producer.send(message({ properties }), soon())).rejects.toMatchObject({
      kind: 'malformed',
      message: expect.stringContaining('"user"'),
    });
    expect(sends(a, b).length).toBe(0);
  });

  describe('topics that do not exist', () => {
    test('are made by their first message, and looked up afterwards', async () => {
      const [queuesOfA] = cluster.queues;
      cluster.nameServer.on(GET_ROUTEINFO_BY_TOPIC, routesScript({ TBW102: cluster.queues }));
      const { producer } = cluster.client();
      const first = await producer.send(message({ topic: 'new', shardingKey: 'order-1' }), soon());
      expect(first.queue).toEqual({ topic: 'new', brokerName: 'broker-b', queueId: 2 });
      expect(sends(b)[0]?.extFields).toMatchObject({ b: 'new', c: 'TBW102', d: '4' });
      // It was made on one broker only.
      cluster.nameServer.on(GET_ROUTEINFO_BY_TOPIC, routesScript({ new: [queuesOfA ?? raise()] }));
      const second = await producer.send(message({ topic: 'new', shardingKey: 'order-1' }), soon());
      expect(second.queue).toEqual({ topic: 'new', brokerName: 'broker-a', queueId: 2 });
    });

    test('and are not made: noRoute, within moments', async () => {
      await expect(cluster.client().producer.send(message({ topic: 'other' }), soon())).rejects.toMatchObject({
        name: 'ClientError',
        kind: 'noRoute',
        message: expect.stringContaining('other'),
      });
    });
  });

  describe('in flight', () => {
    test('are so many sends at one broker, so many wait, one more is refused', async () => {
      const held = deferred<void>();
      const store = storingScript(a.address);
      a.on(SEND_MESSAGE_V2, async (request, connection) => {
        await held.promise;
        return store(request, connection);
      });
      const { producer } = cluster.client({ sendsInFlightMax: 3, sendsWaitingMax: 4 });
      // Sharding key `a` belongs to queue 1 of broker-a.
      const all = Array.from({ length: 7 }, () => producer.send(message({ shardingKey: 'a' }), soon()));
      await a.request(SEND_MESSAGE_V2, 2);
      await expect(producer.send(message({ shardingKey: 'a' }), soon())).rejects.toMatchObject({ kind: 'overloaded' });
      expect((await producer.send(message({ shardingKey: 'order-1' }), soon())).queue.brokerName).toBe('broker-b');
      expect(sends(a).length).toBe(3);
      held.resolve();
      expect((await Promise.all(all)).length).toBe(7);
      expect(sends(a).length).toBe(7);
    });

    test('a connection that ends frees those that waited for it', async () => {
      a.on(SEND_MESSAGE_V2, silent);
      const { producer } = cluster.client({ sendsInFlightMax: 1 });
      const first = producer.send(message({ shardingKey: 'a' }), soon());
      const second = producer.send(message({ shardingKey: 'a' }), soon());
      await a.request(SEND_MESSAGE_V2);
      a.on(SEND_MESSAGE_V2, storingScript(a.address)).dropConnections();
      expect((await Promise.all([first, second])).map(({ queue }) => queue.brokerName)).toEqual([
        'broker-a',
        'broker-a',
      ]);
    });
  });

  test('an empty body goes to brokers 4.x only', async () => {
    await expect(cluster.client().producer.send(message({ body: new Uint8Array() }), soon())).rejects.toMatchObject({
      kind: 'invalid',
    });
    expect(sends(a, b).length).toBe(0);
    const old = await startScriptedCluster(1, peerVersions.v4);
    await old.client().producer.send(message({ body: new Uint8Array() }), soon());
    await old.stop();
  });

  test('delivery at a time asks the broker for its version first', async () => {
    const deliverTimestampMs = Date.now() + 60_000;
    const delivery = { kind: 'time', deliverTimestampMs } as const;
    await cluster.client().producer.send(message({ delivery }), soon());
    const [request] = sends(a, b);
    expect(sentProperties(request ?? raise()).get('TIMER_DELIVER_MS')).toBe(String(deliverTimestampMs));
    const old = await startScriptedCluster(1, peerVersions.v4);
    await expect(old.client().producer.send(message({ delivery }), soon())).rejects.toMatchObject({
      kind: 'unsupported',
      message: expect.stringContaining('level 5'),
    });
    await old.stop();
  });

  test('a closed client refuses, and what was under way ends', async () => {
    both(silent);
    const client = cluster.client();
    const sent = client.producer.send(message(), soon());
    const failed = expect(sent).rejects.toMatchObject({ kind: 'outcomeUnknown', cause: { kind: 'closed' } });
    await Promise.race([a.request(SEND_MESSAGE_V2), b.request(SEND_MESSAGE_V2)]);
    await client.close();
    await failed;
    await expect(client.producer.send(message(), soon())).rejects.toMatchObject({
      name: 'ClientError',
      kind: 'closed',
    });
  });
});

function raise(): never {
  throw new Error('it must be there');
}
