import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { PopConsumer } from '../../../src/client/pop/pop-consumer.ts';
import { changedDurationMsMax } from '../../../src/client/pop/settler.ts';
import type { ReceivedMessage } from '../../../src/client/received-message.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import { encodePopReceipt, type PopReceipt } from '../../../src/remoting/pop-receipt.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import {
  consumerDefaults,
  type PoppedDraft,
  read,
  releasedOffsets,
  routesScript,
  type ScriptedCluster,
  ScriptedPop,
  startScriptedCluster,
} from '../../support/scripted-cluster.ts';
import { deferred, type ScriptedPeer } from '../../support/scripted-peer.ts';

const { ACK_MESSAGE, BATCH_ACK_MESSAGE, CHANGE_MESSAGE_INVISIBLE_TIME, GET_ROUTEINFO_BY_TOPIC } = RequestCode;
const soon = (): Deadline => Deadline.after(10_000);

describe('acks', () => {
  let cluster: ScriptedCluster;
  let broker: ScriptedPeer;
  let pop: ScriptedPop;
  let consumer: PopConsumer;
  const ending = new AbortController();

  beforeEach(async () => {
    cluster = await startScriptedCluster();
    broker = cluster.broker;
    pop = new ScriptedPop(broker);
    consumer = cluster.client().popConsumer(consumerDefaults);
  });

  afterEach(() => cluster.stop());

  async function receive(...messages: readonly PoppedDraft[]): Promise<ReceivedMessage<PopReceipt>[]> {
    pop.arrive(messages);
    return read(consumer.stream({ messagesMax: 100, signal: ending.signal }), messages.length);
  }

  test('end the delivery, a second time too', async () => {
    const [message] = await receive({ queueOffset: 5n });
    await consumer.ack(message?.receipt ?? raise(), soon());
    expect(consumer.inFlightCount).toBe(0);
    await consumer.ack(message?.receipt ?? raise(), soon());
    const late = cluster.client().popConsumer(consumerDefaults);
    await late.ack(message?.receipt ?? raise(), soon());
    const requests = broker.requests(ACK_MESSAGE);
    // The other client does not know of it.
    expect(requests.map(({ extFields }) => extFields['offset'])).toEqual(['5', '5']);
    expect(requests[0]?.extFields).toEqual(requests[1]?.extFields);
  });

  test('of one message at the same time are one', async () => {
    const [message] = await receive({});
    await Promise.all(Array.from({ length: 5 }, () => consumer.ack(message?.receipt ?? raise(), soon())));
    expect(broker.requests(ACK_MESSAGE).length).toBe(1);
    expect(broker.requests(BATCH_ACK_MESSAGE)).toEqual([]);
  });

  test('of many messages at the same time are one request', async () => {
    const messages = await receive(...Array.from({ length: 20 }, (_, index) => ({ queueOffset: BigInt(index) })));
    await Promise.all(messages.map(({ receipt }) => consumer.ack(receipt, soon())));
    expect(broker.requests(ACK_MESSAGE)).toEqual([]);
    expect(broker.requests(BATCH_ACK_MESSAGE).length).toBe(1);
    expect(consumer.inFlightCount).toBe(0);
  });

  test('of a retried message name the retry topic', async () => {
    const [one, other] = await receive({ retry: '1', queueOffset: 1n }, { retry: '2', queueOffset: 2n });
    await consumer.ack(one?.receipt ?? raise(), soon());
    await consumer.ack(other?.receipt ?? raise(), soon());
    expect(broker.requests(ACK_MESSAGE).map(({ extFields }) => extFields['topic'])).toEqual([
      '%RETRY%g_topic',
      '%RETRY%g+topic',
    ]);
    expect(broker.requests(ACK_MESSAGE)[0]?.extFields['extraInfo']).toMatch(/ 1 broker-a 0 1$/);
  });

  test('of what another instance received go to its broker', async () => {
    const [message] = await receive({});
    const elsewhere = cluster.client().popConsumer(consumerDefaults);
    await elsewhere.ack(message?.receipt ?? raise(), soon());
    expect(broker.requests(ACK_MESSAGE).length).toBe(1);
  });

  test('of what another instance received do not count once that may have renewed it, whatever the broker says', async () => {
    const [message] = await receive({});
    const { receipt } = message ?? raise();
    const elsewhere = cluster.client().popConsumer({ ...consumerDefaults, renewalDurationMs: 30_001 });
    const aged = (ms: number): PopReceipt => ({ ...receipt, popTimeMs: receipt.popTimeMs - ms });
    await elsewhere.ack(aged(10_000), soon());
    const unknown = { kind: 'outcomeUnknown', message: expect.stringContaining('may have renewed it') };
    await expect(elsewhere.ack(aged(15_001), soon())).rejects.toMatchObject(unknown);
    // It may have been good: then that was the end of its delivery.
    expect(broker.requests(ACK_MESSAGE).length).toBe(2);
    await expect(elsewhere.nack(aged(15_001), 0, soon())).rejects.toMatchObject(unknown);
    await expect(elsewhere.changeInvisibleDuration(aged(15_001), 1_000, soon())).rejects.toMatchObject(unknown);
    expect(broker.requests(CHANGE_MESSAGE_INVISIBLE_TIME)).toEqual([]);
    // Nobody renews it.
    await cluster.client().popConsumer(consumerDefaults).ack(aged(15_001), soon());
  });

  test('that come after the invisible duration are refused', async () => {
    const [message] = await receive({});
    const { receipt } = message ?? raise();
    const late = { ...receipt, popTimeMs: receipt.popTimeMs - 30_001 };
    await expect(consumer.ack(late, soon())).rejects.toMatchObject({
      name: 'ClientError',
      kind: 'expired',
      message: expect.stringContaining('30000 ms'),
    });
    expect(broker.requests(ACK_MESSAGE)).toEqual([]);
  });

  test('are timely by the clock of the broker', async () => {
    // The broker lives a minute in the past.
    pop.arrive([{}], { popTimeMs: Date.now() - 60_000 });
    const [message] = await read(consumer.stream({ messagesMax: 1, signal: ending.signal }), 1);
    await consumer.ack(message?.receipt ?? raise(), soon());
  });

  test('that fail leave the message in flight, to be acknowledged again', async () => {
    const [message] = await receive({});
    broker.on(ACK_MESSAGE, () => ({ code: ResponseCode.SYSTEM_ERROR }));
    await expect(consumer.ack(message?.receipt ?? raise(), soon())).rejects.toMatchObject({ code: 1 });
    expect(consumer.inFlightCount).toBe(1);
    broker.on(ACK_MESSAGE, () => ({}));
    await consumer.ack(message?.receipt ?? raise(), soon());
    expect(consumer.inFlightCount).toBe(0);
  });

  test('have a deadline, which ends the wait and not the ack', async () => {
    const [message] = await receive({});
    const held = deferred<void>();
    broker.on(ACK_MESSAGE, async () => {
      await held.promise;
      return {};
    });
    await expect(consumer.ack(message?.receipt ?? raise(), Deadline.after(20))).rejects.toMatchObject({
      kind: 'timeout',
    });
    const second = consumer.ack(message?.receipt ?? raise(), soon());
    held.resolve();
    await second;
    expect(broker.requests(ACK_MESSAGE).length).toBe(1);
  });

  test('of a topic or broker that is gone say so', async () => {
    const [message] = await receive({});
    const { receipt } = message ?? raise();
    await expect(consumer.ack({ ...receipt, brokerName: 'broker-z' }, soon())).rejects.toMatchObject({
      kind: 'noBroker',
    });
    cluster.nameServer.on(GET_ROUTEINFO_BY_TOPIC, routesScript({}));
    const elsewhere = cluster.client().popConsumer(consumerDefaults);
    await expect(elsewhere.ack(receipt, soon())).rejects.toMatchObject({ kind: 'noRoute' });
    expect(broker.requests(CHANGE_MESSAGE_INVISIBLE_TIME)).toEqual([]);
  });

  test('that get no answer leave the message alone when its stream ends: it may be acknowledged', async () => {
    const [message, other] = await receive({ queueOffset: 1n }, { queueOffset: 2n });
    broker.on(ACK_MESSAGE, () => undefined);
    const acked = expect(consumer.ack(message?.receipt ?? raise(), soon())).rejects.toMatchObject({ kind: 'closed' });
    await broker.request(ACK_MESSAGE);
    broker.dropConnections();
    await acked;
    await consumer.close();
    expect(releasedOffsets(broker)).toEqual([Number(other?.receipt.queueOffset)]);
  });

  test('that are answered after the invisible duration do not count, whatever the broker says', async () => {
    const messages = await receive({ queueOffset: 1n }, { queueOffset: 2n });
    vi.useFakeTimers({ toFake: ['Date'] });
    onTestFinished(() => void vi.useRealTimers());
    const answerLate = () => {
      vi.setSystemTime(Date.now() + 30_001);
      return {};
    };
    // A batch is answered with success where one of its receipts was good.
    broker.on(BATCH_ACK_MESSAGE, answerLate);
    const acks = messages.map(({ receipt }) => consumer.ack(receipt, soon()));
    const expired = { status: 'rejected', reason: expect.objectContaining({ kind: 'expired' }) };
    expect(await Promise.allSettled(acks)).toEqual([expired, expired]);
    expect(broker.requests(BATCH_ACK_MESSAGE).length).toBe(1);
    expect(consumer.inFlightCount).toBe(0);
    await expect(consumer.ack(messages[0]?.receipt ?? raise(), soon())).rejects.toMatchObject({ kind: 'expired' });
  });

  test('that the broker knows to be worth nothing are late', async () => {
    const [message] = await receive({});
    broker.on(ACK_MESSAGE, () => ({ code: ResponseCode.NO_MESSAGE }));
    await expect(consumer.ack(message?.receipt ?? raise(), soon())).rejects.toMatchObject({
      kind: 'expired',
      cause: { code: ResponseCode.NO_MESSAGE },
    });
  });
});

