import { expect, test, vi } from 'vitest';
import type { Answer, Command } from '../../../src/remoting/command.ts';
import { consumeMessageDirectly } from '../../../src/remoting/requests/consume-message-directly.ts';
import { getConsumerRunningInfo } from '../../../src/remoting/requests/consumer-running-info.ts';
import { invokeGetConsumerStatus } from '../../../src/remoting/requests/get-consumer-status.ts';
import { encodeHeartbeat } from '../../../src/remoting/requests/heartbeat.ts';
import { decodeStoredMessages } from '../../../src/remoting/stored-message.ts';
import { connectEngine, startTestEngine } from '../../support/engine-client.ts';

type Handler = (request: Command) => Promise<Answer>;

/** A tool, and a consumer `c` of group `g` that answers what it is asked; notices of its group it passes over. */
async function start(handler: Handler) {
  const broker = await startTestEngine();
  const asked = vi.fn(handler);
  const onServerRequest: Handler = async (request) => (request.code === 40 ? { code: 0 } : asked(request));
  const consumer = await connectEngine(broker.brokerAddress, { onServerRequest });
  const consumers = [{ groupName: 'g', subscriptions: [] }];
  await consumer.invoke(encodeHeartbeat({ clientId: 'c', consumers, producerGroups: [] }));
  return { broker, asked, consumer, tool: await connectEngine(broker.brokerAddress) };
}

const whom = { consumerGroup: 'g', clientId: 'c' };

test('GET_CONSUMER_RUNNING_INFO is asked of the consumer, without the signature of the tool, and answered by it', async () => {
  const body = Buffer.from('{"mqTable":{{"topic":"T"}:1}}');
  const { asked, tool } = await start(async () => ({ code: 0, remark: 'fine', extFields: { more: '1' }, body }));
  const { code, extFields } = getConsumerRunningInfo.encode({ ...whom, withStacks: true });
  const reply = await tool.invoke({ code, extFields: { ...extFields, AccessKey: 'key', Signature: 'secret' } });
  expect(reply).toMatchObject({ code: 0, remark: 'fine', extFields: { more: '1' }, body });
  expect(asked.mock.calls[0]?.[0]).toMatchObject({ code: 307 });
  expect({ ...asked.mock.calls[0]?.[0].extFields }).toEqual({
    consumerGroup: 'g',
    clientId: 'c',
    jstackEnable: 'true',
  });
});

test('CONSUME_MESSAGE_DIRECTLY brings the consumer the message', async () => {
  const result = Buffer.from('{"consumeResult":"CR_SUCCESS"}');
  const { asked, tool } = await start(async () => ({ code: 0, body: result }));
  const { messageId } = await tool.send('T', 'again');
  const reply = await tool.invoke(consumeMessageDirectly.encode({ ...whom, messageId, topic: 'T' }));
  expect([reply.code, reply.body]).toEqual([0, result]);
  const [request] = asked.mock.calls[0] ?? [];
  if (request === undefined) throw new Error('nothing was asked');
  expect(consumeMessageDirectly.decode(request)).toEqual({
    ...whom,
    messageId,
    topic: 'T',
    brokerName: 'broker-a',
    topicSysFlag: 0,
    groupSysFlag: 0,
  });
  expect(decodeStoredMessages(request.body)).toMatchObject([{ topic: 'T', body: Buffer.from('again') }]);
});

test('a message that is not there, or a consumer that is not, is said so', async () => {
  const { tool, consumer } = await start(async () => {
    consumer.channel.close();
    return { code: 0 };
  });
  const consume = (messageId: string) => tool.invoke(consumeMessageDirectly.encode({ ...whom, messageId }));
  expect((await consume('x')).code).toBe(29);
  expect((await consume('7F00000100002A9F0000000000ABCDEF')).code).toBe(22);
  const ask = (clientId: string) => tool.invoke(getConsumerRunningInfo.encode({ consumerGroup: 'g', clientId }));
  expect(await ask('other')).toMatchObject({ code: 1, remark: 'The Consumer <g> <other> not online' });
  expect(await ask('c')).toMatchObject({ code: 1, remark: 'the consumer <g> <c> did not answer: closed' });
  expect(await ask('c')).toMatchObject({ code: 1, remark: 'The Consumer <g> <c> not online' });
});

test('a consumer that does not answer in 10 s is given up', async () => {
  const { asked, tool } = await start(() => new Promise(() => {}));
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  try {
    const reply = tool.invoke(getConsumerRunningInfo.encode(whom), 60_000);
    await vi.waitUntil(() => asked.mock.calls.length > 0, 20_000);
    vi.advanceTimersByTime(10_001);
    expect(await reply).toMatchObject({ code: 207, remark: 'the consumer <g> <c> did not answer: timeout' });
  } finally {
    vi.useRealTimers();
  }
});

test('INVOKE_BROKER_TO_GET_CONSUMER_STATUS is asked of all members, or of one; those that fail are left out', async () => {
  const queue = { topic: 'T', brokerName: 'broker-a', queueId: 1 };
  const { broker, asked, tool } = await start(async () => ({
    code: 0,
    body: Buffer.from(`{"messageQueueTable":{${JSON.stringify(queue)}:7}}`),
  }));
  const failing = await connectEngine(broker.brokerAddress, { onServerRequest: async () => ({ code: 1 }) });
  const consumers = [{ groupName: 'g', subscriptions: [] }];
  await failing.invoke(encodeHeartbeat({ clientId: 'failing', consumers, producerGroups: [] }));
  const status = (group: string, clientId?: string) =>
    tool.invoke(invokeGetConsumerStatus.encode({ topic: 'T', group, clientId }));
  const mine = `{"c":{${JSON.stringify({ topic: 'T', brokerName: 'broker-a', queueId: 1 })}:7}}`;
  expect((await status('g')).body.toString()).toBe(`{"consumerTable":${mine},"messageQueueTable":{}}`);
  expect(asked.mock.calls[0]?.[0]).toMatchObject({ code: 221, extFields: { topic: 'T', group: 'g' } });
  expect((await status('g', 'c')).body.toString()).toContain(mine);
  expect((await status('g', 'failing')).body.toString()).toBe('{"consumerTable":{},"messageQueueTable":{}}');
  expect((await status('none')).code).toBe(1);
});
