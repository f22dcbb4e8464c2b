import { describe, expect, test } from 'vitest';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { startApi } from '../../support/api-client.ts';

const { SEND_MESSAGE_V2 } = RequestCode;

describe('Producer', () => {
  test('says where a message is stored, without the namespace', async () => {
    const { client, broker } = await startApi({ namespace: 'shop' });
    const producer = client.producer();
    const first = await producer.send({ topic: 'orders', body: 'a', shardingKey: 'k' });
    const second = await producer.send({ topic: 'orders', body: 'b', shardingKey: 'k' });
    expect(second.queue).toEqual({ topic: 'orders', brokerName: expect.any(String), queueId: first.queue.queueId });
    expect(second.queueOffset).toBe(first.queueOffset + 1n);
    expect(broker.messages('shop%orders').map(({ messageId }) => messageId)).toEqual([
      first.messageId,
      second.messageId,
    ]);
  });

  test('sends a batch, with a result for each message', async () => {
    const { client, broker } = await startApi();
    const bodies = ['0', '1', '2'];
    const results = await client.producer().sendBatch(bodies.map((body) => ({ topic: 'orders', body })));
    const stored = broker.messages('orders');
    expect(stored.map(({ messageId }) => messageId)).toEqual(results.map(({ messageId }) => messageId));
    expect(stored.map(({ body }) => body.toString())).toEqual(bodies);
    await expect(client.producer().sendBatch([])).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  test('sends for later', async () => {
    const clock = new VirtualClock();
    const { client, broker } = await startApi({}, { clock });
    const producer = client.producer();
    await producer.send({ topic: 'orders', body: 'level', delayLevel: 2 });
    await producer.send({ topic: 'orders', body: 'time', deliverAt: new Date(clock.now() + 60_000) });
    const bodies = (): string[] => broker.messages('orders').map(({ body }) => body.toString());
    expect(bodies()).toEqual([]);
    await clock.advance(5_000);
    expect(bodies()).toEqual(['level']);
    await clock.advance(55_000);
    expect(bodies().toSorted()).toEqual(['level', 'time']);
  });

  test('tells refused, busy and unknown apart, with what the broker said', async () => {
    const { client, broker } = await startApi({ requestTimeoutMs: 50 });
    const producer = client.producer();
    const message = { topic: 'orders', body: 'x' };
    const refuse = (code: number) => broker.faults.add({ code: SEND_MESSAGE_V2, fault: { kind: 'refuse', code } });
    const illegal = refuse(ResponseCode.MESSAGE_ILLEGAL);
    await expect(producer.send(message)).rejects.toMatchObject({
      name: 'RocketMQError',
      code: 'REFUSED',
      retryable: false,
      brokerCode: ResponseCode.MESSAGE_ILLEGAL,
    });
    illegal();
    const busy = refuse(ResponseCode.SYSTEM_BUSY);
    await expect(producer.send(message)).rejects.toMatchObject({
      code: 'NOT_STORED',
      retryable: true,
      brokerCode: ResponseCode.SYSTEM_BUSY,
    });
    busy();
    broker.faults.add({ code: SEND_MESSAGE_V2, fault: { kind: 'dropReply' } });
    await expect(producer.send(message)).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN', retryable: true });
  });

  test('gives up with its caller, and in time', async () => {
    const { client, broker } = await startApi();
    const producer = client.producer();
    broker.faults.add({ code: SEND_MESSAGE_V2, fault: { kind: 'drop' } });
    const reason = new Error('changed my mind');
    const giving = new AbortController();
    const sending = producer.send({ topic: 'orders', body: 'x' }, { signal: giving.signal });
    setImmediate(() => giving.abort(reason));
    // Whether it was on its way already is up to the moment.
    await expect(sending).rejects.toMatchObject({
      code: expect.stringMatching(/^(CANCELLED|OUTCOME_UNKNOWN)$/),
      cause: reason,
    });
    const late = producer.send({ topic: 'orders', body: 'x' }, { timeoutMs: 50 });
    await expect(late).rejects.toMatchObject({ code: expect.stringMatching(/^(TIMEOUT|OUTCOME_UNKNOWN)$/) });
  });

  test('says before the first message whether there is a topic', async () => {
    const { client, broker } = await startApi({}, { autoCreateTopics: false });
    await broker.createTopic('orders');
    const producer = client.producer();
    await producer.check('orders');
    await expect(producer.check('unknown')).rejects.toMatchObject({ code: 'TOPIC_NOT_FOUND', retryable: false });
    await expect(producer.check('a b')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  test('its end waits for sends under way', async () => {
    const { client, broker } = await startApi();
    const producer = client.producer();
    await producer.check('orders');
    const sending = producer.send({ topic: 'orders', body: 'x' });
    await producer.close();
    expect(broker.messages('orders').length).toBe(1);
    await sending;
    await expect(producer.send({ topic: 'orders', body: 'x' })).rejects.toMatchObject({ code: 'CLOSED' });
    await client.producer()[Symbol.asyncDispose]();
  });
});
