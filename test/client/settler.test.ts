import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { PopConsumer } from '../../src/client/pop-consumer.ts';
import type { ReceivedMessage } from '../../src/client/received-message.ts';
import { Deadline } from '../../src/remoting/deadline.ts';
import type { PopReceipt } from '../../src/remoting/pop-receipt.ts';
import { RequestCode } from '../../src/remoting/request-code.ts';
import { ResponseCode } from '../../src/remoting/response-code.ts';
import {
  consumerDefaults,
  type PoppedDraft,
  read,
  routesScript,
  type ScriptedCluster,
  ScriptedPop,
  startScriptedCluster,
} from '../support/scripted-cluster.ts';
import { deferred, type ScriptedPeer } from '../support/scripted-peer.ts';

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
    const requests = broker.requests(ACK_MESSAGE);
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
});

function raise(): never {
  throw new Error('it must be there');
}
