import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { quickRedelivery } from '../rocketmq/cluster.ts';
import { type Fields, GrownClient } from '../support/grown-client.ts';
import { type Failure, failureOf } from '../support/grpc-client.ts';
import type { TestedProxy } from '../support/proxy-process.ts';
import {
  describeOnTargets,
  differsBefore5,
  isBefore5,
  startProxy,
  startTarget,
  type Target,
  takesUnsigned,
  type Variant,
} from './target.ts';

const GET_CONSUMER_CONNECTION_LIST = 203;
const messageBufferSize = 5;

const bodyOf = ({ message_body }: Fields): string => message_body;

const suite = (variant: Variant): void => {
  const { version } = variant;
  const modes = differsBefore5(variant, 'noPop', {
    before5: ['CONSUME_MODE_PULL'],
    since5: ['CONSUME_MODE_POP', 'CONSUME_MODE_PULL'],
  });
  let cluster: Target;
  /** Two instances with one seal key. */
  let proxies: readonly TestedProxy[];
  let client: GrownClient;
  /** Of the other instance. */
  let other: GrownClient;

  beforeAll(async () => {
    const quick = isBefore5(variant, 'noPop') ? {} : quickRedelivery;
    cluster = await startTarget({ version, apache: { ...quick, enablePropertyFilter: true } });
    const settings = {
      ROCKETMQ_ENDPOINT: cluster.nameServer,
      PROXY_SEAL_KEY: randomBytes(32).toString('hex'),
      MESSAGE_BUFFER_SIZE: String(messageBufferSize),
    };
    proxies = await Promise.all([startProxy(settings), startProxy(settings)]);
    [client, other] = proxies.map(({ address }) => new GrownClient(address)) as [GrownClient, GrownClient];
  });

  afterAll(async () => {
    client?.close();
    other?.close();
    await Promise.all((proxies ?? []).map((proxy) => proxy.stop()));
    await cluster?.stop();
  });

  /** A topic with a producer, and what tests do with it. @param name becomes topic and group. */
  async function startTopic(name: string, queueCount = 1) {
    const topic = name.replaceAll(/[^\w]+/g, '-');
    await cluster.createTopic(topic, { queueCount });
    const { producer_id } = await client.call('CreateProducer', { topic });
    const lag = (group_id = topic) => client.call('GetConsumerLag', { topic, group_id });
    /** Waits until the only queue has so many messages: brokers put them there a little after they answered. */
    const holds = (count: number) =>
      vi.waitUntil(async () => (await lag())['queues'][0]?.max_offset === String(count), {
        timeout: 60_000,
        interval: 50,
      });
    return {
      topic,
      producer_id,
      create: async (options: object = {}): Promise<string> =>
        (await client.call('CreateConsumer', { topic, group_id: topic, ...options }))['consumer_id'],
      send: async (...bodies: readonly string[]): Promise<void> => {
        for (const message_body of bodies) await client.call('SendMessage', { producer_id, message_body });
      },
      lag,
      holds,
    };
  }

  const receive = (consumer_id: string, more: object = {}, by = client) =>
    by.open('ReceiveMessages', { consumer_id, ...more });

  const ack = (consumer_id: string, message: Fields | undefined, by = client) =>
    by.call('AckMessage', { consumer_id, receipt_handle: message?.['receipt_handle'] });

  describe.each(modes)('%s', (consume_mode) => {
    test.concurrent('is the way that brokers are asked by, and carries all', async () => {
      const { topic, create, send } = await startTopic(`way ${consume_mode}`);
      const consumer_id = await create({ consume_mode });
      const stream = receive(consumer_id);
      await send('one');
      await ack(consumer_id, (await stream.take(1))[0]);
      const { body } = await cluster.brokerCall(GET_CONSUMER_CONNECTION_LIST, { consumerGroup: topic });
      const [, consumeType] = /"consumeType":"(\w+)"/.exec(Buffer.from(body ?? []).toString()) ?? [];
      // Who receives by POP is a member from the next heartbeat on only.
      expect(consume_mode === 'CONSUME_MODE_PULL' ? ['CONSUME_PASSIVELY'] : ['CONSUME_POP', undefined]).toContain(
        consumeType,
      );
      stream.cancel();
    });

    test.concurrent('a condition lets by what it wants and nothing else, also through another instance', async () => {
      const { producer_id, create } = await startTopic(`sql ${consume_mode}`);
      const consumer_id = await create({ consume_mode, sql_expression: "price > 10 AND region = 'eu'" });
      const send = (message_body: string, properties: object) =>
        client.call('SendMessage', { producer_id, message_body, properties: { properties } });
      await send('cheap', { price: '10', region: 'eu' });
      await send('wanted', { price: '11', region: 'eu' });
      await send('elsewhere', { price: '11', region: 'us' });
      await send('bare', {});
      await send('last', { price: '99', region: 'eu' });
      const stream = receive(consumer_id, {}, other);
      const messages = await stream.take(2);
      expect(messages.map(bodyOf)).toEqual(['wanted', 'last']);
      for (const message of messages) await ack(consumer_id, message, other);
      stream.cancel();
    });

    test.concurrent('in order no message overtakes another, whatever becomes of that', async () => {
      const { create, send } = await startTopic(`order ${consume_mode}`);
      // Long enough for a machine that stands still now and then.
      const consumer_id = await create({ consume_mode, ordered: true, invisible_duration_ms: 120_000 });
      await send('1', '2', '3', '4');
      const stream = receive(consumer_id);
      const next = async (): Promise<Fields> => (await stream.take(1))[0] ?? {};
      const first = { consumer_id, receipt_handle: (await next())['receipt_handle'] };
      // Whatever overtakes it in the meantime comes before it.
      await client.call('NackMessage', { ...first, delay_ms: 1_000 });
      const again = await next();
      expect([bodyOf(again), again['reconsume_times']]).toEqual(['1', 1]);
      await ack(consumer_id, again);
      const second = await next();
      expect(bodyOf(second)).toBe('2');
      const { receipt_handle } = second;
      await client.call('ChangeInvisibleDuration', { consumer_id, receipt_handle, invisible_duration_ms: 1_000 });
      const late = await next();
      expect([bodyOf(late), late['reconsume_times']]).toEqual(['2', 1]);
      await ack(consumer_id, late);
      for (const body of ['3', '4']) {
        const message = await next();
        expect(bodyOf(message)).toBe(body);
        await ack(consumer_id, message);
      }
      stream.cancel();
    });

    test.concurrent('a short invisible duration ends soon, and the message comes again', async () => {
      const { create, send } = await startTopic(`short ${consume_mode}`);
      const consumer_id = await create({ consume_mode, invisible_duration_ms: 1_000 });
      await send('twice');
      const stream = receive(consumer_id);
      const [first, second] = await stream.take(2);
      expect([first, second].map((message) => message?.['reconsume_times'])).toEqual([0, 1]);
      expect(second?.['message_id']).toBe(first?.['message_id']);
      expect((await failureOf(ack(consumer_id, first))).code).toBe('FAILED_PRECONDITION');
      stream.cancel();
    });

    test.concurrent('no more are in flight than the stream asks for', async () => {
      const { create, send } = await startTopic(`bound ${consume_mode}`, 2);
      const consumer_id = await create({ consume_mode });
      await send(...Array.from({ length: 12 }, (_, index) => String(index)));
      const stream = receive(consumer_id, { messages_max: 2 });
      let [inFlight, most] = [0, 0];
      stream.call.on('data', () => {
        inFlight += 1;
        most = Math.max(most, inFlight);
      });
      const seen = new Set<string>();
      for (let [held] = await stream.take(1); held !== undefined && seen.size < 11; ) {
        const [next] = await stream.take(1);
        inFlight -= 1;
        await ack(consumer_id, held);
        seen.add(bodyOf(held));
        held = next;
      }
      expect([most, seen.size]).toEqual([2, 11]);
      stream.cancel();
    });

    test.concurrent('the lag is what is not done yet, and the proxy is a member while it receives', async () => {
      const { topic, create, send, lag, holds } = await startTopic(`lag ${consume_mode}`);
      const consumer_id = await create({ consume_mode, invisible_duration_ms: 120_000 });
      await send('1', '2', '3');
      await holds(3);
      const before = await lag();
      expect(before).toMatchObject({ success: true, lag: '3' });
      expect(before['message']).toBe(`group ${topic} is 3 messages behind in topic ${topic}`);
      expect(before['queues']).toMatchObject([
        { broker_name: cluster.brokerName, queue_id: 0, max_offset: '3', lag: '3', retry: false },
      ]);
      const stream = receive(consumer_id);
      const messages = await stream.take(3);
      const { members } = await lag();
      for (const { client_id, language } of members)
        expect([client_id, language]).toEqual([
          expect.stringContaining('@'),
          expect.stringMatching(/^(NODE_JS|OTHER)$/),
        ]);
      // Who receives by POP is one from the next heartbeat on only.
      expect(consume_mode === 'CONSUME_MODE_PULL' ? [1] : [0, 1]).toContain(members.length);
      const becomes = (expected: string) =>
        vi.waitUntil(async () => (await lag())['lag'] === expected, { timeout: 60_000, interval: 200 });
      const [last, ...done] = messages.toReversed();
      for (const message of done) await ack(consumer_id, message);
      // Progress by pull is stored a little later; what was handed out by POP counts as done.
      await becomes(consume_mode === 'CONSUME_MODE_PULL' ? '1' : '0');
      await ack(consumer_id, last);
      await becomes('0');
      expect((await lag())['queues'][0]).toMatchObject({ max_offset: '3', committed_offset: '3' });
      stream.cancel();
    });
  });

  test.concurrent('a group begins where its first consumer says, at the time when that is made', async () => {
    const { create, send } = await startTopic('begin');
    await send('before');
    // Brokers date in whole ms.
    await sleep(50);
    const consume_timestamp = Date.now();
    await sleep(50);
    await send('after');
    const first = await create({ group_id: 'begin-first', consume_from: 'CONSUME_FROM_FIRST' });
    const timestamp = { group_id: 'begin-time', consume_from: 'CONSUME_FROM_TIMESTAMP', consume_timestamp };
    const time = await create(timestamp);
    const popped = await create({ ...timestamp, group_id: 'begin-pull', consume_mode: 'CONSUME_MODE_PULL' });
    // The group has its place.
    const later = await create({ group_id: 'begin-time', consume_from: 'CONSUME_FROM_FIRST' });
    await send('last');
    const all = ['before', 'after', 'last'];
    const since = differsBefore5(variant, 'youngQueues', { before5: all, since5: all.slice(1) });
    for (const [consumer_id, bodies] of [
      [first, all],
      [time, since],
      [popped, since],
    ] as const) {
      const stream = receive(consumer_id);
      const messages = await stream.take(bodies.length);
      expect(messages.map(bodyOf)).toEqual(bodies);
      for (const message of messages) await ack(consumer_id, message);
      stream.cancel();
    }
    const stream = receive(later);
    await send('more');
    expect((await stream.take(1)).map(bodyOf)).toEqual(['more']);
    stream.cancel();
  });

  test.skipIf(!isBefore5(variant, 'noPop')).concurrent('POP cannot be had from brokers of 4.x', async () => {
    const { create } = await startTopic('no-pop');
    expect(await failureOf(create({ consume_mode: 'CONSUME_MODE_POP' }))).toEqual({
      code: 'FAILED_PRECONDITION',
      details: expect.stringMatching(/RocketMQ 4\.x.*no POP.*by pull/),
    });
    expect(await create({ consume_mode: 'CONSUME_MODE_AUTO' })).not.toBe('');
  });

  test.concurrent('of a group that nobody knows nothing is done, and nobody is in it', async () => {
    const strange = await startTopic('strange');
    await strange.send('1', '2');
    await strange.holds(2);
    const { lag, queues, members } = await strange.lag('nobody');
    const committed_offset = differsBefore5(variant, 'youngQueues', { before5: '0', since5: '-1' });
    expect({ lag, queues, members }).toMatchObject({
      lag: '2',
      queues: [{ queue_id: 0, max_offset: '2', committed_offset, lag: '2', retry: false }],
      members: [],
    });
  });

  test.concurrent('listings tell of what this proxy holds until it is cleaned up', async () => {
    const { topic, producer_id, create, send } = await startTopic('listed');
    const consumers = [await create(), await create({ group_id: 'listed-too' })];
    const list = (filter: object) => client.call('ListConsumers', filter);
    const idsOf = ({ consumers }: Fields): readonly string[] => consumers.map(({ consumer_id }: Fields) => consumer_id);
    expect(idsOf(await list({ topic })).toSorted()).toEqual(consumers.toSorted());
    expect(idsOf(await list({ group_id: 'listed-too' }))).toEqual(consumers.slice(1));
    expect(idsOf(await list({ group_id: topic, topic }))).toEqual(consumers.slice(0, 1));
    for (const filter of [{ group_id: 'nobody' }, { topic: 'nowhere' }, { group_id: topic, topic: 'nowhere' }]) {
      expect(await list(filter)).toEqual({ success: true, message: '0 of 0 consumers', consumers: [] });
    }
    const stream = receive(consumers[0] ?? '');
    await send('one');
    await stream.take(1);
    const [shown] = (await list({ group_id: topic }))['consumers'];
    expect(shown).toMatchObject({ topic, group_id: topic, stream_count: 1, in_flight_count: 1 });
    expect(Number(shown.created_timestamp)).toBeGreaterThan(Date.now() - 600_000);
    expect(Number(shown.last_used_timestamp)).toBeGreaterThanOrEqual(Number(shown.created_timestamp));
    expect((await list({ group_id: 'listed-too' }))['consumers']).toMatchObject([
      { stream_count: 0, in_flight_count: 0 },
    ]);
    const producers = async () => (await client.call('ListProducers', { topic }))['producers'];
    expect(await producers()).toEqual([
      { producer_id, topic, created_timestamp: expect.any(String), last_used_timestamp: expect.any(String) },
    ]);
    // What the other instance holds, only that one tells.
    expect(idsOf(await other.call('ListConsumers', { topic }))).toEqual([]);

    expect(await client.call('CleanupConsumer', { group_id: topic })).toMatchObject({ cleaned_count: 1 });
    await stream.ended();
    expect(idsOf(await list({ topic }))).toEqual(consumers.slice(1));
    expect(await client.call('CleanupProducer', { topic })).toMatchObject({ cleaned_count: 1 });
    expect(await producers()).toEqual([]);
  });

  test.concurrent('what makes no sense is refused and named, and what is at its limit is taken', async () => {
    const { topic, create } = await startTopic('sense');
    const timestamp = 'CONSUME_FROM_TIMESTAMP';
    for (const [options, details] of [
      [{ tag_expression: 'a', sql_expression: 'a > 1' }, /both set/],
      [{ sql_expression: 'a >' }, /cannot read the SQL92 condition.*"a >"/],
      [{ sql_expression: 'x'.repeat(4_097) }, /4097 characters; at most 4096/],
      [{ consume_from: 4 }, /consume_from is 4/],
      [{ consume_timestamp: 1 }, /CONSUME_FROM_TIMESTAMP too/],
      [{ consume_from: timestamp }, /consume_timestamp is 0; .* 1 to 9007199254740991/],
      [{ consume_from: timestamp, consume_timestamp: -1 }, /consume_timestamp is -1/],
      [{ consume_from: timestamp, consume_timestamp: '9007199254740992' }, /consume_timestamp is 9007199254740992/],
      [{ invisible_duration_ms: 999 }, /invisible_duration_ms is 999; it may be 1000 to 43200000/],
      [{ invisible_duration_ms: 43_200_001 }, /invisible_duration_ms is 43200001/],
      [{ invisible_duration_ms: -(2 ** 31) }, /invisible_duration_ms is -2147483648/],
      [{ consume_mode: 4 }, /consume_mode is 4/],
    ] as const) {
      const failure = await failureOf(create({ ...options, group_id: 'none' }));
      expect(failure).toEqual<Failure>({ code: 'INVALID_ARGUMENT', details: expect.stringMatching(details) });
    }
    // Each in a group of its own: by pull a group has one filter.
    for (const [index, options] of [
      { sql_expression: `a = '${'x'.repeat(4_090)}'` },
      { consume_from: timestamp, consume_timestamp: 1 },
      { consume_from: timestamp, consume_timestamp: '9007199254740991' },
      { invisible_duration_ms: 1_000 },
      { invisible_duration_ms: 43_200_000 },
    ].entries()) {
      expect(await create({ ...options, group_id: `sense-${index}` })).toMatch(/^[\w-]+$/);
    }
    const consumer_id = await create();
    for (const messages_max of [-1, messageBufferSize + 1, 2 ** 31 - 1]) {
      expect(await failureOf(receive(consumer_id, { messages_max }).ended())).toEqual<Failure>({
        code: 'INVALID_ARGUMENT',
        details: `messages_max is ${messages_max}; it may be 1 to ${messageBufferSize}, 0 for ${messageBufferSize}`,
      });
    }
    for (const [request, code] of [
      [{ topic, group_id: '' }, 'INVALID_ARGUMENT'],
      [{ topic: '', group_id: topic }, 'INVALID_ARGUMENT'],
      [{ topic: 'x'.repeat(128), group_id: topic }, 'INVALID_ARGUMENT'],
      [{ topic, group_id: 'x'.repeat(121) }, 'INVALID_ARGUMENT'],
      [{ topic: 'a%b', group_id: topic }, 'INVALID_ARGUMENT'],
      [{ topic: 'nowhere-at-all', group_id: topic }, 'NOT_FOUND'],
      [{ topic, group_id: topic, endpoint: 'http://' }, 'INVALID_ARGUMENT'],
      [{ topic, group_id: topic, endpoint: '127.0.0.1:1' }, 'UNAVAILABLE'],
    ] as const) {
      expect([request, (await failureOf(client.call('GetConsumerLag', request))).code]).toEqual([request, code]);
    }
    expect(await client.call('GetConsumerLag', { topic, group_id: 'x'.repeat(120) })).toMatchObject({ success: true });
  });
};

describeOnTargets('how consumers receive, and what is told of them', suite, takesUnsigned);
