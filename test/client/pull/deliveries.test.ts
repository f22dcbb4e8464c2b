import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Deliveries, type DeliveryOwner } from '../../../src/client/pull/deliveries.ts';
import { Offsets } from '../../../src/client/pull/offsets.ts';
import { ProcessQueue } from '../../../src/client/pull/process-queue.ts';
import { type PullParts, processQueueLimits } from '../../../src/client/pull/pull-options.ts';
import { QueueReader } from '../../../src/client/pull/queue-reader.ts';
import { SendBack } from '../../../src/client/pull/send-back.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { pullParts } from '../../support/pull-parts.ts';
import { arrived } from '../../support/pulled-messages.ts';
import { type ScriptedCluster, startScriptedCluster } from '../../support/scripted-cluster.ts';

const { CONSUMER_SEND_MSG_BACK, SEND_MESSAGE_V2 } = RequestCode;

describe('Deliveries', () => {
  let cluster: ScriptedCluster;
  let parts: PullParts;
  let messages: ProcessQueue;
  let reader: QueueReader;
  let owner: DeliveryOwner;
  let inFlightCount: number;
  let settledCount: number;

  beforeEach(async () => {
    cluster = await startScriptedCluster();
    parts = pullParts(cluster);
    messages = new ProcessQueue(0n, processQueueLimits, false);
    messages.add([arrived(0), arrived(1)], 2n);
    inFlightCount = 0;
    settledCount = 0;
    owner = {
      onHandedOut() {
        inFlightCount += 1;
      },
      onSettled() {
        inFlightCount -= 1;
        settledCount += 1;
      },
    };
    reader = new QueueReader(parts, {
      group: 'g',
      queue: { topic: 'topic', brokerName: 'broker-a', queueId: 0 },
      subscription: { expression: '*', expressionType: 'TAG', version: 1 },
      ordered: false,
      suspendDurationMs: 1_000,
      offsets: new Offsets(parts.cluster, 'g', { kind: 'last' }),
      isWanted: () => false,
      select: () => [],
      onChange: () => {},
      onRefused: () => {},
      onMoved: () => {},
    });
  });

  afterEach(() => cluster.stop());

  const deliveriesOf = (ordered = false): Deliveries =>
    new Deliveries(parts, { group: 'g', ordered, sendBack: new SendBack(parts, 'g'), onChange: () => {} });

  function add(deliveries: Deliveries, durationMs = 60_000) {
    const message = messages.take('topic', performance.now()) ?? expect.fail('nothing to take');
    return deliveries.add({ message, reader, messages }, owner, durationMs).receipt;
  }

  test('an ack is for good; a second one is a success; others are expired', async () => {
    const deliveries = deliveriesOf();
    const receipt = add(deliveries);
    expect(inFlightCount).toBe(1);
    deliveries.ack(receipt);
    deliveries.ack(receipt);
    expect([inFlightCount, settledCount, messages.committedOffset]).toEqual([0, 1, 1n]);
    await expect(deliveries.nack(receipt, 0)).rejects.toMatchObject({ kind: 'expired' });
    expect(() => deliveries.ack({ ...receipt, clientMark: 'other' })).toThrow('another client');
    expect(() => deliveries.ack({ ...receipt, deliveryNumber: receipt.deliveryNumber + 1 })).toThrow('another client');
  });

  test('a number whose lower bits are those of one that is still open is left out, and neither is taken for the other', () => {
    const deliveries = deliveriesOf();
    const { deliveryNumbers } = parts;
    const first = add(deliveries);
    const next = deliveryNumbers.next.bind(deliveryNumbers);
    const numbers = [first.deliveryNumber + 2 ** 32, first.deliveryNumber + 2 ** 32 + 1];
    const jump = vi.spyOn(deliveryNumbers, 'next').mockImplementation(() => numbers.shift() ?? next());
    const second = add(deliveries);
    jump.mockRestore();
    expect(second.deliveryNumber).toBe(first.deliveryNumber + 2 ** 32 + 1);
    const older = { ...second, deliveryNumber: first.deliveryNumber + 1 };
    expect(() => deliveries.ack(older)).toThrow('delivered again');
    deliveries.ack(first);
    expect([inFlightCount, settledCount]).toEqual([1, 1]);
  });

  test('a message whose time is over goes back; a longer time has a receipt of its own', async () => {
    const deliveries = deliveriesOf();
    const [short, long] = [add(deliveries, 100), add(deliveries, 100)];
    const longer = deliveries.extend(long, 60_000);
    expect(() => deliveries.ack(long)).toThrow('delivered again');
    await cluster.broker.request(SEND_MESSAGE_V2);
    await deliveries.returned(reader);
    expect(() => deliveries.ack(short)).toThrow('delivered again');
    expect(messages.committedOffset).toBe(1n);
    deliveries.ack(longer);
    expect(messages.committedOffset).toBe(2n);
    expect(cluster.broker.requests(SEND_MESSAGE_V2)).toHaveLength(1);
  });

  test('what can go back by no way stays, and is handed out again here', async () => {
    for (const code of [SEND_MESSAGE_V2, CONSUMER_SEND_MSG_BACK])
      cluster.broker.on(code, () => ({ code: ResponseCode.SYSTEM_ERROR }));
    const deliveries = deliveriesOf();
    await deliveries.nack(add(deliveries), 0);
    expect(messages.committedOffset).toBe(0n);
    expect(messages.take('topic', performance.now())?.stored.queueOffset).toBe(1n);
    const again = messages.take('topic', performance.now() + 5_001);
    expect(again).toMatchObject({ localReconsumeTimes: 1, stored: { queueOffset: 0n } });
  });

  test('of a queue that is lost nothing counts any more, and nothing goes back', async () => {
    const deliveries = deliveriesOf();
    const receipt = add(deliveries);
    deliveries.lose(reader);
    expect(() => deliveries.ack(receipt)).toThrow('another reader');
    await deliveries.giveBackAll(owner);
    expect([inFlightCount, cluster.broker.requests(SEND_MESSAGE_V2).length]).toEqual([0, 0]);
  });

  test('waits for what is in flight, but not for ever', async () => {
    const deliveries = deliveriesOf();
    const receipt = add(deliveries);
    let isSettled = false;
    const settled = deliveries.settled(reader, 60_000).then(() => {
      isSettled = true;
    });
    await deliveries.settled(reader, 50);
    expect(isSettled).toBe(false);
    deliveries.ack(receipt);
    await settled;
  });

  test('in order: the same message again here after its delay, and buried after its tries', async () => {
    const deliveries = deliveriesOf(true);
    cluster.broker.on(RequestCode.GET_SUBSCRIPTION_GROUP_CONFIG, () => ({ body: Buffer.from('{"retryMaxTimes":1}') }));
    await deliveries.nack(add(deliveries), 0);
    await deliveries.nack(add(deliveries), 0);
    expect(cluster.broker.requests(CONSUMER_SEND_MSG_BACK)).toMatchObject([{ extFields: { delayLevel: '-1' } }]);
    expect([messages.committedOffset, cluster.broker.requests(SEND_MESSAGE_V2).length]).toEqual([1n, 0]);
  });
});
