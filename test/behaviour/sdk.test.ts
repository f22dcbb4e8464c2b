import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Consumer } from '../../src/sdk/consumer.ts';
import type { MessageData } from '../../src/sdk/message.ts';
import { MessageProperties } from '../../src/sdk/message-properties.ts';
import { MQClient } from '../../src/sdk/mq-client.ts';
import type { MQConfig } from '../../src/sdk/mq-config.ts';
import { MQError } from '../../src/sdk/mq-error.ts';
import { freePort } from '../rocketmq/ports.ts';
import type { TestedProxy } from '../support/proxy-process.ts';
import { Inbox } from '../support/sdk-inbox.ts';
import { growthSuite } from './sdk/growth-suite.ts';
import { optionsSuite } from './sdk/options-suite.ts';
import { failuresOf, type OpenOptions, type OpenTopic, type Way } from './sdk/started-sdk.ts';
import { describeOnTargets, isBefore5, startProxy, startTarget, type Target, type Variant } from './target.ts';

const suite = (variant: Variant): void => {
  let cluster: Target;
  let proxy: TestedProxy;

  beforeAll(async () => {
    cluster = await startTarget({
      version: variant.version,
      transactionTimeoutMs: 1_000,
      transactionCheckIntervalMs: 1_000,
      apache: { enablePropertyFilter: true, recallMessageEnable: true },
    });
    proxy = await startProxy({});
  });

  afterAll(async () => {
    await proxy?.stop();
    await cluster?.stop();
  });

  describe.each<Way>(['proxy', 'direct'])('by way of: %s', (way) => {
    const configOf = (changes: Partial<MQConfig> = {}): MQConfig => ({
      endpoint: `http://${cluster.nameServer}`,
      accessKeyId: '',
      accessKeySecret: '',
      instanceId: 'instance',
      grpcEndpoint: proxy.address,
      direct: way === 'direct',
      timeoutMs: 60_000,
      ...changes,
    });

    // Closed in the end: tests that run side by side have no end of their own to hang it on.
    const clients: MQClient[] = [];
    const clientOf = (changes: Partial<MQConfig> = {}): MQClient => {
      const client = new MQClient(configOf(changes));
      clients.push(client);
      return client;
    };

    afterAll(async () => {
      await Promise.all(clients.map((client) => client.close()));
    });

    /** A topic of its own, with a producer and a consumer. */
    const open = async (name: string, options: OpenOptions = {}): Promise<OpenTopic> => {
      const [client, topic] = [clientOf(), `sdk-${way}-${name}`];
      await cluster.createTopic(topic, { queueCount: options.queueCount ?? 4 });
      const consumer = await client.getConsumer(
        'instance',
        topic,
        `${topic}-group`,
        '*',
        options.consumer as { binaryBodies: false },
      );
      const producer = await client.getProducer('instance', topic, options.producer);
      return { client, topic, consumer, producer };
    };

    growthSuite({ way, cluster: () => cluster, clientOf, open }, variant);
    optionsSuite({ way, cluster: () => cluster, clientOf, open }, variant);

    test.concurrent('messages of each kind arrive as they were published', async () => {
      const { consumer, producer } = await open('kinds');
      const inbox = new Inbox(consumer);
      const properties = new MessageProperties()
        .putProperty('region', 'north')
        .putProperty('count', 7)
        .messageKey('key-1');
      const before = Date.now();
      const sent = [
        await producer.publishMessage({ order: 1, name: '注文' }, 'created', properties),
        await producer.publishOrderedMessage('plain text', 'created', properties, 'customer-1'),
        await producer.publishDelayMessage('later', 'created', properties, { delayTimeLevel: 1 }),
        await producer.publishTransactionMessage('paid', 'created', properties, 30),
      ];
      expect(sent.map(({ messageId, receiptHandle }) => messageId === receiptHandle)).toEqual(Array(4).fill(true));
      expect(sent[3]).toEqual({ ...sent[0], ...sent[3], transactionId: expect.stringMatching(/./) });
      const messages = new Map((await inbox.atLeast(4)).map((message) => [message.body, message]));
      for (const [index, body] of ['{"order":1,"name":"注文"}', 'plain text', 'later', 'paid'].entries()) {
        const message = messages.get(body);
        expect(message).toEqual({
          messageId: sent[index]?.messageId,
          receiptHandle: expect.stringMatching(/./),
          body,
          tag: 'created',
          properties: expect.objectContaining({ region: 'north', count: '7', KEYS: 'key-1' }),
          bornTimestamp: expect.any(Number),
          reconsumeTimes: 0,
        });
        expect(message?.bornTimestamp).toBeGreaterThanOrEqual(before);
      }
      expect(messages.get('plain text')?.properties['__SHARDINGKEY']).toBe('customer-1');
    });

    test.skipIf(isBefore5(variant, 'noDeliveryTime')).concurrent('a message with a time comes then', async () => {
      const { consumer, producer } = await open('time');
      const arrived: number[] = [];
      const inbox = new Inbox(consumer, (message) => {
        arrived.push(Date.now());
        return consumer.ackMessage(message.receiptHandle);
      });
      const startDeliverTime = Date.now() + 2_000;
      await producer.publishDelayMessage('on time', '', null, { startDeliverTime });
      await producer.publishMessage(
        'by its properties',
        '',
        new MessageProperties().startDeliverTime(startDeliverTime),
      );
      await inbox.atLeast(2);
      expect(Math.min(...arrived)).toBeGreaterThanOrEqual(startDeliverTime - 50);
    });

    test.concurrent('a tag expression lets those messages through', async () => {
      const { client, topic, producer } = await open('tags');
      const consumer = await client.getConsumer('', topic, `${topic}-filtered`, 'a||b');
      const inbox = new Inbox(consumer);
      for (const tag of ['c', 'a', 'b']) await producer.publishMessage(tag, tag);
      await inbox.atLeast(2);
      expect(inbox.bodies.toSorted()).toEqual(['a', 'b']);
    });

    test.concurrent('publishes of one moment all arrive, and those of one sharding key in order', async () => {
      const { consumer, producer } = await open('order', { consumer: { concurrency: 1 } });
      const inbox = new Inbox(consumer);
      const numbers = Array.from({ length: 120 }, (_, index) => String(index));
      const sent = await Promise.all(
        numbers.map((number) =>
          Number(number) % 2 === 0
            ? producer.publishOrderedMessage(number, '', null, `key-${Number(number) % 3}`)
            : producer.publishMessage(number),
        ),
      );
      expect(new Set(sent.map(({ messageId }) => messageId)).size).toBe(120);
      await inbox.atLeast(120);
      expect(new Set(inbox.bodies)).toEqual(new Set(numbers));
      for (const remainder of [0, 1, 2]) {
        const isOfKey = (body: string): boolean => Number(body) % 2 === 0 && Number(body) % 3 === remainder;
        expect(inbox.bodies.filter(isOfKey)).toEqual(numbers.filter(isOfKey));
      }
    });

    test.concurrent('of several publishes at once, each has an outcome of its own', async () => {
      const { consumer, producer } = await open('outcomes');
      const inbox = new Inbox(consumer);
      const settled = await Promise.allSettled([
        producer.publishMessage('good 1'),
        producer.publishMessage('bad', '', new MessageProperties().putProperty('UNIQ_KEY', 'x')),
        producer.publishOrderedMessage('no key'),
        producer.publishDelayMessage('bad level', '', null, { delayTimeLevel: 19 }),
        producer.publishMessage('good 2'),
      ]);
      expect(settled.map(({ status }) => status)).toEqual([
        'fulfilled',
        'rejected',
        'rejected',
        'rejected',
        'fulfilled',
      ]);
      for (const one of settled.slice(1, 4)) {
        const error = one.status === 'rejected' ? one.reason : undefined;
        expect(error).toBeInstanceOf(MQError);
        expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'INVALID_REQUEST', retryable: false });
      }
      await inbox.atLeast(2);
      expect(inbox.bodies.toSorted()).toEqual(['good 1', 'good 2']);
    });

    test.concurrent('bytes arrive as bytes, byte for byte', async () => {
      const { client, topic, producer } = await open('bytes');
      const consumer = await client.getConsumer('', topic, `${topic}-binary`, '*', { binaryBodies: true });
      const inbox = new Inbox<Buffer>(consumer);
      const bytes = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
      await producer.publishMessage(bytes);
      await Promise.all([producer.publishMessage(new Uint8Array(bytes)), producer.publishMessage('text')]);
      const bodies = (await inbox.atLeast(3)).map(({ body }) => body);
      expect(bodies.every((body) => Buffer.isBuffer(body))).toBe(true);
      expect(bodies.filter((body) => body.equals(bytes))).toHaveLength(2);
      expect(bodies.filter((body) => body.toString() === 'text')).toHaveLength(1);
    });

    test.concurrent('a handler that fails gives its message back, which comes again', async () => {
      const { consumer, producer } = await open('failing', { consumer: { retryDelayMs: 0 } });
      const inbox = new Inbox(consumer, async ({ receiptHandle, reconsumeTimes }) => {
        if (reconsumeTimes === 0) throw new Error('not now');
        await consumer.ackMessage(receiptHandle);
      });
      const { messageId } = await producer.publishMessage('x', 't', new MessageProperties().putProperty('p', 'v'));
      const [first, second] = await inbox.atLeast(2);
      expect(second).toMatchObject({ messageId, body: 'x', tag: 't', reconsumeTimes: 1 });
      expect(second?.properties['p']).toBe('v');
      expect(second?.receiptHandle).not.toBe(first?.receiptHandle);
    });

    test.concurrent('with autoAck a message is done when its handler is', async () => {
      const { consumer, producer, client, topic } = await open('auto', { consumer: { autoAck: true } });
      const inbox = new Inbox(consumer, () => sleep(10));
      await producer.publishMessage('done');
      await inbox.atLeast(1);
      await consumer.close();
      // Whoever comes next in the group does not get it.
      const next = new Inbox(await client.getConsumer('', topic, `${topic}-group`));
      await producer.publishMessage('next');
      await next.atLeast(1);
      expect(next.bodies).toEqual(['next']);
    });

    test.concurrent('no more handlers are at work than were asked for', async () => {
      const { consumer, producer } = await open('concurrency', { consumer: { concurrency: 3, autoAck: true } });
      let [atWork, most] = [0, 0];
      let allAtWork = (): void => {};
      const together = new Promise<void>((resolve) => {
        allAtWork = resolve;
      });
      const inbox = new Inbox(consumer, async () => {
        atWork += 1;
        most = Math.max(most, atWork);
        if (atWork === 3) allAtWork();
        await together;
        await sleep(5);
        atWork -= 1;
      });
      await Promise.all(Array.from({ length: 30 }, (_, index) => producer.publishMessage(String(index))));
      await inbox.atLeast(30);
      expect(most).toBe(3);
    });

    test.concurrent('a message can be given back with a delay, and its time changed', async () => {
      const { consumer, producer } = await open('nack', { consumer: { invisibleDurationMs: 20_000 } });
      const handles: string[] = [];
      const inbox = new Inbox(consumer, async ({ receiptHandle, reconsumeTimes }) => {
        if (reconsumeTimes === 0) return consumer.nackMessage(receiptHandle, 1_000);
        const changed = await consumer.changeInvisibleDuration(receiptHandle, 60_000);
        handles.push(receiptHandle, changed);
        return consumer.ackMessage(changed);
      });
      await producer.publishMessage('again');
      await inbox.atLeast(2);
      expect(inbox.messages.map(({ reconsumeTimes }) => reconsumeTimes)).toEqual([0, 1]);
      expect(handles[0]).not.toBe(handles[1]);
    });

    test.concurrent('an ack a second time is a success; forged and foreign handles are refused', async () => {
      const { consumer, producer, client, topic } = await open('acks');
      const inbox = new Inbox(consumer);
      await producer.publishMessage('x');
      const { receiptHandle } = await inbox.at(0);
      expect(await consumer.ackMessage(receiptHandle)).toMatchObject({ success: true });
      const other = await client.getConsumer('', topic, `${topic}-other`);
      const calls = [consumer.ackMessage('forged'), consumer.ackMessage(''), other.ackMessage(receiptHandle)];
      for (const failure of await failuresOf(calls)) expect(failure).toMatchObject({ code: 'INVALID_ARGUMENT' });
    });

    test.concurrent('iteration gives one message after the other; leaving it gives back what is not done', async () => {
      const { consumer, producer } = await open('iterate', { queueCount: 1 });
      for (const body of ['1', '2', '3']) await producer.publishMessage(body);
      const first = await take(consumer, 1);
      expect(first.map(({ body }) => body)).toEqual(['1']);
      // Those that were on their way come again too.
      const others = await take(consumer, 3, consumer.ackMessage.bind(consumer));
      expect(others.map(({ body }) => body).toSorted()).toEqual(['1', '2', '3']);
    });

    test.concurrent('an iteration ends by its signal', async () => {
      const { consumer, producer } = await open('signal');
      const ending = new AbortController();
      await producer.publishMessage('x');
      const bodies: string[] = [];
      for await (const { body, receiptHandle } of consumer.messages({ signal: ending.signal })) {
        bodies.push(body);
        await consumer.ackMessage(receiptHandle);
        ending.abort();
      }
      expect(bodies).toEqual(['x']);
    });

    test.concurrent('the stream of startReceiving has events as the published one, and ends by cancel', async () => {
      const { consumer, producer } = await open('events');
      const stream = consumer.startReceiving();
      expect(consumer.startReceiving()).toBe(stream);
      const got = new Promise<Record<string, unknown>>((resolve) => stream.once('data', resolve));
      const { messageId } = await producer.publishMessage('raw', 'tag');
      expect(await got).toMatchObject({
        message_id: messageId,
        receipt_handle: expect.stringMatching(/./),
        message_body: 'raw',
        tag: 'tag',
        properties: expect.objectContaining({ TAGS: 'tag' }),
        born_timestamp: expect.stringMatching(/^\d{13}$/),
        reconsume_times: 0,
      });
      const ended = new Promise<void>((resolve) => stream.once('end', resolve));
      stream.cancel();
      await ended;
      // It can begin again: what was not acknowledged comes again.
      const inbox = new Inbox(consumer);
      expect(await inbox.at(0)).toMatchObject({ messageId });
    });

    test.concurrent('closing waits for handlers, whose acks still count', async () => {
      const { consumer, producer, client, topic } = await open('closing');
      let release = (): void => {};
      const released = new Promise<void>((resolve) => {
        release = resolve;
      });
      let begun = (): void => {};
      const beginning = new Promise<void>((resolve) => {
        begun = resolve;
      });
      const acked: string[] = [];
      consumer.onMessage(async ({ receiptHandle, body }) => {
        begun();
        await released;
        await consumer.ackMessage(receiptHandle);
        acked.push(body);
      });
      consumer.startReceiving();
      await producer.publishMessage('in hand');
      await beginning;
      const closed = consumer.close();
      expect(await Promise.race([closed.then(() => 'closed'), sleep(100).then(() => 'open')])).toBe('open');
      release();
      await closed;
      expect(acked).toEqual(['in hand']);
      expect(() => consumer.startReceiving()).toThrow(expect.objectContaining({ reason: 'CLOSED' }));
      await expect(consumer.ackMessage('x')).rejects.toMatchObject({ reason: 'CLOSED' });
      const next = new Inbox(await client.getConsumer('', topic, `${topic}-group`));
      await producer.publishMessage('next');
      await next.atLeast(1);
      expect(next.bodies).toEqual(['next']);
    });

    test.concurrent('closing waits no longer than the time of the client for handlers that never end', async () => {
      const { topic, producer } = await open('stuck');
      const client = clientOf({ timeoutMs: 3_000 });
      const consumer = await client.getConsumer('', topic, `${topic}-stuck`, '*', {
        concurrency: 1,
        timeoutMs: 60_000,
      });
      const begun = new Promise<void>((resolve) => {
        consumer.onMessage(() => {
          resolve();
          return new Promise(() => {});
        });
      });
      consumer.startReceiving();
      await producer.publishMessage('for ever');
      await begun;
      await consumer.close();
    });

    test.concurrent('a closed client refuses everything, and its publishes have all been made', async () => {
      const { client, producer, topic } = await open('closed');
      const sends = ['1', '2', '3'].map((body) => producer.publishMessage(body));
      await client.close();
      expect((await Promise.allSettled(sends)).map(({ status }) => status)).toEqual(Array(3).fill('fulfilled'));
      const calls = [producer.publishMessage('4'), client.getProducer('', topic), client.healthCheck()];
      for (const failure of await failuresOf(calls))
        expect(failure).toMatchObject({ reason: 'CLOSED', retryable: false });
    });

    test.concurrent('what was cleaned up is refused, and its streams end', async () => {
      const { client, producer, consumer, topic } = await open('cleanup');
      const stream = consumer.startReceiving();
      const ended = new Promise<void>((resolve) => stream.once('end', resolve));
      const inbox = new Inbox(consumer);
      await producer.publishMessage('before');
      await inbox.atLeast(1);
      expect(await client.cleanupConsumer({ groupId: `${topic}-group`, topic })).toMatchObject({ cleanedCount: 1 });
      await ended;
      expect(await client.cleanupProducer({})).toMatchObject({ cleanedCount: 0 });
      expect(await client.cleanupProducer({ producerId: producer.producerId })).toMatchObject({ cleanedCount: 1 });
    });

    test.concurrent('calls end by their signal and their time', async () => {
      const { producer, client, topic } = await open('ends');
      const reason = new Error('enough');
      const signal = AbortSignal.abort(reason);
      for (const failure of await failuresOf([
        producer.publishMessage('x', '', null, { signal }),
        client.getConsumer('', topic, `${topic}-group`, '*', { signal }),
      ])) {
        expect(failure).toMatchObject({ code: 'CANCELLED', reason: 'CANCELLED', cause: reason });
      }
      await expect(producer.publishMessage('x', '', null, { timeoutMs: 0 })).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
      });
    });

    test.concurrent('an endpoint that does not answer is named', async () => {
      const endpoint = `127.0.0.1:${await freePort()}`;
      const client = clientOf({ endpoint });
      const failure = await client.getProducer('', 'any').catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(MQError);
      expect(failure).toMatchObject({ code: 'UNAVAILABLE', reason: 'ENDPOINT_UNREACHABLE', retryable: true });
      expect(String(failure)).toContain(endpoint);
    });

    test.concurrent('healthCheck says that it is well', async () => {
      expect(await clientOf().healthCheck()).toEqual({ healthy: true, message: expect.stringMatching(/./) });
    });
  });
};

/** So many messages of an iteration, which is then left. */
async function take(
  consumer: Consumer,
  count: number,
  settle: (receiptHandle: string) => Promise<unknown> = async () => {},
): Promise<MessageData[]> {
  const messages: MessageData[] = [];
  for await (const message of consumer.messages()) {
    messages.push(message);
    await settle(message.receiptHandle);
    if (messages.length === count) break;
  }
  return messages;
}

describeOnTargets('the Node SDK', suite, ({ accessControl }) => !accessControl);
