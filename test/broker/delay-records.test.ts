import { describe, expect, test } from 'vitest';
import { deliverMsOf, deliveryOf, routeDelayed, withoutDelay } from '../../src/broker/delay-records.ts';
import type { MessageDraft } from '../../src/broker/store/message-store.ts';
import { delayLevelsMs } from '../../src/remoting/message.ts';
import { bodyCrcOf, encodeStoredMessage, type StoredMessage } from '../../src/remoting/stored-message.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { order } from '../support/started-engine.ts';

const nowMs = 1_700_000_000_000;
const options = { clock: new VirtualClock(nowMs), delayLevelsMs, delayMsMax: 60_000 };

function route(properties: Readonly<Record<string, string>>): MessageDraft {
  return routeDelayed(order(properties), options);
}

function stored(draft: MessageDraft): StoredMessage {
  return {
    ...draft,
    queueOffset: 0n,
    commitLogOffset: 500n,
    storeTimestampMs: nowMs + 5,
    storeHost: '127.0.0.1:10911',
    preparedTransactionOffset: 0n,
    bodyCrc: bodyCrcOf(draft.body),
  };
}

/** When the record of a message would be delivered, known from its bytes. */
function deliverMsFrom(draft: MessageDraft, levels: readonly number[] = delayLevelsMs): number | undefined {
  const message = stored(draft);
  const record = encodeStoredMessage(message);
  const { topic, queueId, storeTimestampMs } = message;
  const place = { queueOffset: 0, commitLogOffset: 500, size: record.length, storeTimestampMs };
  return deliverMsOf({ ...place, topic, queueId, replaces: 0, record }, levels);
}

describe('a message', () => {
  test.each([
    ['nothing that delays', {}],
    ['level 0', { DELAY: '0' }],
    ['a negative level', { DELAY: '-1' }],
    ['a time that is over', { TIMER_DELIVER_MS: `${nowMs - 1}` }],
    ['a time that is now', { TIMER_DELIVER_MS: `${nowMs}` }],
    ['no delay in ms', { TIMER_DELAY_MS: '0' }],
    ['a negative delay', { TIMER_DELAY_SEC: '-5' }],
    ['the property of cloud brokers', { __STARTDELIVERTIME: `${nowMs + 9_000}` }],
    ['a time that it has had', { TIMER_DELAY_MS: '9000', TIMER_OUT_MS: `${nowMs - 9}` }],
  ])('with %s waits for nothing', (_what, properties) => {
    const draft = order(properties);
    expect(routeDelayed(draft, options)).toBe(draft);
    expect(deliverMsFrom(draft)).toBeUndefined();
  });

  test.each([
    ['1', 0],
    ['+3', 2],
    ['18', 17],
    ['19', 17],
    ['2147483647', 17],
  ])('of level %s waits in queue %i, for as long as the level says after it was stored', (level, queueId) => {
    const routed = route({ DELAY: level, TAGS: 'a' });
    expect(routed).toMatchObject({ topic: 'SCHEDULE_TOPIC_XXXX', queueId, body: Buffer.from('order'), flag: 7 });
    expect(Object.fromEntries(routed.properties)).toEqual({
      UNIQ_KEY: '7F0000010001',
      DELAY: level,
      TAGS: 'a',
      REAL_TOPIC: 'orders',
      REAL_QID: '1',
    });
    expect(deliverMsFrom(routed)).toBe(nowMs + 5 + (delayLevelsMs[queueId] ?? Number.NaN));
  });

  test('of a level that a later start does not know waits for the last that there is', () => {
    expect(deliverMsFrom(route({ DELAY: '18' }), [1_000, 2_000])).toBe(nowMs + 5 + 2_000);
  });

  test.each([
    [{ TIMER_DELIVER_MS: `${nowMs + 1}` }, 1],
    [{ TIMER_DELIVER_MS: `${nowMs + 1_234}` }, 1_234],
    [{ TIMER_DELAY_MS: '1234' }, 1_234],
    [{ TIMER_DELAY_SEC: '7' }, 7_000],
    [{ TIMER_DELAY_SEC: '60' }, 60_000],
    [{ TIMER_DELIVER_MS: `${nowMs + 1}`, TIMER_DELAY_MS: '20', TIMER_DELAY_SEC: '3' }, 3_000],
    [{ TIMER_DELIVER_MS: `${nowMs + 1}`, TIMER_DELAY_MS: '20' }, 20],
    [{ DELAY: '0', TIMER_DELAY_MS: '20' }, 20],
  ])('with %o waits for %i ms, to the millisecond', (properties, delayMs) => {
    const routed = route(properties);
    expect(routed).toMatchObject({ topic: 'rmq_sys_wheel_timer', queueId: 0 });
    expect(Object.fromEntries(routed.properties)).toEqual({
      UNIQ_KEY: '7F0000010001',
      ...properties,
      REAL_TOPIC: 'orders',
      REAL_QID: '1',
      TIMER_OUT_MS: `${nowMs + delayMs}`,
    });
    expect(deliverMsFrom(routed)).toBe(nowMs + delayMs);
  });

  test('with a level and times goes by the level', () => {
    const routed = route({ DELAY: '1', TIMER_DELIVER_MS: 'x', TIMER_DELAY_MS: '9', TIMER_DELAY_SEC: '9' });
    expect(routed.topic).toBe('SCHEDULE_TOPIC_XXXX');
    expect([...routed.properties.keys()]).toEqual(['UNIQ_KEY', 'DELAY', 'REAL_TOPIC', 'REAL_QID']);
  });

  test.each([
    [{ DELAY: 'soon' }, 'soon is no delay level'],
    [{ DELAY: '1.5' }, '1.5 is no delay level'],
    [{ DELAY: '' }, ' is no delay level'],
    [{ TIMER_DELIVER_MS: 'tomorrow' }, 'TIMER_DELIVER_MS is no number'],
    [{ TIMER_DELAY_MS: '1e3' }, 'TIMER_DELAY_MS is no number'],
    [{ TIMER_DELIVER_MS: `${nowMs + 60_001}` }, 'it is to be delivered in more than 60000 ms'],
    [{ TIMER_DELAY_SEC: '9'.repeat(19) }, 'it is to be delivered in more than 60000 ms'],
    [{ TIMER_DELAY_SEC: '9'.repeat(20) }, 'TIMER_DELAY_SEC is no number'],
    [{ TIMER_DELAY_MS: '5', TIMER_DEL_UNIQKEY: 'k' }, 'recall a message by RECALL_MESSAGE'],
  ])('with %o is refused', (properties, why) => {
    expect(() => route(properties)).toThrow(
      expect.objectContaining({ code: 13, message: `the delay of the message cannot be: ${why}` }),
    );
  });

  test.each([{ DELAY: '2' }, { TIMER_DELAY_MS: '500' }])('that waits already with %o stays as it is', (properties) => {
    const routed = route(properties);
    expect(routeDelayed(routed, options)).toBe(routed);
  });
});

