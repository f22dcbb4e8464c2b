import { beforeEach, describe, expect, it } from 'vitest';
import type { RunningBroker } from '../../../src/broker/broker.ts';
import { newTopic } from '../../../src/broker/topics.ts';
import { encodeBatch } from '../../../src/remoting/message-batch.ts';
import { decodeOffsetMessageId } from '../../../src/remoting/message-id.ts';
import { encodeProperties } from '../../../src/remoting/message-properties.ts';
import { getMaxOffset } from '../../../src/remoting/requests/consumer-offset.ts';
import { sendBatchMessage, sendMessage, sendMessageV1 } from '../../../src/remoting/requests/send-message.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import type { StoredMessage } from '../../../src/remoting/stored-message.ts';
import { SysFlag } from '../../../src/remoting/sys-flag.ts';
import {
  connectEngine,
  type EngineClient,
  type SendMore,
  sendFields,
  startTestEngine,
  temporaryFolder,
} from '../../support/engine-client.ts';

const { INVALID_PARAMETER, MESSAGE_ILLEGAL, NO_PERMISSION, TOPIC_NOT_EXIST } = ResponseCode;
const mebibyte = 1_048_576;

let broker: RunningBroker;
let client: EngineClient;
beforeEach(async () => {
  broker = await startTestEngine({ clusterName: 'cluster', brokerName: 'broker' });
  client = await connectEngine(broker.brokerAddress);
});

/** The one message of a topic's queue 0. */
async function only(topic: string, queueId = 0): Promise<StoredMessage> {
  const { messages } = await client.pull(topic, { queueId });
  expect(messages).toHaveLength(1);
  const [message] = messages;
  if (message === undefined) throw new Error('there is no message');
  return message;
}

/** The code that a send is answered with. */
async function codeOf(topic: string, body: string | Buffer, more: SendMore = {}): Promise<number> {
  return (await client.invoke(sendMessage.encode(sendFields(topic, more), Buffer.from(body)))).code;
}

function batch(records: readonly { body: string; properties?: Record<string, string>; flag?: number }[]): Buffer {
  return encodeBatch(
    records.map(({ body, properties = {}, flag = 0 }) => ({
      flag,
      body: Buffer.from(body),
      properties: new Map(Object.entries(properties)),
    })),
  );
}

