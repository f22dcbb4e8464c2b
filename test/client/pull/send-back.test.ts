import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { PulledMessage } from '../../../src/client/pull/process-queue.ts';
import { delayLevelOf, SendBack } from '../../../src/client/pull/send-back.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { SysFlag } from '../../../src/remoting/sys-flag.ts';
import { pullParts } from '../../support/pull-parts.ts';
import { storedAt } from '../../support/pulled-messages.ts';
import { type ScriptedCluster, sentProperties, startScriptedCluster } from '../../support/scripted-cluster.ts';

const { CONSUMER_SEND_MSG_BACK, GET_SUBSCRIPTION_GROUP_CONFIG, SEND_MESSAGE_V2 } = RequestCode;
const queue = { topic: 'topic', brokerName: 'broker-a', queueId: 0 };
const soon = (): Deadline => Deadline.after(10_000);

test('the delay level of a delay is the shortest that is long enough', () => {
  expect([-1, 0, 1, 1_000, 1_001, 30_000, 7_200_000, 9_000_000].map(delayLevelOf)).toEqual([0, 0, 1, 1, 2, 4, 18, 18]);
});

describe('SendBack', () => {
  let cluster: ScriptedCluster;
  let sendBack: SendBack;

  beforeEach(async () => {
    cluster = await startScriptedCluster();
    sendBack = new SendBack(pullParts(cluster), 'g');
  });

  afterEach(() => cluster.stop());

  function pulled(changes: Parameters<typeof storedAt>[1] = {}): PulledMessage {
    return {
      stored: storedAt(3, changes),
      topic: 'topic',
      place: 0,
      distance: 3,
      localReconsumeTimes: 0,
      notBeforeMs: 0,
    };
  }

  const requests = (code: number) => cluster.broker.requests(code).map(({ extFields }) => extFields);

  test('after a delay: the broker has the message, and makes the retry of it', async () => {
    await sendBack.retry(queue, pulled(), 10_000, soon());
    expect(requests(CONSUMER_SEND_MSG_BACK)).toMatchObject([
      { group: 'g', offset: '3000', delayLevel: '3', originMsgId: 'ID3', originTopic: 'topic' },
    ]);
    expect(requests(SEND_MESSAGE_V2)).toEqual([]);
  });

  test('at once: it is sent into the retry topic as it is, one try older, without what belonged to the last delivery', async () => {
    const properties = new Map(
      Object.entries({ UNIQ_KEY: 'ID', TAGS: 'tag', DELAY: '3', REAL_TOPIC: 'x', color: 'blau' }),
    );
    const sysFlag = SysFlag.COMPRESSED | SysFlag.TRANSACTION_COMMIT;
    await sendBack.retry(queue, pulled({ properties, reconsumeTimes: 2, sysFlag, flag: 9 }), 0, soon());
    const [sent] = cluster.broker.requests(SEND_MESSAGE_V2);
    expect(sent?.extFields).toMatchObject({ b: '%RETRY%g', e: '-1', f: '1', h: '9', j: '3', g: '1700000000000' });
    expect(sent?.body.toString()).toBe('body 3');
    expect(sent === undefined ? {} : Object.fromEntries(sentProperties(sent))).toEqual({
      UNIQ_KEY: 'ID',
      TAGS: 'tag',
      color: 'blau',
      RETRY_TOPIC: 'topic',
      ORIGIN_MESSAGE_ID: '7F00000100002A9F0000000000000BB8',
    });
    expect(requests(CONSUMER_SEND_MSG_BACK)).toEqual([]);
  });

  test('of a message that came again it keeps where that was at first', async () => {
    const properties = new Map([
      ['RETRY_TOPIC', 'topic'],
      ['ORIGIN_MESSAGE_ID', 'FIRST'],
    ]);
    await sendBack.retry(queue, pulled({ topic: '%RETRY%g', properties }), 0, soon());
    const [sent] = cluster.broker.requests(SEND_MESSAGE_V2);
    expect(sent === undefined ? undefined : sentProperties(sent)).toEqual(properties);
  });

  test.each([
    [16, -1],
    [17, -1],
  ])('with %i tries behind it: into the dead letter queue', async (reconsumeTimes, delayLevel) => {
    for (const delayMs of [0, 10_000]) await sendBack.retry(queue, pulled({ reconsumeTimes }), delayMs, soon());
    expect(requests(CONSUMER_SEND_MSG_BACK).map((fields) => Number(fields['delayLevel']))).toEqual([
      delayLevel,
      delayLevel,
    ]);
    expect(requests(SEND_MESSAGE_V2)).toEqual([]);
  });

  test('the last try but one is not dead', async () => {
    cluster.broker.on(GET_SUBSCRIPTION_GROUP_CONFIG, () => ({ body: Buffer.from('{"retryMaxTimes":3}') }));
    await sendBack.retry(queue, pulled({ reconsumeTimes: 2 }), 0, soon());
    expect(requests(SEND_MESSAGE_V2)).toMatchObject([{ j: '3' }]);
  });

  test('where one way fails, the other is taken; where both fail, it says so', async () => {
    cluster.broker.on(CONSUMER_SEND_MSG_BACK, () => ({ code: ResponseCode.SYSTEM_ERROR }));
    await sendBack.retry(queue, pulled(), 10_000, soon());
    const [sent] = cluster.broker.requests(SEND_MESSAGE_V2);
    expect(sent === undefined ? undefined : sentProperties(sent).get('DELAY')).toBe('3');

    cluster.broker.on(SEND_MESSAGE_V2, () => ({ code: ResponseCode.SYSTEM_BUSY }));
    await expect(sendBack.retry(queue, pulled(), 0, soon())).rejects.toMatchObject({ code: ResponseCode.SYSTEM_ERROR });
    await expect(sendBack.retry(queue, pulled(), 5_000, soon())).rejects.toMatchObject({
      code: ResponseCode.SYSTEM_BUSY,
    });
    cluster.broker.on(CONSUMER_SEND_MSG_BACK, () => ({}));
    await sendBack.retry(queue, pulled(), 0, soon());
    expect(requests(CONSUMER_SEND_MSG_BACK).at(-1)).toMatchObject({ delayLevel: '1' });
  });

  test('what is postponed is as old as before', async () => {
    await sendBack.postpone(queue, pulled({ reconsumeTimes: 2 }), 30_000, soon());
    const [sent] = cluster.broker.requests(SEND_MESSAGE_V2);
    expect(sent?.extFields).toMatchObject({ b: '%RETRY%g', j: '2' });
    expect(sent === undefined ? undefined : sentProperties(sent).get('DELAY')).toBe('4');
  });

  test('what is buried goes to the dead letter queue, however old it is', async () => {
    await sendBack.bury(queue, pulled(), soon());
    expect(requests(CONSUMER_SEND_MSG_BACK)).toMatchObject([{ delayLevel: '-1' }]);
  });
});