describe('what is done with a message', () => {
  let cluster: ScriptedCluster;
  let broker: ScriptedPeer;
  let pop: ScriptedPop;
  let consumer: PopConsumer;
  let receipt: PopReceipt;
  let ending: AbortController;

  beforeEach(async () => {
    cluster = await startScriptedCluster();
    broker = cluster.broker;
    pop = new ScriptedPop(broker);
    consumer = cluster.client({ requestTimeoutMs: 500 }).popConsumer(consumerDefaults);
    ending = new AbortController();
    pop.arrive([{ queueOffset: 7n }]);
    const [message] = await read(consumer.stream({ messagesMax: 100, signal: ending.signal }), 1);
    receipt = message?.receipt ?? raise();
  });

  afterEach(() => cluster.stop());

  const expired = (text: string) => ({ name: 'ClientError', kind: 'expired', message: expect.stringContaining(text) });

  const changedTo = (): (string | undefined)[] =>
    broker.requests(CHANGE_MESSAGE_INVISIBLE_TIME).map(({ extFields }) => extFields['invisibleTime']);

  const changedReceipts = (): (string | undefined)[] =>
    broker.requests(CHANGE_MESSAGE_INVISIBLE_TIME).map(({ extFields }) => extFields['extraInfo']);

  /** Every way to spend a receipt. */
  const spendings = [
    ['an ack', (one: PopReceipt) => consumer.ack(one, soon())],
    ['a nack', (one: PopReceipt) => consumer.nack(one, 0, soon())],
    ['a change', (one: PopReceipt) => consumer.changeInvisibleDuration(one, 1_000, soon())],
  ] as const;

  test.each([0, 1, changedDurationMsMax])('a nack makes it visible after %i ms, and ends it here', async (delayMs) => {
    await consumer.nack(receipt, delayMs, soon());
    expect(changedTo()).toEqual([String(delayMs)]);
    expect(changedReceipts()).toEqual([encodePopReceipt(receipt)]);
    expect(consumer.inFlightCount).toBe(0);
    await consumer.close();
    expect(changedTo().length).toBe(1);
  });

  test.each(spendings)('after a nack %s is refused', async (_, spend) => {
    await consumer.nack(receipt, 5_000, soon());
    await expect(spend(receipt)).rejects.toMatchObject(expired('given back'));
    // Another consumer of the same client knows it as well.
    consumer = cluster.client().popConsumer(consumerDefaults);
    expect(broker.requests(ACK_MESSAGE)).toEqual([]);
    expect(changedTo()).toEqual(['5000']);
  });

  test.each(spendings.slice(1))('after an ack %s is refused: it would deliver the message again', async (_, spend) => {
    await consumer.ack(receipt, soon());
    await expect(spend(receipt)).rejects.toMatchObject(expired('acknowledged'));
    expect(changedTo()).toEqual([]);
  });

  test.each(spendings)('at the same time as an ack, %s comes after it', async (name, spend) => {
    const held = deferred<void>();
    broker.on(ACK_MESSAGE, async () => {
      await held.promise;
      return {};
    });
    const acked = consumer.ack(receipt, soon());
    await broker.request(ACK_MESSAGE);
    const second = spend(receipt).then(
      () => 'done',
      ({ kind }) => kind,
    );
    held.resolve();
    await acked;
    expect(await second).toBe(name === 'an ack' ? 'done' : 'expired');
    expect(broker.requests(ACK_MESSAGE).length).toBe(1);
    expect(changedTo()).toEqual([]);
  });

  test('two nacks at the same time are one', async () => {
    const results = await Promise.allSettled([consumer.nack(receipt, 0, soon()), consumer.nack(receipt, 0, soon())]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect(changedTo()).toEqual(['0']);
  });

  test('a change gives a new receipt, which alone is good from then on', async () => {
    const next = await consumer.changeInvisibleDuration(receipt, 60_000, soon());
    expect(next).toMatchObject({ queueOffset: 7n, invisibleDurationMs: 60_000, startOffset: 7n });
    expect(next.popTimeMs).toBeGreaterThan(0);
    expect(consumer.inFlightCount).toBe(1);
    for (const [, spend] of spendings) await expect(spend(receipt)).rejects.toMatchObject(expired('another receipt'));
    const last = await consumer.changeInvisibleDuration(next, changedDurationMsMax, soon());
    await consumer.ack(last, soon());
    const ack = await broker.request(ACK_MESSAGE);
    expect(ack.extFields['extraInfo']).toBe(encodePopReceipt(last));
    expect(changedReceipts()).toEqual([receipt, next].map(encodePopReceipt));
    expect(consumer.inFlightCount).toBe(0);
  });

  test('after a change the end of the stream gives back by the new receipt, which is spent then', async () => {
    const next = await consumer.changeInvisibleDuration(receipt, 60_000, soon());
    await consumer.close();
    expect(changedReceipts()).toEqual([receipt, next].map(encodePopReceipt));
    expect(changedTo()).toEqual(['60000', '0']);
    await expect(consumer.ack(next, soon())).rejects.toMatchObject(expired('given back'));
  });

  test('a change under way when the stream ends: its receipt is given back', async () => {
    const held = deferred<void>();
    broker.on(CHANGE_MESSAGE_INVISIBLE_TIME, async ({ extFields }) => {
      if (extFields['invisibleTime'] !== '0') await held.promise;
      return { extFields: { popTime: String(Date.now()), invisibleTime: '60000', reviveQid: '0' } };
    });
    const changed = consumer.changeInvisibleDuration(receipt, 60_000, soon());
    await broker.request(CHANGE_MESSAGE_INVISIBLE_TIME);
    const closed = consumer.close();
    held.resolve();
    const next = await changed;
    await closed;
    expect(changedReceipts()).toEqual([receipt, next].map(encodePopReceipt));
    await expect(consumer.ack(next, soon())).rejects.toMatchObject(expired('given back'));
  });

  test('a receipt that a change did not replace is good on: of ordered POPs brokers keep the time', async () => {
    const { popTimeMs } = receipt;
    broker.on(CHANGE_MESSAGE_INVISIBLE_TIME, () => ({
      extFields: { popTime: String(popTimeMs), invisibleTime: '61000', reviveQid: '999' },
    }));
    const next = await consumer.changeInvisibleDuration(receipt, 60_000, soon());
    await consumer.ack(receipt, soon());
    expect((await broker.request(ACK_MESSAGE)).extFields['extraInfo']).toBe(encodePopReceipt(next));
  });

  test.each(spendings.slice(1))('%s works for what another instance received', async (_, spend) => {
    consumer = cluster.client().popConsumer(consumerDefaults);
    await spend(receipt);
    expect(changedReceipts()).toEqual([encodePopReceipt(receipt)]);
    await expect(spend(receipt)).rejects.toMatchObject({ kind: 'expired' });
    expect(changedTo().length).toBe(1);
  });

  test.each(spendings.slice(1))('%s that a broker refuses may be tried again', async (_, spend) => {
    broker.on(CHANGE_MESSAGE_INVISIBLE_TIME, () => ({ code: ResponseCode.SYSTEM_BUSY }));
    await expect(spend(receipt)).rejects.toMatchObject({ code: ResponseCode.SYSTEM_BUSY });
    expect(consumer.inFlightCount).toBe(1);
    await expect(spend(receipt)).rejects.toMatchObject({ code: ResponseCode.SYSTEM_BUSY });
    await consumer.ack(receipt, soon());
  });

  test.each(spendings.slice(1))('%s without an answer is not tried again: both may count', async (_, spend) => {
    broker.on(CHANGE_MESSAGE_INVISIBLE_TIME, () => undefined);
    await expect(spend(receipt)).rejects.toMatchObject({ kind: 'timeout', outcomeUnknown: true });
    expect(consumer.inFlightCount).toBe(0);
    await expect(spend(receipt)).rejects.toMatchObject({ kind: 'expired' });
    await consumer.close();
    expect(changedTo().length).toBe(1);
  });

  test.each([
    ['says NO_MESSAGE', { code: ResponseCode.NO_MESSAGE }],
    ['has it as acknowledged', { extFields: {} }],
  ])('a nack where the broker %s is late', async (_, answer) => {
    broker.on(CHANGE_MESSAGE_INVISIBLE_TIME, () => answer);
    await expect(consumer.nack(receipt, 0, soon())).rejects.toMatchObject({ kind: 'expired' });
    expect(consumer.inFlightCount).toBe(0);
  });

  test.each(spendings.slice(1))('%s after the invisible duration is refused', async (_, spend) => {
    const late = { ...receipt, popTimeMs: receipt.popTimeMs - 30_001 };
    await expect(spend(late)).rejects.toMatchObject(expired('30000 ms'));
    expect(changedTo()).toEqual([]);
  });

  test.each([-1, 0.5, changedDurationMsMax + 1, Number.NaN, Number.POSITIVE_INFINITY])(
    'no wait of %d ms',
    async (durationMs) => {
      const invalid = { name: 'ClientError', kind: 'invalid', message: expect.stringContaining('43200000') };
      await expect(consumer.nack(receipt, durationMs, soon())).rejects.toMatchObject(invalid);
      await expect(consumer.changeInvisibleDuration(receipt, durationMs, soon())).rejects.toMatchObject(invalid);
      expect(changedTo()).toEqual([]);
    },
  );

  test('no change to 0 ms: that is a nack', async () => {
    await expect(consumer.changeInvisibleDuration(receipt, 0, soon())).rejects.toMatchObject({ kind: 'invalid' });
  });
});

function raise(): never {
  throw new Error('it must be there');
}
