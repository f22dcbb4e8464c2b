import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BrokerClocks } from '../../../src/client/cluster/broker-clocks.ts';
import { parseTagFilter, sqlFilter } from '../../../src/client/message-filter.ts';
import {
  changeInvisible,
  type PopAttempt,
  type PopSource,
  takeMessages,
  waitForMessages,
} from '../../../src/client/pop/pop-requests.ts';
import { type Channel, channelDefaults } from '../../../src/remoting/channel.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import { dial } from '../../../src/remoting/dial.ts';
import type { PopReceipt } from '../../../src/remoting/pop-receipt.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { nothingFound, popAnswer } from '../../support/scripted-cluster.ts';
import { deferred, ScriptedPeer } from '../../support/scripted-peer.ts';

const { CHANGE_MESSAGE_INVISIBLE_TIME, NOTIFICATION, POP_MESSAGE } = RequestCode;
const soon = (): Deadline => Deadline.after(10_000);
const subscriber = { group: 'g', topic: 't' };

describe('requests of POP', () => {
  let peer: ScriptedPeer;
  let channel: Channel;
  let clocks: BrokerClocks;
  let source: PopSource;
  const { signal } = new AbortController();

  beforeEach(async () => {
    peer = await ScriptedPeer.start();
    channel = await dial(peer.address, { ...channelDefaults, connectTimeoutMs: 3_000 }, soon());
    clocks = new BrokerClocks();
    source = { subscriber, filter: parseTagFilter('*'), brokerName: 'broker-a', channel, clocks };
  });

  afterEach(async () => {
    channel.close();
    await peer.stop();
  });

  const take = (attempt?: PopAttempt) =>
    takeMessages(source, { countMax: 8, invisibleDurationMs: 30_000, attempt }, (error) => {
      throw error;
    });
  const wait = (pollDurationMs = 5_000, order = false) => waitForMessages(source, { pollDurationMs, order }, signal);

  test.each([ResponseCode.POLLING_TIMEOUT, ResponseCode.PULL_NOT_FOUND])('code %i brings nothing', async (code) => {
    peer.on(POP_MESSAGE, () => ({ ...nothingFound(), code }));
    expect(await take()).toEqual([]);
  });

  test('every answer tells the time of the broker', async () => {
    peer.on(POP_MESSAGE, () => nothingFound(Date.now() + 60_000));
    await take();
    expect(Math.abs(clocks.now('broker-a') - Date.now() - 60_000)).toBeLessThan(1_000);
    peer.on(POP_MESSAGE, (request) => popAnswer(request, { messages: [{}], popTimeMs: Date.now() - 60_000 }));
    await take();
    expect(Math.abs(clocks.now('broker-a') - Date.now() + 60_000)).toBeLessThan(1_000);
    // One that tells none changes nothing.
    peer.on(POP_MESSAGE, () => ({ code: ResponseCode.POLLING_TIMEOUT }));
    await take();
    expect(Math.abs(clocks.now('broker-a') - Date.now() + 60_000)).toBeLessThan(1_000);
  });

  test('a POP that is refused fails', async () => {
    peer.on(POP_MESSAGE, () => ({ code: ResponseCode.POLLING_FULL }));
    await expect(take()).rejects.toMatchObject({ code: ResponseCode.POLLING_FULL });
  });

  test('who waits is born now, by the clock of the broker', async () => {
    peer.on(NOTIFICATION, () => ({ extFields: { hasMsg: 'true' } }));
    expect(await wait()).toBe(true);
    clocks.learn('broker-a', 2_000_000_000_000, Date.now());
    expect(await wait()).toBe(true);
    const bornTimes = peer.requests(NOTIFICATION).map(({ extFields }) => Number(extFields['bornTime']));
    expect(bornTimes[0]).toBe(0);
    expect((bornTimes[1] ?? 0) - 2_000_000_000_000).toBeLessThan(1_000);
  });

  test('a wait that ends too soon takes as long as was asked for, a second at most', async () => {
    peer.on(NOTIFICATION, () => ({ extFields: { hasMsg: 'false' } }));
    for (const [pollDurationMs, atLeastMs] of [
      [100, 99],
      [5_000, 999],
    ] as const) {
      const startedMs = performance.now();
      expect(await wait(pollDurationMs)).toBe(false);
      expect(performance.now() - startedMs).toBeGreaterThanOrEqual(atLeastMs);
    }
  });

  test.each([
    ['*', undefined, undefined],
    ['a || b', 'TAG', 'a || b'],
  ])('who waits says what for: by the filter %s', async (tags, type, expression) => {
    source = { ...source, filter: parseTagFilter(tags) };
    peer.on(NOTIFICATION, () => ({ extFields: { hasMsg: 'true' } }));
    await wait();
    const [request] = peer.requests(NOTIFICATION);
    expect([request?.extFields['expType'], request?.extFields['exp']]).toEqual([type, expression]);
    expect(request?.extFields['order']).toBe('false');
  });

  test('a condition goes with both requests', async () => {
    source = { ...source, filter: sqlFilter("price > 3 AND region = 'north'") };
    peer.on(NOTIFICATION, () => ({ extFields: { hasMsg: 'true' } }));
    peer.on(POP_MESSAGE, () => nothingFound());
    await wait();
    await take();
    const wanted = { expType: 'SQL92', exp: "price > 3 AND region = 'north'" };
    for (const code of [NOTIFICATION, POP_MESSAGE]) expect(peer.requests(code)[0]?.extFields).toMatchObject(wanted);
  });

  test('an ordered POP has its name, may name a queue, and counts by the lists of its answer', async () => {
    peer.on(POP_MESSAGE, (request) => {
      const answer = popAnswer(request, { messages: [{ queueId: 2, queueOffset: 5n }] });
      return { ...answer, extFields: { ...answer?.extFields, reviveQid: '999', orderCountInfo: '0 qo2%5 3;0 2 3' } };
    });
    const [message] = await take({ attemptId: 'one', queueId: 2 });
    expect(message).toMatchObject({ reconsumeTimes: 3, receipt: { reviveQueueId: 999, queueId: 2, queueOffset: 5n } });
    await take({ attemptId: 'two', queueId: undefined });
    await take();
    expect(
      peer
        .requests(POP_MESSAGE)
        .map(({ extFields }) => [extFields['order'], extFields['attemptId'], extFields['queueId']]),
    ).toEqual([
      ['true', 'one', '2'],
      ['true', 'two', '-1'],
      ['false', undefined, '-1'],
    ]);
    peer.on(NOTIFICATION, () => ({ extFields: { hasMsg: 'true' } }));
    await wait(5_000, true);
    expect(peer.requests(NOTIFICATION)[0]?.extFields['order']).toBe('true');
  });

  test('a wait can be given up', async () => {
    const held = deferred<void>();
    peer.on(NOTIFICATION, async () => {
      await held.promise;
      return { extFields: { hasMsg: 'false' } };
    });
    const ending = new AbortController();
    const waiting = waitForMessages(source, { pollDurationMs: 5_000, order: false }, ending.signal);
    await peer.request(NOTIFICATION);
    ending.abort();
    await expect(waiting).rejects.toMatchObject({ kind: 'cancelled' });
    held.resolve();
  });

  test('a changed invisible duration makes a receipt of its own', async () => {
    peer.on(CHANGE_MESSAGE_INVISIBLE_TIME, () => ({
      extFields: { popTime: '2000', invisibleTime: '9000', reviveQid: '5' },
    }));
    const receipt: PopReceipt = {
      startOffset: 100n,
      popTimeMs: 1_000,
      invisibleDurationMs: 30_000,
      reviveQueueId: 3,
      retry: '1',
      brokerName: 'broker-a',
      queueId: 2,
      queueOffset: 105n,
    };
    expect(await changeInvisible(subscriber, receipt, 9_000, channel, soon())).toEqual({
      ...receipt,
      startOffset: 105n,
      popTimeMs: 2_000,
      invisibleDurationMs: 9_000,
      reviveQueueId: 5,
    });
    expect(peer.requests(CHANGE_MESSAGE_INVISIBLE_TIME)[0]?.extFields).toEqual({
      consumerGroup: 'g',
      topic: '%RETRY%g_t',
      queueId: '2',
      extraInfo: '100 1000 30000 3 1 broker-a 2 105',
      offset: '105',
      invisibleTime: '9000',
    });
  });
});