describe('a send', () => {
  it('stores the message as it was sent, and says where', async () => {
    const properties = { UNIQ_KEY: '7F00000100002A9F0000000000000001', TAGS: 'a', KEYS: 'k1 k2', own: 'ü\n' };
    const reply = await client.send('orders', 'order 4711', { queueId: 2, flag: -7, properties, bornTimestampMs: 5 });
    expect(reply).toMatchObject({ queueId: 2, queueOffset: 0n, transactionId: properties.UNIQ_KEY });
    const message = await only('orders', 2);
    expect(message).toMatchObject({
      topic: 'orders',
      queueId: 2,
      queueOffset: 0n,
      flag: -7,
      sysFlag: 0,
      bornTimestampMs: 5,
      bornHost: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      storeHost: broker.brokerAddress,
      reconsumeTimes: 0,
    });
    expect(message.body.toString()).toBe('order 4711');
    expect(Object.fromEntries(message.properties)).toMatchObject(properties);
    expect(decodeOffsetMessageId(reply.messageId)).toEqual({
      storeHost: broker.brokerAddress,
      commitLogOffset: message.commitLogOffset,
    });
    expect((await client.send('orders', 'next', { queueId: 2 })).queueOffset).toBe(1n);
  });

  it('is the same with long field names', async () => {
    const { queueOffset } = await client.ask(sendMessageV1, sendFields('orders', { flag: 3 }), Buffer.from('long'));
    expect(queueOffset).toBe(0n);
    expect(await only('orders')).toMatchObject({ flag: 3, body: Buffer.from('long') });
  });

  it('gets no answer where it is one-way, and is stored', async () => {
    client.channel.sendOneWay(sendMessage.encode(sendFields('orders'), Buffer.from('one-way')));
    client.channel.sendOneWay(sendMessage.encode(sendFields('a b'), Buffer.from('refused')));
    // What comes behind on the same connection is stored behind.
    expect((await client.send('orders', 'second')).queueOffset).toBe(1n);
    expect((await client.pull('orders')).bodies).toEqual(['one-way', 'second']);
    expect(client.channel.droppedReplyCount).toBe(0);
  });

  it('is stored in its order also while its topic is made, in memory and on disk', async () => {
    for (const dataDirectory of [undefined, temporaryFolder()]) {
      const { brokerAddress } = await startTestEngine({ dataDirectory });
      const other = await connectEngine(brokerAddress);
      const bodies = Array.from({ length: 20 }, (_, index) => `${index}`);
      const replies = await Promise.all(bodies.map((body) => other.send('new', body)));
      expect(replies.map(({ queueOffset }) => Number(queueOffset))).toEqual(bodies.map(Number));
      expect((await other.pull('new')).bodies).toEqual(bodies);
    }
  });

  it('makes the topic with as many queues as it asks for, 8 at most, 4 where it does not say', async () => {
    await client.send('asked', 'body', { defaultTopicQueueCount: 3 });
    await client.send('many', 'body', { defaultTopicQueueCount: 100 });
    await client.send('unsaid', 'body');
    const { topics } = broker.engine;
    expect(['asked', 'many', 'unsaid'].map((name) => topics.get(name)?.writeQueueCount)).toEqual([3, 8, 4]);
  });

  it('goes to any queue where it names none', async () => {
    const queueIds = new Set<number>();
    for (let count = 0; count < 60; count += 1)
      queueIds.add((await client.send('orders', 'body', { queueId: -1 })).queueId);
    expect([...queueIds].sort()).toEqual([0, 1, 2, 3]);
  });

  it('goes to queues that exist, for reading or for writing', async () => {
    await broker.engine.topics.put({ ...newTopic('orders', 2), readQueueCount: 3 }, broker.engine.state);
    expect(await codeOf('orders', 'body', { queueId: 2 })).toBe(0);
    expect(await codeOf('orders', 'body', { queueId: 3 })).toBe(INVALID_PARAMETER);
    expect(await codeOf('orders', 'body', { queueId: 2_147_483_647 })).toBe(INVALID_PARAMETER);
  });

  it.each(['', 'a b', 'a.b', 'x'.repeat(128), 'ä', '../x'])('to the illegal name %j is refused', async (topic) => {
    expect(await codeOf(topic, 'body')).toBe(INVALID_PARAMETER);
  });

  it.each(['x'.repeat(127), '__proto__', 'constructor', '%DLQ%group', 'ns%topic'])(
    'to the strange name %s arrives',
    async (topic) => {
      expect((await client.send(topic, 'body')).queueOffset).toBe(0n);
      expect((await only(topic)).topic).toBe(topic);
    },
  );

  it.each([
    ...['SCHEDULE_TOPIC_XXXX', 'RMQ_SYS_TRANS_HALF_TOPIC', 'RMQ_SYS_TRANS_OP_HALF_TOPIC', 'TRANS_CHECK_MAX_TIME_TOPIC'],
    ...['SELF_TEST_TOPIC', 'OFFSET_MOVED_EVENT', 'rmq_sys_wheel_timer'],
    ...['rmq_sys_ENGINE_STATE', 'rmq_sys_ENGINE_LOG', 'rmq_sys_ENGINE_DROP', 'rmq_sys_anything'],
  ])('to the inner topic %s is refused, also in a batch, and makes no topic', async (topic) => {
    const known = [...broker.engine.topics.all()].length;
    const refused = await client.invoke(sendMessage.encode(sendFields(topic), Buffer.from('body')));
    expect(refused).toMatchObject({ code: NO_PERMISSION, remark: `nothing may be sent to ${topic}` });
    const content = sendBatchMessage.encode(sendFields(topic), batch([{ body: 'x' }]));
    expect((await client.invoke(content)).code).toBe(NO_PERMISSION);
    expect([...broker.engine.topics.all()]).toHaveLength(known);
  });

  it('to a topic that may not be written is refused', async () => {
    await broker.engine.topics.put({ ...newTopic('orders', 1), permission: 4 }, broker.engine.state);
    expect(await codeOf('orders', 'body')).toBe(NO_PERMISSION);
  });

  it('to an unknown topic is refused where messages make none', async () => {
    broker = await startTestEngine({ autoCreateTopics: false });
    client = await connectEngine(broker.brokerAddress);
    expect(await codeOf('orders', 'body')).toBe(TOPIC_NOT_EXIST);
    expect(await codeOf('a b', 'body')).toBe(INVALID_PARAMETER);
  });

  it('needs a body, of 4 MiB at most', async () => {
    expect(await codeOf('orders', '')).toBe(MESSAGE_ILLEGAL);
    expect(await codeOf('orders', Buffer.alloc(4 * mebibyte + 65_536, 1))).toBe(MESSAGE_ILLEGAL);
    const largest = Buffer.alloc(4 * mebibyte, 'ab');
    expect(await codeOf('orders', largest)).toBe(0);
    expect((await only('orders')).body.equals(largest)).toBe(true);
  });

  it('has 32,767 bytes of properties at most, with those that brokers add', async () => {
    const added = encodeProperties([
      ['UNIQ_KEY', 'x'.repeat(32)],
      ['CLUSTER', 'cluster'],
      ['MSG_REGION', 'DefaultRegion'],
      ['TRACE_ON', 'true'],
    ]).length;
    const fits = 32_767 - added - 'p\u0001\u0002'.length;
    expect(await codeOf('orders', 'body', { properties: { p: 'v'.repeat(fits + 1) } })).toBe(MESSAGE_ILLEGAL);
    expect(await codeOf('orders', 'body', { properties: { p: 'v'.repeat(fits) } })).toBe(0);
    expect((await only('orders')).properties.get('p')).toHaveLength(fits);
    // Bytes, not characters.
    expect(await codeOf('orders', 'body', { properties: { p: 'ü'.repeat(fits) } })).toBe(MESSAGE_ILLEGAL);
  });

  it('cannot say how its addresses are stored, or that it is a batch', async () => {
    const lie = SysFlag.BORN_HOST_V6 | SysFlag.STORE_HOST_V6 | SysFlag.NEED_UNWRAP | SysFlag.INNER_BATCH;
    for (const sysFlag of [
      lie,
      ...[16, 32, 64, 128].map((bit) => bit | SysFlag.COMPRESSED | SysFlag.COMPRESSION_LZ4),
    ]) {
      const { queueOffset } = await client.send('orders', 'body', { sysFlag });
      const { messages } = await client.pull('orders', { offset: Number(queueOffset) });
      expect(messages).toMatchObject([{ sysFlag: sysFlag & ~lie, storeHost: broker.brokerAddress }]);
      expect(messages[0]?.bornHost).toMatch(/^127\.0\.0\.1:/);
      expect(messages[0]?.body.toString()).toBe('body');
    }
  });

  it('gets an id where it has none, and what brokers add, and loses what is not its to say', async () => {
    const properties = { POP_CK: '0 0 0 0 0 b 0 0', '__RMQ.TRANSIENT.a': 'b', TRACE_ON: 'no', own: 'kept' };
    const { transactionId } = await client.send('orders', 'body', { properties });
    const message = await only('orders');
    expect(Object.fromEntries(message.properties)).toEqual({
      UNIQ_KEY: transactionId,
      own: 'kept',
      CLUSTER: 'cluster',
      MSG_REGION: 'DefaultRegion',
      TRACE_ON: 'true',
    });
    expect(transactionId).toMatch(/^[0-9A-F]{32}$/);
  });

  it('keeps what tries it has had', async () => {
    await client.send('orders', 'body', { reconsumeTimes: 3 });
    expect((await only('orders')).reconsumeTimes).toBe(3);
  });

  it.each(['true', 'TRUE'])('of a half message (%s) is stored where no consumer sees it', async (TRAN_MSG) => {
    const properties = { TRAN_MSG, PGROUP: 'producers', UNIQ_KEY: 'U1' };
    const reply = await client.send('orders', 'half', { properties, queueId: 3, sysFlag: 4 });
    expect(reply).toMatchObject({ queueId: 3, transactionId: 'U1' });
    expect((await client.pull('orders', { queueId: 3 })).code).toBe(ResponseCode.PULL_NOT_FOUND);
    expect(broker.engine.store.maxOffset('RMQ_SYS_TRANS_HALF_TOPIC', 0)).toBe(1);
    await client.send('orders', 'whole', { properties: { TRAN_MSG: 'false' }, queueId: 3 });
    expect((await only('orders', 3)).body.toString()).toBe('whole');
  });

  it.each([
    ['bornTimestampMs', 'g', 'yesterday'],
    ['queueId', 'e', '1e3'],
    ['flag', 'h', ''],
    ['sysFlag', 'f', '4294967296'],
  ])('with nonsense for %s is refused, by its name', async (name, wire, value) => {
    const { code, extFields, body } = sendMessage.encode(sendFields('orders'), Buffer.from('body'));
    const reply = await client.invoke({
      code,
      extFields: { ...extFields, [wire]: value },
      body: body ?? Buffer.alloc(0),
    });
    expect(reply).toMatchObject({ code: INVALID_PARAMETER, remark: expect.stringContaining(name) });
  });
});