test('a delivered message is the one that was sent, less what would have it wait again', () => {
  const byLevel = stored(route({ DELAY: '2', TAGS: 'a' }));
  const delivered = deliveryOf(byLevel, route({ DELAY: '2', TAGS: 'a' }));
  expect(delivered).toMatchObject({ topic: 'orders', queueId: 1, flag: 7, bornHost: '127.0.0.1:50000' });
  expect(Object.fromEntries(delivered?.properties ?? [])).toEqual({
    UNIQ_KEY: '7F0000010001',
    TAGS: 'a',
    REAL_TOPIC: 'orders',
    REAL_QID: '1',
  });
  const timed = route({ TIMER_DELAY_MS: '500' });
  const onTime = deliveryOf(stored(timed), timed);
  expect(Object.fromEntries(onTime?.properties ?? [])).toEqual({
    UNIQ_KEY: '7F0000010001',
    TIMER_DELAY_MS: '500',
    TIMER_OUT_MS: `${nowMs + 500}`,
  });
  expect(onTime === undefined ? undefined : routeDelayed(onTime, options)).toBe(onTime);
});

test.each([{}, { REAL_TOPIC: 'orders' }, { REAL_TOPIC: 'orders', REAL_QID: '-1' }, { REAL_TOPIC: 'o', REAL_QID: 'x' }])(
  'a record with %o is for no topic',
  (properties) => {
    const draft = { ...order(properties), topic: 'SCHEDULE_TOPIC_XXXX' };
    expect(deliveryOf(stored(draft), draft)).toBeUndefined();
  },
);

test('a record of the timer without a time waits for nothing', () => {
  expect(deliverMsFrom({ ...order({}), topic: 'rmq_sys_wheel_timer' })).toBeUndefined();
  expect(deliverMsFrom({ ...order({ TIMER_OUT_MS: 'x' }), topic: 'rmq_sys_wheel_timer' })).toBeUndefined();
});

test('a message can be freed of all delays', () => {
  const all = { DELAY: '3', TIMER_DELIVER_MS: '1', TIMER_DELAY_MS: '2', TIMER_DELAY_SEC: '3', TAGS: 'a' };
  expect([...withoutDelay(order(all)).properties.keys()]).toEqual(['UNIQ_KEY', 'TAGS']);
});
