import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { queueSizes } from '../support/broker-queues.ts';
import { type Failure, failureOf, ProxyClient } from '../support/grpc-client.ts';
import type { TestedProxy } from '../support/proxy-process.ts';
import { encodeRequest, type SendRequest, sendRpcs } from '../support/published-api.ts';
import { closedAddress, startEcho, startSilentPeer } from '../support/tcp-peers.ts';
import {
  describeOnTargets,
  differs,
  differsBefore5,
  isBefore5,
  lacks,
  startProxy,
  startTarget,
  type Target,
  takesUnsigned,
  type Variant,
} from './target.ts';

const mebibyte = 2 ** 20;

const suite = (variant: Variant): void => {
  const { version } = variant;
  let cluster: Target;
  let proxy: TestedProxy;
  let client: ProxyClient;

  beforeAll(async () => {
    cluster = await startTarget({
      version,
      autoCreateTopics: false,
      brokerName: 'canary-broker',
      clusterName: 'canary-cluster',
      apache: { maxMessageSize: mebibyte },
    });
    proxy = await startProxy({
      ROCKETMQ_ENDPOINT: cluster.nameServer,
      ROCKETMQ_ACCESS_KEY_ID: 'canary-key',
      ROCKETMQ_ACCESS_KEY_SECRET: 'canary-secret',
    });
    client = new ProxyClient(proxy.address);
  });

  afterAll(async () => {
    client?.close();
    await proxy?.stop();
    await cluster?.stop();
  });

  /** How a call fails, with nothing in its text that is not for clients to know, and nothing that they cannot read. */
  async function refused(call: Promise<unknown>): Promise<Failure> {
    const failure = await failureOf(call);
    expect(failure.details).not.toMatch(/canary|java|exception|org\.apache|%[0-9a-f]{2}/i);
    for (const address of [cluster.brokerAddress, cluster.nameServer]) expect(failure.details).not.toContain(address);
    return failure;
  }

  /** A topic with a producer, and a judge of what is in it. */
  async function startTopic(topic: string) {
    await cluster.createTopic(topic, { queueCount: 1 });
    const producer_id = await client.createProducer(topic);
    const { stream } = await client.subscribe(topic, topic);
    return {
      producer_id,
      /** Only this message is there, and it is what was sent. */
      async holdsOnly(request: Omit<SendRequest, 'producer_id'>): Promise<void> {
        await client.send('SendMessage', { producer_id, ...request });
        const [message] = await stream.take(1);
        expect(message).toMatchObject({ message_body: request.message_body, tag: request.tag ?? '' });
        expect(Object.keys(message?.properties ?? {}).sort()).toEqual(
          [
            'UNIQ_KEY',
            ...(request.tag === undefined ? [] : ['TAGS']),
            ...Object.keys(request.properties?.properties ?? {}),
          ].sort(),
        );
        expect(await queueSizes(cluster, topic, 1)).toEqual([1]);
        stream.cancel();
      },
    };
  }

  test.concurrent('wrong, closed or silent endpoint: fails within 15 s, naming it; other sessions notice nothing', async () => {
    await cluster.createTopic('good-endpoint');
    const producer_id = await client.createProducer('good-endpoint');
    const silent = await startSilentPeer();
    const echo = await startEcho();
    const broker = differs('onePort', { apache: [cluster.brokerAddress], embedded: [] });
    const wrong = [...broker, proxy.statusUrl, echo.address, 'no-such-host.invalid:9876'];
    const endpoints = [...wrong, await closedAddress(), silent.address];
    const started = Date.now();
    const failures = endpoints.flatMap((endpoint) =>
      (['CreateProducer', 'CreateConsumer'] as const).map(async (rpc) => {
        const failure = await failureOf(client.call(rpc, { endpoint, topic: 'any', group_id: 'any' }));
        return { rpc, endpoint, failure, afterMs: Date.now() - started };
      }),
    );
    let answered = 0;
    for (const failure of failures) void failure.finally(() => (answered += 1));
    const latenciesMs: number[] = [];
    while (answered < failures.length) {
      const sentAt = Date.now();
      await client.send('SendMessage', { producer_id, message_body: 'meanwhile' });
      latenciesMs.push(Date.now() - sentAt);
    }
    expect(Math.max(...latenciesMs)).toBeLessThan(5_000);
    for (const { endpoint, failure, afterMs } of await Promise.all(failures)) {
      expect(failure).toEqual({ code: 'UNAVAILABLE', details: expect.stringContaining(endpoint) });
      expect(afterMs).toBeLessThan(15_000);
    }
    silent.close();
    echo.close();
  });

  test.concurrent('unknown topic: NOT_FOUND naming it where the broker makes none; works as soon as it exists', async () => {
    const topic = 'not-yet-there';
    const expected = { code: 'NOT_FOUND', details: expect.stringContaining(topic) };
    expect(await refused(client.createProducer(topic))).toEqual(expected);
    expect(await refused(client.createConsumer(topic, 'group'))).toEqual(expected);
    const { holdsOnly } = await startTopic(topic);
    await holdsOnly({ message_body: 'now it is there' });
  });

  test.concurrent('level below 0 or above 18; a time beyond the broker’s maximum: INVALID_ARGUMENT naming the bounds', async () => {
    const { producer_id, holdsOnly } = await startTopic('delays');
    const message_body = 'never stored';
    for (const delay_time_level of [-1, 19, Number.MAX_SAFE_INTEGER]) {
      const failure = await refused(client.send('SendDelayMessage', { producer_id, message_body, delay_time_level }));
      expect(failure).toEqual({ code: 'INVALID_ARGUMENT', details: expect.stringMatching(/1 to 18/) });
    }
    const inFourDays = Date.now() + 4 * 86_400_000;
    for (const rpc of sendRpcs) {
      const properties = { start_deliver_time: inFourDays, sharding_key: 'key' };
      const failure = await refused(client.send(rpc, { producer_id, message_body, properties }));
      expect(failure).toEqual(
        differsBefore5(variant, 'noDeliveryTime', {
          before5: { code: 'FAILED_PRECONDITION', details: expect.stringMatching(/level 18/) },
          since5: { code: 'INVALID_ARGUMENT', details: expect.stringMatching(/3 days/) },
        }),
      );
    }
    const own = await refused(client.send('SendDelayMessage', { producer_id, message_body, start_deliver_time: -1 }));
    expect(own).toEqual({ code: 'INVALID_ARGUMENT', details: expect.stringMatching(/start_deliver_time/) });
    await holdsOnly({ message_body: 'the only one' });
  });

  test.concurrent('immunity time out of bounds: INVALID_ARGUMENT naming the bounds', async () => {
    const { producer_id, holdsOnly } = await startTopic('immunity');
    const expected = { code: 'INVALID_ARGUMENT', details: expect.stringMatching(/trans_check_immunity_time.*86400/) };
    for (const trans_check_immunity_time of [-1, 86_401]) {
      const message = { producer_id, message_body: 'never stored' };
      const own = client.send('SendTransactionMessage', { ...message, trans_check_immunity_time });
      expect(await refused(own)).toEqual(expected);
      const inProperties = client.send('SendTransactionMessage', {
        ...message,
        properties: { trans_check_immunity_time },
      });
      expect(await refused(inProperties)).toEqual(expected);
    }
    await holdsOnly({ message_body: 'the only one' });
  });

  const storesEmpty = isBefore5(variant, 'emptyBody');

  test.runIf(storesEmpty).concurrent('empty body: delivered as it is', async () => {
    await cluster.createTopic('empty', { queueCount: 1 });
    const producer_id = await client.createProducer('empty');
    const { stream } = await client.subscribe('empty', 'empty');
    for (const rpc of sendRpcs) {
      await client.send(rpc, { producer_id, message_body: '', properties: { sharding_key: 'key' } });
    }
    expect((await stream.take(sendRpcs.length)).map(({ message_body }) => message_body)).toEqual(
      sendRpcs.map(() => ''),
    );
    stream.cancel();
  });

  test.skipIf(storesEmpty).concurrent('empty body: INVALID_ARGUMENT, since RocketMQ 5 can’t store it', async () => {
    const { producer_id, holdsOnly } = await startTopic('empty');
    for (const rpc of sendRpcs) {
      const failure = await refused(
        client.send(rpc, { producer_id, message_body: '', properties: { sharding_key: 'key' } }),
      );
      expect(failure).toEqual({ code: 'INVALID_ARGUMENT', details: expect.stringMatching(/empty body/) });
    }
    await holdsOnly({ message_body: 'the only one' });
  });

  test.concurrent('body over 4 MiB, also one that would compress below it: refused at send', async () => {
    const { producer_id, holdsOnly } = await startTopic('large');
    const bodies = [randomBytes(2 * mebibyte).toString('hex'), 'a'.repeat(4 * mebibyte + 1), 'a'.repeat(6 * mebibyte)];
    for (const rpc of sendRpcs) {
      for (const message_body of bodies) {
        const { code } = await refused(
          client.send(rpc, { producer_id, message_body, properties: { sharding_key: 'key' } }),
        );
        expect(code).toBe(message_body.length > 5 * mebibyte ? 'RESOURCE_EXHAUSTED' : 'INVALID_ARGUMENT');
      }
      if (lacks('embedded', 'messageSize')) continue;
      // This broker takes 1 MiB.
      const message_body = 'a'.repeat(2 * mebibyte);
      const failure = await refused(
        client.send(rpc, { producer_id, message_body, properties: { sharding_key: 'key' } }),
      );
      expect(failure).toEqual({ code: 'INVALID_ARGUMENT', details: expect.stringMatching(/over the limit/) });
    }
    const properties = { properties: { long: 'x'.repeat(40_000) } };
    const failure = await refused(client.send('SendMessage', { producer_id, message_body: 'short', properties }));
    expect(failure).toEqual({ code: 'INVALID_ARGUMENT', details: expect.stringMatching(/properties.*at most/) });
    await holdsOnly({ message_body: 'a'.repeat(mebibyte) });
  });

  test.concurrent('0x01, 0x02 or reserved names in properties, tags, keys: INVALID_ARGUMENT; nothing is forged', async () => {
    const { producer_id, holdsOnly } = await startTopic('forged');
    const forged = ['x\u0002DELAY\u000118', 'x\u0001y', '\u0002', '\u0001'];
    const reserved = [
      'POP_CK',
      '1ST_POP_TIME',
      'DELAY',
      'KEYS',
      'TAGS',
      'UNIQ_KEY',
      'TRAN_MSG',
      'PGROUP',
      'REAL_TOPIC',
      'TIMER_DELIVER_MS',
    ];
    const cloud = ['__STARTDELIVERTIME', '__SHARDINGKEY', '__transactionId__', 'INSTANCE_ID', '__RMQ.TRANSIENT.x'];
    const requests: Omit<SendRequest, 'producer_id' | 'message_body'>[] = [
      ...forged.flatMap((text) => [
        { tag: text },
        { properties: { message_key: text } },
        { properties: { sharding_key: text } },
        { properties: { properties: { [text]: 'value' } } },
        { properties: { properties: { name: text } } },
      ]),
      ...[...reserved, ...cloud, ''].map((name) => ({ properties: { properties: { [name]: '1' } } })),
    ];
    for (const rpc of sendRpcs) {
      const failures = requests.map((request) =>
        refused(client.send(rpc, { producer_id, message_body: 'never stored', ...request })),
      );
      for (const { code } of await Promise.all(failures)) expect(code).toBe('INVALID_ARGUMENT');
    }
    const named = { properties: { properties: { POP_CK: '0 1 2' } } };
    const { details } = await refused(
      client.send('SendMessage', { producer_id, message_body: 'never stored', ...named }),
    );
    expect(details).toContain('POP_CK');
    await holdsOnly({
      message_body: 'the only one',
      tag: 'tag',
      properties: { properties: { pop_ck: '\u0003', TAG: 'x' } },
    });
  });

  test.concurrent('malformed endpoints, illegal topics, groups and tag expressions: INVALID_ARGUMENT naming the field', async () => {
    await cluster.createTopic('fine');
    const endpoints = ['not/a/host:9876', 'host:99999', 'http://', 'host:9876/path', '[::1', 'a:b:c', '\u0000'];
    const names = ['', 'a.b', 'a b', 'a/b', 'größe', 'x'.repeat(256), '%RETRY%group', 'MQ_INST_1%name'];
    const topics = [
      ...names,
      'x'.repeat(128),
      'TBW102',
      'SCHEDULE_TOPIC_XXXX',
      'RMQ_SYS_TRANS_HALF_TOPIC',
      'rmq_sys_wheel_timer',
    ];
    const groups = [...names, 'CID_RMQ_SYS_TRANS', 'TOOLS_CONSUMER'];
    const expressions = ['a\u0001b', 'a\u0002b', 'x'.repeat(70_000)];
    const expectRefused = async (field: string, call: Promise<unknown>): Promise<void> => {
      expect(await refused(call)).toEqual({ code: 'INVALID_ARGUMENT', details: expect.stringContaining(field) });
    };
    await Promise.all([
      ...endpoints.map((endpoint) => expectRefused('endpoint', client.createProducer('fine', { endpoint }))),
      ...endpoints.map((endpoint) => expectRefused('endpoint', client.createConsumer('fine', 'fine', { endpoint }))),
      ...topics.map((topic) => expectRefused('topic', client.createProducer(topic))),
      ...topics.map((topic) => expectRefused('topic', client.createConsumer(topic, 'fine'))),
      ...groups.map((group) => expectRefused('group', client.createConsumer('fine', group))),
      ...expressions.map((tag_expression) =>
        expectRefused('tag expression', client.createConsumer('fine', 'fine', { tag_expression })),
      ),
    ]);
  });

  test.concurrent('what is no request of the published API, and text that is no UTF-8: refused, and nothing is stored', async () => {
    const { producer_id, holdsOnly } = await startTopic('garbage');
    const good = encodeRequest('SendMessage', { producer_id, message_body: '?' });
    const notUtf8 = Buffer.from(good);
    notUtf8[notUtf8.indexOf('?')] = 0xff;
    for (const request of [good.subarray(0, -1), Buffer.from('garbage'), Buffer.alloc(100, 0xff), notUtf8]) {
      const failure = await refused(client.callRaw('SendMessage', request));
      expect(failure).toEqual({
        code: 'INVALID_ARGUMENT',
        details: expect.stringMatching(/^the request cannot be read/),
      });
    }
    expect((await refused(client.callRaw('NoSuchCall', good))).code).toBe('UNIMPLEMENTED');
    await holdsOnly({ message_body: 'the only one' });
  });

  test.concurrent('unknown, altered or foreign ids: NOT_FOUND in every RPC, and the id itself stays good', async () => {
    const { producer_id, holdsOnly } = await startTopic('ids');
    const consumer_id = await client.createConsumer('ids', 'ids-other');
    const stranger = await startProxy({ ROCKETMQ_ENDPOINT: cluster.nameServer });
    const strange = new ProxyClient(stranger.address);
    const bad = (good: string, other: string): string[] => [
      '',
      'x',
      'ключ',
      good.slice(1),
      `${good}A`,
      good.replace(/.{10}$/, (end) => [...end].reverse().join('')),
      other,
    ];
    const producerIds = [...bad(producer_id, consumer_id), await strange.createProducer('ids')];
    const consumerIds = [...bad(consumer_id, producer_id), await strange.createConsumer('ids', 'ids-other')];
    const failures = [
      ...producerIds.flatMap((id) =>
        sendRpcs.map((rpc) => failureOf(client.send(rpc, { producer_id: id, message_body: 'x' }))),
      ),
      ...consumerIds.flatMap((id) => [failureOf(client.ack(id, { receipt_handle: 'x' })), failureOf(streamEnd(id))]),
    ];
    for (const { code, details } of await Promise.all(failures)) {
      expect(code).toBe('NOT_FOUND');
      expect(details).toMatch(/^(producer|consumer)_id is unknown/);
    }
    for (const id of producerIds)
      expect(await client.call('CleanupProducer', { producer_id: id, topic: '' })).toMatchObject({ cleaned_count: 0 });
    for (const id of consumerIds)
      expect(await client.call('CleanupConsumer', { consumer_id: id })).toMatchObject({ cleaned_count: 0 });
    await holdsOnly({ message_body: 'the only one' });
    expect(await client.receive(consumer_id).take(1)).toMatchObject([{ message_body: 'the only one' }]);
    strange.close();
    await stranger.stop();
  });

  async function streamEnd(consumerId: string): Promise<void> {
    const error = await client.receive(consumerId).ended();
    if (error !== undefined) throw error;
  }

  test('all of that went over one connection', async () => {
    expect(await client.call('HealthCheck', {})).toMatchObject({ healthy: true });
    expect(await proxy.metrics()).toMatchObject({ total_connections: 1, active_connections: 1 });
  });
};

describeOnTargets('bad input gets a clear error and loses nothing', suite, takesUnsigned);
