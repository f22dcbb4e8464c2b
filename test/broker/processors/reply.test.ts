import { describe, expect, test, vi } from 'vitest';
import type { RunningBroker } from '../../../src/broker/broker.ts';
import type { Answer, Command } from '../../../src/remoting/command.ts';
import { decodeOffsetMessageId } from '../../../src/remoting/message-id.ts';
import { decodeProperties } from '../../../src/remoting/message-properties.ts';
import { encodeHeartbeat } from '../../../src/remoting/requests/heartbeat.ts';
import { pushReplyMessage } from '../../../src/remoting/requests/push-reply-message.ts';
import { sendReplyMessage, sendReplyMessageV1 } from '../../../src/remoting/requests/send-reply-message.ts';
import { SysFlag } from '../../../src/remoting/sys-flag.ts';
import {
  connectEngine,
  type EngineClient,
  type SendMore,
  sendFields,
  startTestEngine,
} from '../../support/engine-client.ts';

const replyTopic = 'DefaultCluster_REPLY_TOPIC';
const body = Buffer.from('the reply');

type Handler = (request: Command) => Promise<Answer>;

/** A client that waits for replies, as a producer. */
async function startRequester(broker: RunningBroker, onServerRequest: Handler): Promise<EngineClient> {
  const client = await connectEngine(broker.brokerAddress, { onServerRequest });
  await client.invoke(encodeHeartbeat({ clientId: 'requester', producerGroups: ['p'], consumers: [] }));
  return client;
}

function fields(more: SendMore = {}) {
  const properties = { CORRELATION_ID: '7', REPLY_TO_CLIENT: 'requester', MSG_TYPE: 'reply' };
  return sendFields(replyTopic, { properties, ...more });
}

function reply(client: EngineClient, more: SendMore = {}, bytes = body): Promise<Command> {
  return client.invoke(sendReplyMessage.encode(fields(more), bytes));
}

const sent = fields({ flag: 3, reconsumeTimes: 2, unitMode: false, sysFlag: SysFlag.COMPRESSED | SysFlag.MULTI_TAGS });
const forms = [
  ['SEND_REPLY_MESSAGE_V2', sendReplyMessage.encode(sent, body)],
  ['SEND_REPLY_MESSAGE', sendReplyMessageV1.encode(sent, body)],
] as const;

test.each(forms)('%s reaches the client that asked, and is stored', async (_, content) => {
  const broker = await startTestEngine();
  const onServerRequest = vi.fn<Handler>(async () => ({ code: 0 }));
  await startRequester(broker, onServerRequest);
  const responder = await connectEngine(broker.brokerAddress);
  const { messageId, ...answer } = sendReplyMessage.decodeReply(await responder.invoke(content), 'engine');
  expect(answer).toEqual({ queueId: 0, queueOffset: 0n });
  const [pushed] = onServerRequest.mock.calls[0] ?? [];
  if (pushed === undefined) throw new Error('nothing was pushed');
  const { properties = '', storeTimestampMs, bornHost, ...others } = pushReplyMessage.decode(pushed);
  expect(others).toEqual({
    producerGroup: 'producers',
    topic: replyTopic,
    defaultTopic: 'TBW102',
    defaultTopicQueueCount: expect.any(Number),
    queueId: 0,
    sysFlag: sent.sysFlag,
    bornTimestampMs: sent.bornTimestampMs,
    flag: 3,
    reconsumeTimes: 2,
    unitMode: false,
    storeHost: broker.brokerAddress,
  });
  expect([pushed.code, pushed.body]).toEqual([326, body]);
  expect(bornHost).toMatch(/^127\.0\.0\.1:\d+$/);
  expect(Object.fromEntries(decodeProperties(properties))).toEqual({
    CORRELATION_ID: '7',
    REPLY_TO_CLIENT: 'requester',
    MSG_TYPE: 'reply',
    PUSH_REPLY_TIME: String(storeTimestampMs),
  });
  const { messages } = await responder.pull(replyTopic);
  const commitLogOffset = decodeOffsetMessageId(messageId).commitLogOffset;
  expect(messages).toMatchObject([{ body, flag: 3, sysFlag: SysFlag.COMPRESSED, commitLogOffset, bornHost }]);
});

describe('a reply that does not reach its client', () => {
  test.each([
    ['nobody', { REPLY_TO_CLIENT: 'nobody' }, 'channel of <nobody> not found'],
    ['no one named', { CORRELATION_ID: '7' }, 'no property REPLY_TO_CLIENT'],
    ['a client that fails', { REPLY_TO_CLIENT: 'requester' }, 'push reply message to <requester> fail: it answered 1.'],
  ])('for %s is answered so, and stored', async (_, properties, text) => {
    const broker = await startTestEngine();
    await startRequester(broker, async () => ({ code: 1, remark: 'at 10.0.0.1' }));
    const responder = await connectEngine(broker.brokerAddress);
    const answer = await reply(responder, { properties });
    expect(answer).toMatchObject({ code: 1, remark: expect.stringContaining(text) });
    expect(answer.remark).not.toContain('10.0.0.1');
    expect((await responder.pull(replyTopic)).bodies).toEqual(['the reply']);
  });

  test('because it is gone is answered so', async () => {
    const broker = await startTestEngine();
    const requester = await startRequester(broker, async () => {
      requester.channel.close();
      return { code: 0 };
    });
    const responder = await connectEngine(broker.brokerAddress);
    expect(await reply(responder)).toMatchObject({
      code: 1,
      remark: 'push reply message to <requester> fail: closed.',
    });
    expect((await reply(responder)).remark).toContain('channel of <requester> not found');
  });
});

test('a requester that does not say that it has the reply is given up after 3 s', async () => {
  const broker = await startTestEngine();
  const onServerRequest = vi.fn<Handler>(() => new Promise(() => {}));
  await startRequester(broker, onServerRequest);
  const responder = await connectEngine(broker.brokerAddress);
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  try {
    const answer = reply(responder);
    await vi.waitUntil(() => onServerRequest.mock.calls.length > 0, 20_000);
    vi.advanceTimersByTime(3_001);
    expect(await answer).toMatchObject({ code: 1, remark: 'push reply message to <requester> fail: timeout.' });
  } finally {
    vi.useRealTimers();
  }
});

test('what is no reply is refused, and goes nowhere', async () => {
  const broker = await startTestEngine();
  const onServerRequest = vi.fn<Handler>(async () => ({ code: 0 }));
  await startRequester(broker, onServerRequest);
  const responder = await connectEngine(broker.brokerAddress);
  expect((await reply(responder, { topic: 'none' })).code).toBe(17);
  expect((await reply(responder, { topic: 'SCHEDULE_TOPIC_XXXX' })).code).toBe(16);
  expect((await reply(responder, { queueId: 1 })).code).toBe(29);
  expect((await reply(responder, {}, Buffer.alloc(0))).code).toBe(13);
  expect(onServerRequest).not.toHaveBeenCalled();
  expect((await reply(responder, { queueId: -1 })).code).toBe(0);
});
