import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodeBatch } from '../../src/remoting/message-batch.ts';
import { decodeOffsetMessageId } from '../../src/remoting/message-id.ts';
import { encodeProperties } from '../../src/remoting/message-properties.ts';
import { RequestCode } from '../../src/remoting/request-code.ts';
import { queryMessage, viewMessage } from '../../src/remoting/requests/query-message.ts';
import { sendBatchMessage, sendMessage, sendMessageV1 } from '../../src/remoting/requests/send-message.ts';
import { ResponseCode } from '../../src/remoting/response-code.ts';
import { decodeStoredMessages } from '../../src/remoting/stored-message.ts';
import { sendFields } from '../support/engine-client.ts';
import { describeOnTarget, differs, startTarget, type Target } from './target.ts';
import { Wire } from './wire.ts';

const { SUCCESS, SYSTEM_ERROR, MESSAGE_ILLEGAL, NO_PERMISSION, INVALID_PARAMETER } = ResponseCode;
const { PULL_NOT_FOUND, PULL_RETRY_IMMEDIATELY, PULL_OFFSET_MOVED } = ResponseCode;

const record = (body: string, properties: Readonly<Record<string, string>>) => ({
  flag: 0,
  body: Buffer.from(body),
  properties: new Map(Object.entries(properties)),
});