describe('a batch', () => {
  it('stores its messages one behind the other, each with its own flag, properties and id', async () => {
    const body = batch([
      { body: 'one', flag: 1, properties: { UNIQ_KEY: 'U1', TAGS: 'a' } },
      { body: 'two', flag: 2, properties: { UNIQ_KEY: 'U2' } },
      { body: 'three' },
    ]);
    const reply = await client.ask(sendBatchMessage, sendFields('orders', { flag: 9, reconsumeTimes: 1 }), body);
    expect(reply).toMatchObject({ queueId: 0, queueOffset: 0n });
    expect(reply.transactionId).toBeUndefined();
    const { messages, bodies } = await client.pull('orders');
    expect(bodies).toEqual(['one', 'two', 'three']);
    expect(messages.map(({ flag }) => flag)).toEqual([1, 2, 0]);
    const ids = messages.map(({ properties }) => properties.get('UNIQ_KEY'));
    expect(ids).toEqual(['U1', 'U2', expect.stringMatching(/^[0-9A-F]{32}$/)]);
    const offsets = reply.messageId.split(',').map((id) => decodeOffsetMessageId(id).commitLogOffset);
    expect(offsets).toEqual(messages.map(({ commitLogOffset }) => commitLogOffset));
  });

  it('may come as an ordinary send that says so', async () => {
    const body = batch([{ body: 'one' }, { body: 'two' }]);
    await client.ask(sendMessage, sendFields('orders', { batch: true }), body);
    expect((await client.pull('orders')).bodies).toEqual(['one', 'two']);
    await client.ask(sendMessage, sendFields('plain'), body);
    expect((await client.pull('plain')).messages).toHaveLength(1);
  });

  it('keeps the properties of its header to itself, and each message has what it may have', async () => {
    const properties = { UNIQ_KEY: 'U-of-all', TAGS: 'all', POP_CK: 'x', INSTANCE_ID: 'ns' };
    const body = batch([
      { body: 'one', properties: { UNIQ_KEY: 'U1', TAGS: 'own', POP_CK: 'y' } },
      { body: 'two', properties: { '__RMQ.TRANSIENT.a': 'b' } },
    ]);
    await client.ask(sendBatchMessage, sendFields('orders', { properties }), body);
    const { messages } = await client.pull('orders');
    const found = messages.map((message) => Object.fromEntries(message.properties));
    expect(found).toMatchObject([
      { UNIQ_KEY: 'U1', TAGS: 'own' },
      { UNIQ_KEY: expect.stringMatching(/^[0-9A-F]{32}$/) },
    ]);
    const unwanted = /POP_CK|TRANSIENT|INSTANCE_ID/;
    for (const one of found) expect(Object.keys(one).filter((name) => unwanted.test(name))).toEqual([]);
    expect(found[1]).not.toHaveProperty('TAGS');
  });

  it('of one message is answered like one', async () => {
    const body = batch([{ body: 'one', properties: { UNIQ_KEY: 'U1' } }]);
    expect((await client.ask(sendBatchMessage, sendFields('orders'), body)).transactionId).toBe('U1');
  });

  it('that is garbage anywhere is refused, and nothing of it is stored', async () => {
    const good = batch([{ body: 'one', properties: { a: 'b' } }, { body: 'two' }]);
    const bad = [
      Buffer.alloc(0),
      Buffer.from('garbage'),
      Buffer.alloc(22),
      Buffer.alloc(100, 0xff),
      Buffer.concat([good, Buffer.from([0])]),
      ...Array.from({ length: good.length - 1 }, (_, cut) => good.subarray(0, cut + 1)),
    ];
    // A cut between the messages is a batch of one.
    const firstBytes = batch([{ body: 'one', properties: { a: 'b' } }]).length;
    for (const body of bad.filter(({ length }) => length !== firstBytes)) {
      const { code } = await client.invoke(sendBatchMessage.encode(sendFields('orders'), body));
      expect(code).toBe(MESSAGE_ILLEGAL);
    }
    expect(await client.ask(getMaxOffset, { topic: 'orders', queueId: 0 })).toEqual({ offset: 0n });
  });

  it('is stored whole or not at all', async () => {
    const body = batch([{ body: 'one' }, { body: 'two', properties: { p: 'v'.repeat(32_700) } }]);
    expect((await client.invoke(sendBatchMessage.encode(sendFields('orders'), body))).code).toBe(MESSAGE_ILLEGAL);
    expect(await client.ask(getMaxOffset, { topic: 'orders', queueId: 0 })).toEqual({ offset: 0n });
  });
});
