import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { ConsumerOptions } from '../../../src/client/consumer.ts';
import type { PopConsumer } from '../../../src/client/pop/pop-consumer.ts';
import type { ReceivedMessage } from '../../../src/client/received-message.ts';
import { UnreadBytes } from '../../../src/client/unread-bytes.ts';
import type { Command } from '../../../src/remoting/command.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import type { PopReceipt } from '../../../src/remoting/pop-receipt.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import {
  consumerDefaults,
  read,
  releasedOffsets,
  type ScriptedCluster,
  ScriptedPop,
  startScriptedCluster,
} from '../../support/scripted-cluster.ts';
import { deferred, type ScriptedPeer } from '../../support/scripted-peer.ts';

const { ACK_MESSAGE, CHANGE_MESSAGE_INVISIBLE_TIME } = RequestCode;
const soon = (): Deadline => Deadline.after(60_000);

/** The clock stands still but for what a test lets pass. */
describe('renewals', () => {
  let cluster: ScriptedCluster;
  let broker: ScriptedPeer;
  let pop: ScriptedPop;
  let ending: AbortController;

  beforeEach(async () => {
    vi.useFakeTimers({
      toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance', 'Date'],
      now: Date.now(),
    });
    cluster = await startScriptedCluster();
    broker = cluster.broker;
    pop = new ScriptedPop(broker);
    ending = new AbortController();
  });

  afterEach(async () => {
    vi.useRealTimers();
    await cluster.stop();
  });

  const changes = (): Command[] => broker.requests(CHANGE_MESSAGE_INVISIBLE_TIME);

  async function receive(options: Partial<ConsumerOptions>): Promise<[PopConsumer, ReceivedMessage<PopReceipt>]> {
    pop.arriveOffsets(5);
    const consumer = cluster.client().popConsumer({
      ...consumerDefaults,
      invisibleDurationMs: 6_000,
      renewalDurationMs: 60_000,
      ...options,
    });
    const [message] = await read(consumer.stream({ messagesMax: 10, signal: ending.signal }), 1);
    if (message === undefined) throw new Error('no message');
    return [consumer, message];
  }

  /** Lets time pass while what is asked is answered: a connection on which nothing comes for seconds is given up. */
  async function pass(durationMs: number): Promise<void> {
    for (let leftMs = durationMs; leftMs > 0; leftMs -= 1_000) {
      vi.advanceTimersByTime(Math.min(leftMs, 1_000));
      await settled();
    }
  }

  /** Renewal number `index`, its answer included, after the time at which it is due. */
  async function renewed(index: number): Promise<Command> {
    await pass(4_000);
    const request = await broker.request(CHANGE_MESSAGE_INVISIBLE_TIME, index);
    await settled();
    return request;
  }

  /** The answer to a send that came after all else: by then all else was seen. */
  async function settled(): Promise<void> {
    for (const connection of broker.openConnections) {
      const before = connection.received.length;
      connection.ask({ code: RequestCode.NOTIFY_CONSUMER_IDS_CHANGED, flag: 0 });
      await broker.until(() => connection.received.length > before);
    }
  }

  test('replace the receipt, and the ack uses the new one', async () => {
    const [consumer, message] = await receive({});
    const first = await renewed(0);
    expect(first.extFields).toMatchObject({ invisibleTime: '6000', offset: '5' });
    expect(first.extFields['extraInfo']).toBe(`5 ${message.receipt.popTimeMs} 6000 0 0 broker-a 0 5`);
    const firstRenewalMs = message.receipt.popTimeMs + 4_000;
    const second = await renewed(1);
    expect(second.extFields['extraInfo']).toBe(`5 ${firstRenewalMs} 6000 0 0 broker-a 0 5`);
    // By the receipt that the reader has, which is long late.
    vi.advanceTimersByTime(1_000);
    await consumer.ack(message.receipt, soon());
    const extraInfo = (await broker.request(ACK_MESSAGE)).extFields['extraInfo'];
    expect(extraInfo).toBe(`5 ${firstRenewalMs + 4_000} 6000 0 0 broker-a 0 5`);
    expect(consumer.inFlightCount).toBe(0);
    await pass(60_000);
    expect(changes().length).toBe(2);
  });

  test('none is begun for a message that its reader has not read yet, but for all others', async () => {
    const all = new UnreadBytes(1_000_000_000);
    const unread = all.open(ending.signal, () => {});
    pop.arriveOffsets(5, 6);
    const consumer = cluster
      .client()
      .popConsumer({ ...consumerDefaults, invisibleDurationMs: 6_000, renewalDurationMs: 60_000 });
    const stream = consumer.stream({ messagesMax: 10, signal: ending.signal, unread });
    await read(stream, 1);
    unread.read();
    await read(stream, 1);
    expect((await renewed(0)).extFields['offset']).toBe('5');
    expect((await renewed(1)).extFields['offset']).toBe('5');
    expect(changes().length).toBe(2);
  });

  test('an ack waits for one under way', async () => {
    const [consumer, message] = await receive({});
    const held = deferred<void>();
    broker.on(CHANGE_MESSAGE_INVISIBLE_TIME, async () => {
      await held.promise;
      return { extFields: { popTime: '1795000000000', invisibleTime: '6000', reviveQid: '0' } };
    });
    vi.advanceTimersByTime(4_000);
    await broker.request(CHANGE_MESSAGE_INVISIBLE_TIME);
    vi.setSystemTime(1_795_000_001_000);
    const acked = consumer.ack(message.receipt, soon());
    await settled();
    expect(broker.requests(ACK_MESSAGE)).toEqual([]);
    held.resolve();
    await acked;
    expect((await broker.request(ACK_MESSAGE)).extFields['extraInfo']).toBe('5 1795000000000 6000 0 0 broker-a 0 5');
  });

  test('none is begun while an ack is under way', async () => {
    const [consumer, message] = await receive({});
    const held = deferred<void>();
    broker.on(ACK_MESSAGE, async () => {
      await held.promise;
      return {};
    });
    const acked = consumer.ack(message.receipt, soon());
    await broker.request(ACK_MESSAGE);
    vi.advanceTimersByTime(4_000);
    await settled();
    expect(changes()).toEqual([]);
    held.resolve();
    await acked;
  });

  test('none is begun while another is under way', async () => {
    await receive({});
    const held = deferred<void>();
    broker.on(CHANGE_MESSAGE_INVISIBLE_TIME, async () => {
      await held.promise;
      return { code: ResponseCode.SYSTEM_ERROR };
    });
    vi.advanceTimersByTime(4_000);
    await broker.request(CHANGE_MESSAGE_INVISIBLE_TIME);
    vi.advanceTimersByTime(1_000);
    await settled();
    expect(changes().length).toBe(1);
    held.resolve();
  });

  test('end with the duration for which they are wanted', async () => {
    await receive({ renewalDurationMs: 9_000 });
    // At 4 s for the 5 s that are left.
    expect((await renewed(0)).extFields['invisibleTime']).toBe('5000');
    await pass(60_000);
    expect(changes().length).toBe(1);
  });

  test.each([0, 6_000])('none with a duration of %i ms in all', async (renewalDurationMs) => {
    await receive({ renewalDurationMs });
    await pass(60_000);
    expect(changes()).toEqual([]);
  });

  test('one that fails is tried again while there is time, and told', async () => {
    await receive({});
    broker.on(CHANGE_MESSAGE_INVISIBLE_TIME, () => ({ code: ResponseCode.SYSTEM_ERROR }));
    await renewed(0);
    vi.advanceTimersByTime(1_000);
    await broker.request(CHANGE_MESSAGE_INVISIBLE_TIME, 1);
    await settled();
    // Now the message is visible to others: it is nobody's here.
    vi.advanceTimersByTime(1_000);
    await settled();
    expect(changes().length).toBe(2);
    expect(cluster.log.troubles).toContain('a message could not be kept invisible');
  });

  test('end with the stream, which gives back by the new receipt; the old one is no use any more', async () => {
    const [consumer, message] = await receive({});
    await renewed(0);
    ending.abort();
    await broker.request(CHANGE_MESSAGE_INVISIBLE_TIME, 1);
    expect(releasedOffsets(broker)).toEqual([5]);
    expect(changes()[1]?.extFields['extraInfo']).toBe(`5 ${message.receipt.popTimeMs + 4_000} 6000 0 0 broker-a 0 5`);
    // The receipt that the reader has is not late, but spent.
    await expect(consumer.ack(message.receipt, soon())).rejects.toMatchObject({ kind: 'expired' });
    await pass(60_000);
    expect(changes().length).toBe(2);
  });

  test('the end of a stream waits for one under way', async () => {
    const [consumer] = await receive({});
    const held = deferred<void>();
    broker.on(CHANGE_MESSAGE_INVISIBLE_TIME, async ({ extFields }) => {
      if (extFields['invisibleTime'] !== '0') await held.promise;
      return { extFields: { popTime: '1795000000000', invisibleTime: '6000', reviveQid: '0' } };
    });
    vi.advanceTimersByTime(4_000);
    await broker.request(CHANGE_MESSAGE_INVISIBLE_TIME);
    const closed = consumer.close();
    await settled();
    expect(releasedOffsets(broker)).toEqual([]);
    held.resolve();
    await closed;
    expect(releasedOffsets(broker)).toEqual([5]);
    expect(changes()[1]?.extFields['extraInfo']).toBe('5 1795000000000 6000 0 0 broker-a 0 5');
  });

  test('one without an answer is the last: nobody knows the receipt, so an ack cannot promise anything', async () => {
    const [consumer, message] = await receive({});
    broker.on(CHANGE_MESSAGE_INVISIBLE_TIME, () => undefined);
    vi.advanceTimersByTime(4_000);
    await broker.request(CHANGE_MESSAGE_INVISIBLE_TIME);
    const told = cluster.log.trouble();
    broker.dropConnections();
    expect(await told).toBe('a message could not be kept invisible');
    vi.advanceTimersByTime(1_000);
    const unknown = { kind: 'timeout', outcomeUnknown: true, cause: { kind: 'closed' } };
    await expect(consumer.nack(message.receipt, 0, soon())).rejects.toMatchObject(unknown);
    await expect(consumer.ack(message.receipt, soon())).rejects.toMatchObject(unknown);
    // The broker heard it all the same: where the renewal got lost, the ack counts.
    expect(broker.requests(ACK_MESSAGE).length).toBe(1);
    await consumer.close();
    expect(changes().length).toBe(1);
  });

  test('a message without an answer to its renewal is not given back: that could deliver it twice', async () => {
    const [consumer] = await receive({});
    broker.on(CHANGE_MESSAGE_INVISIBLE_TIME, () => undefined);
    vi.advanceTimersByTime(4_000);
    await broker.request(CHANGE_MESSAGE_INVISIBLE_TIME);
    broker.dropConnections();
    await consumer.close();
    expect(changes().length).toBe(1);
  });

  test('none for a message whose reader has said how long', async () => {
    const [consumer, message] = await receive({});
    await consumer.changeInvisibleDuration(message.receipt, 10_000, soon());
    await pass(9_000);
    expect(changes().length).toBe(1);
  });

  test('a nack comes after one under way, by its receipt', async () => {
    const [consumer, message] = await receive({});
    const held = deferred<void>();
    broker.on(CHANGE_MESSAGE_INVISIBLE_TIME, async ({ extFields }) => {
      if (extFields['invisibleTime'] !== '0') await held.promise;
      return { extFields: { popTime: '1795000000000', invisibleTime: '6000', reviveQid: '0' } };
    });
    vi.advanceTimersByTime(4_000);
    await broker.request(CHANGE_MESSAGE_INVISIBLE_TIME);
    vi.setSystemTime(1_795_000_001_000);
    const given = consumer.nack(message.receipt, 0, soon());
    await settled();
    expect(changes().length).toBe(1);
    held.resolve();
    await given;
    expect(changes()[1]?.extFields['extraInfo']).toBe('5 1795000000000 6000 0 0 broker-a 0 5');
    expect(consumer.inFlightCount).toBe(0);
  });
});