describeOnTarget('messages on the wire', () => {
  let target: Target;
  let wire: Wire;

  beforeAll(async () => {
    target = await startTarget({ apache: { enablePropertyFilter: true } });
    wire = await Wire.connect(target.brokerAddress);
  });

  afterAll(async () => {
    wire?.close();
    await target?.stop();
  });

  async function topicOf(name: string, queueCount = 1): Promise<string> {
    await target.createTopic(name, { queueCount });
    return name;
  }

  test.each([
    ['long', sendMessageV1],
    ['short', sendMessage],
  ] as const)(
    'a send with %s names is answered with its place, and stored as it was sent',
    async (name, definition) => {
      const topic = await topicOf(`sent-${name}`, 2);
      const properties = { UNIQ_KEY: `0A0B0C0D${name}`, TAGS: 'tag', KEYS: 'k1 k2', own: 'größe=1' };
      for (const queueOffset of [0n, 1n]) {
        const fields = sendFields(topic, { queueId: 1, flag: 7, properties, bornTimestampMs: 1_700_000_000_000 });
        const reply = await wire.ask(definition, fields, Buffer.from('body'));
        expect(reply).toEqual({
          messageId: expect.stringMatching(/^7F000001[0-9A-F]{24}$/),
          queueId: 1,
          queueOffset,
          transactionId: properties.UNIQ_KEY,
          region: 'DefaultRegion',
          traceOn: true,
        });
        const { storeHost } = decodeOffsetMessageId(reply.messageId);
        expect(storeHost).toBe(target.brokerAddress);
      }
      await wire.holds(topic, 2, 1);
      const { messages } = await wire.pull(topic, { queueId: 1 });
      expect(messages).toHaveLength(2);
      expect(messages[1]).toMatchObject({
        topic,
        queueId: 1,
        queueOffset: 1n,
        flag: 7,
        sysFlag: 0,
        bornTimestampMs: 1_700_000_000_000,
        reconsumeTimes: 0,
      });
      expect(messages[1]?.body.toString()).toBe('body');
      expect(Object.fromEntries(messages[1]?.properties ?? [])).toEqual({
        ...properties,
        CLUSTER: 'DefaultCluster',
        MSG_REGION: 'DefaultRegion',
        TRACE_ON: 'true',
      });
    },
  );

  test('a message without an id gets one', async () => {
    const topic = await topicOf('no-id');
    const { transactionId } = await wire.send(topic, 'x');
    await wire.holds(topic, 1);
    const { messages } = await wire.pull(topic);
    expect(transactionId).toMatch(/^[0-9A-F]{32}([0-9A-F]{24})?$/);
    expect(messages[0]?.properties.get('UNIQ_KEY')).toBe(transactionId);
  });

  test('a batch is stored as its messages, and answered with the places of all', async () => {
    const topic = await topicOf('batch');
    await wire.send(topic, 'before');
    const records = ['a', 'b', 'c'].map((body) => record(body, { UNIQ_KEY: `ID-${body}`, TAGS: body }));
    const fields = { ...sendFields(topic), batch: true };
    const reply = await wire.ask(sendBatchMessage, fields, encodeBatch(records));
    expect(reply).toMatchObject({ queueId: 0, queueOffset: 1n });
    const ids = reply.messageId.split(',');
    expect(ids).toHaveLength(3);
    await wire.holds(topic, 4);
    const { messages, bodies } = await wire.pull(topic);
    expect(bodies).toEqual(['before', 'a', 'b', 'c']);
    expect(messages.slice(1).map(({ properties }) => properties.get('UNIQ_KEY'))).toEqual(['ID-a', 'ID-b', 'ID-c']);
    expect(messages.slice(1).map(({ commitLogOffset }) => commitLogOffset)).toEqual(
      ids.map((id) => decodeOffsetMessageId(id).commitLogOffset),
    );
  });

  test('what the header of a batch says of properties does not go to its messages', async () => {
    const topic = await topicOf('batch-properties');
    const records = ['a', 'b'].map((body) => record(body, { UNIQ_KEY: `ID-${body}`, own: body }));
    const fields = { ...sendFields(topic, { properties: { UNIQ_KEY: 'ID-all', common: 'yes' } }), batch: true };
    await wire.ask(sendBatchMessage, fields, encodeBatch(records));
    await wire.holds(topic, 2);
    const { messages } = await wire.pull(topic);
    expect(messages.map(({ properties }) => properties.get('common'))).toEqual([undefined, undefined]);
    expect(messages.map(({ properties }) => properties.get('own'))).toEqual(['a', 'b']);
    expect(messages.map(({ properties }) => properties.get('UNIQ_KEY'))).toEqual(['ID-a', 'ID-b']);
  });

  test('one-way sends are stored and not answered', async () => {
    const topic = await topicOf('one-way');
    for (const body of ['a', 'b']) wire.channel.sendOneWay(sendMessage.encode(sendFields(topic), Buffer.from(body)));
    await wire.holds(topic, 2);
    // In any order: nobody waits for one before the other is begun.
    expect(new Set((await wire.pull(topic)).bodies)).toEqual(new Set(['a', 'b']));
    expect(wire.channel.droppedReplyCount).toBe(0);
  });

  test('a queue is chosen for who names none', async () => {
    const topic = await topicOf('any-queue', 2);
    const { queueId } = await wire.send(topic, 'x', { queueId: -1 });
    expect([0, 1]).toContain(queueId);
  });

  test('a topic is made by its first message with as many queues as wanted, 8 at most', async () => {
    for (const [wanted, made] of [
      [2, 2],
      [16, 8],
    ] as const) {
      const topic = `made-${wanted}`;
      await wire.send(topic, 'first', { defaultTopic: 'TBW102', defaultTopicQueueCount: wanted });
      const { code } = await wire.invoke(sendMessage.encode(sendFields(topic, { queueId: made }), Buffer.from('x')));
      expect(code).toBe(INVALID_PARAMETER);
      expect(await wire.code(sendMessage, sendFields(topic, { queueId: made - 1 }), Buffer.from('x'))).toBe(SUCCESS);
    }
  });

  test('what cannot be stored is refused with a code of its own', async () => {
    const topic = await topicOf('refused');
    const code = (to: string, body: Buffer, more = {}) => wire.code(sendMessage, sendFields(to, more), body);
    const x = Buffer.from('x');
    for (const illegal of ['a b', 'a.b', 'größe', 'x'.repeat(128)])
      expect(await code(illegal, x)).toBe(INVALID_PARAMETER);
    for (const inner of ['SCHEDULE_TOPIC_XXXX', 'RMQ_SYS_TRANS_HALF_TOPIC']) {
      expect(await code(inner, x)).toBe(NO_PERMISSION);
    }
    expect(await code(topic, x, { queueId: 1 })).toBe(INVALID_PARAMETER);
    expect(await code(topic, Buffer.alloc(4 * 2 ** 20 + 65_536))).toBe(MESSAGE_ILLEGAL);
    expect(await code(topic, x, { properties: { p: 'x'.repeat(32_765) } })).toBe(MESSAGE_ILLEGAL);
    const badBody = differs('badBody', { apache: SYSTEM_ERROR, embedded: MESSAGE_ILLEGAL });
    expect(await code(topic, Buffer.alloc(0))).toBe(badBody);
    const garbage = wire.code(
      sendBatchMessage,
      { ...sendFields(topic), batch: true },
      Buffer.from('garbage of a batch'),
    );
    expect(await garbage).toBe(badBody);
    expect((await wire.pull(topic)).code).toBe(PULL_NOT_FOUND);
  });

  test('the largest body is stored whole', async () => {
    const topic = await topicOf('largest');
    await wire.send(topic, Buffer.alloc(4 * 2 ** 20, 'x'));
    await wire.holds(topic, 1);
    const { messages } = await wire.pull(topic);
    expect(messages[0]?.body.length).toBe(4 * 2 ** 20);
  });

  test('a pull says what there is, and where to go on', async () => {
    const topic = await topicOf('pulled');
    const pulled = async (fields: Parameters<Wire['pull']>[1]) => {
      const { code, nextBeginOffset, minOffset, maxOffset, bodies } = await wire.pull(topic, fields);
      return [code, nextBeginOffset, minOffset, maxOffset, bodies.join()];
    };
    expect(await pulled({ offset: 0 })).toEqual([PULL_NOT_FOUND, 0, 0, 0, '']);
    expect(await pulled({ offset: 5 })).toEqual([PULL_OFFSET_MOVED, 0, 0, 0, '']);
    for (const body of ['0', '1', '2']) await wire.send(topic, body, { properties: { TAGS: `t${body}` } });
    await wire.holds(topic, 3);
    expect(await pulled({ offset: 0 })).toEqual([SUCCESS, 3, 0, 3, '0,1,2']);
    expect(await pulled({ offset: 1, countMax: 1 })).toEqual([SUCCESS, 2, 0, 3, '1']);
    expect(await pulled({ offset: 3 })).toEqual([PULL_NOT_FOUND, 3, 0, 3, '']);
    expect(await pulled({ offset: 4 })).toEqual([PULL_OFFSET_MOVED, 3, 0, 3, '']);
    expect(await pulled({ offset: -1 })).toEqual([PULL_OFFSET_MOVED, 0, 0, 3, '']);
    expect(await pulled({ subscription: 'none' })).toEqual([PULL_RETRY_IMMEDIATELY, 3, 0, 3, '']);
    expect(await pulled({ subscription: 't0 || t2' })).toEqual([SUCCESS, 3, 0, 3, '0,2']);
  });

  test('a pull that makes no sense is refused', async () => {
    const topic = await topicOf('pull-refused');
    const code = async (to: string, fields: Parameters<Wire['pull']>[1]): Promise<unknown> =>
      wire.pull(to, fields).then(
        (pulled) => pulled.code,
        (error: unknown) => (error instanceof Error && 'code' in error ? error.code : error),
      );
    expect(await code('never-made-topic', {})).toBe(ResponseCode.TOPIC_NOT_EXIST);
    expect(await code(topic, { queueId: 1 })).toBe(INVALID_PARAMETER);
    const sql = { expressionType: 'SQL92', subscription: 'a >' };
    const refused = { apache: PULL_NOT_FOUND, embedded: ResponseCode.SUBSCRIPTION_PARSE_FAILED };
    expect(await code(topic, sql)).toBe(differs('badSql', refused));
    // Not in the request, and no heartbeat either.
    expect(await code(topic, { sysFlag: 0, group: 'without-heartbeat' })).toBe(ResponseCode.SUBSCRIPTION_NOT_EXIST);
  });

  test('a pull that waits is woken by a message, and by the end of its time', async () => {
    const topic = await topicOf('waited');
    const other = await Wire.connect(target.brokerAddress);
    const waiting = wire.pull(topic, { suspendMs: 20_000 });
    // Answered later than the pull was read, since both go the same way.
    expect((await wire.pull(topic)).code).toBe(PULL_NOT_FOUND);
    await other.send(topic, 'wakes');
    expect(await waiting).toMatchObject({ code: SUCCESS, bodies: ['wakes'] });
    const startMs = performance.now();
    expect(await wire.pull(topic, { offset: 1, suspendMs: 1_000 })).toMatchObject({
      code: PULL_NOT_FOUND,
      nextBeginOffset: 1,
    });
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(990);
    expect(performance.now() - startMs).toBeLessThan(differs('longPollEnd', { apache: 10_000, embedded: 2_500 }));
    other.close();
  });

  test('tags are compared by hash, properties by SQL', async () => {
    const topic = await topicOf('filtered');
    for (const [body, tag, price] of [
      ['0', 'Aa', '5'],
      ['1', 'BB', '15'],
      ['2', 'c', ''],
    ] as const) {
      await wire.send(topic, body, { properties: { TAGS: tag, ...(price === '' ? {} : { price }) } });
    }
    await wire.holds(topic, 3);
    const found = async (subscription: string, expressionType?: string) =>
      (await wire.pull(topic, { subscription, expressionType })).bodies.join('');
    expect(await found('Aa')).toBe('01');
    expect(await found('c||Aa')).toBe('012');
    expect(await found('*')).toBe('012');
    expect(await found('price > 10', 'SQL92')).toBe('1');
    expect(await found('price IS NULL OR price BETWEEN 1 AND 9', 'SQL92')).toBe('02');
    expect(await found(`TAGS IN ('c', 'BB') AND NOT (price = 15)`, 'SQL92')).toBe('');
    expect(await found(`TAGS = 'c'`, 'SQL92')).toBe('2');
  });

  test('messages are found by key, by id and by place', async () => {
    const topic = await topicOf('asked-for');
    const properties = { UNIQ_KEY: 'ID-of-query', KEYS: 'order-1 order-2' };
    const { messageId } = await wire.send(topic, 'found', { properties });
    await wire.send(topic, 'other', { properties: { KEYS: 'order-2' } });
    await wire.holds(topic, 2);
    const query = async (key: string, unique: boolean | undefined) => {
      const content = queryMessage.encode({
        topic,
        key,
        countMax: 32,
        beginTimestamp: 0n,
        endTimestamp: BigInt(Date.now() + 60_000),
        unique,
      });
      const { code, body } = await wire.invoke(content);
      return [code, ...decodeStoredMessages(body).map((message) => message.body.toString())].join();
    };
    // Apache builds its index a little later.
    await expect.poll(() => query('order-2', undefined), { timeout: 10_000 }).toMatch(/^0,(other,found|found,other)$/);
    expect(await query('order-1', undefined)).toBe('0,found');
    expect(await query('ID-of-query', true)).toBe('0,found');
    expect(await query('never', undefined)).toBe(String(ResponseCode.QUERY_NOT_FOUND));
    const { commitLogOffset } = decodeOffsetMessageId(messageId);
    const viewed = await wire.invoke(viewMessage.encode({ offset: commitLogOffset }));
    expect(viewed.code).toBe(SUCCESS);
    const [message] = decodeStoredMessages(viewed.body);
    expect(message?.properties.get('UNIQ_KEY')).toBe('ID-of-query');
    expect(await wire.code(viewMessage, { offset: 1_000_000_000n })).toBe(SYSTEM_ERROR);
  });

  test('a code that nobody knows is not supported; one-way it is not answered', async () => {
    const content = { code: 29_999, extFields: {}, body: Buffer.alloc(0) };
    wire.channel.sendOneWay(content);
    expect((await wire.invoke(content)).code).toBe(ResponseCode.REQUEST_CODE_NOT_SUPPORTED);
    const route = { code: RequestCode.GET_ROUTEINFO_BY_TOPIC, extFields: { topic: 'TBW102' }, body: Buffer.alloc(0) };
    const code = { apache: ResponseCode.REQUEST_CODE_NOT_SUPPORTED, embedded: SUCCESS };
    expect((await wire.invoke(route)).code).toBe(differs('onePort', code));
  });

  test('properties keep what is between their separators', async () => {
    const topic = await topicOf('properties');
    const properties = encodeProperties([
      ['a', ''],
      ['b', '='],
    ]);
    const fields = { ...sendFields(topic), properties: `${properties}noise` };
    expect(await wire.code(sendMessage, fields, Buffer.from('x'))).toBe(SUCCESS);
    await wire.holds(topic, 1);
    const { messages } = await wire.pull(topic);
    expect(messages[0]?.properties.get('b')).toBe('=');
  });
});
