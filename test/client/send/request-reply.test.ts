import { deflateSync } from 'node:zlib';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { ClusterClient } from '../../../src/client/client.ts';
import type { ClientOptions } from '../../../src/client/options.ts';
import type { ReceivedMessage } from '../../../src/client/received-message.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import { encodeProperties } from '../../../src/remoting/message-properties.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { sendReplyMessage } from '../../../src/remoting/requests/send-reply-message.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { SysFlag } from '../../../src/remoting/sys-flag.ts';
import { startTestBroker, type TestBroker } from '../../../src/testing/test-broker.ts';
import { connectEngine, sendFields } from '../../support/engine-client.ts';
import { outgoing, Reader, RealClients, soon } from '../../support/real-client.ts';
import { routesScript, startScriptedCluster } from '../../support/scripted-cluster.ts';

interface Pair {
  readonly broker: TestBroker;
  readonly requester: ClusterClient;
  readonly responder: ClusterClient;
  /** The next message of `topic`, as the responder receives it. */
  next(): Promise<ReceivedMessage>;
}

async function startPair(changes: Partial<ClientOptions> = {}): Promise<Pair> {
  const broker = await startTestBroker();
  onTestFinished(() => broker.close());
  const clients = new RealClients(broker.nameServer);
  onTestFinished(() => clients.close());
  await broker.createTopic('topic');
  const [requester, responder] = [clients.create(changes), clients.create()];
  const reader = await Reader.open(responder, { group: 'responders', topic: 'topic' });
  onTestFinished(() => reader.stop());
  let count = 0;
  return {
    broker,
    requester,
    responder,
    async next() {
      count += 1;
      const message = (await reader.count(count))[count - 1];
      if (message === undefined) throw new Error('no message');
      return message;
    },
  };
}

test('each request gets the reply that is meant for it', async () => {
  const { requester, responder, next } = await startPair();
  const asked = ['one', 'two', 'three'].map((body) =>
    requester.requestReply.request(outgoing('topic', body, { tag: 'tag', properties: [['user', 'ü']] }), soon()),
  );
  const requests = [await next(), await next(), await next()];
  expect(requester.requestReply.waitingCount).toBe(3);
  for (const request of requests.reverse()) {
    expect(request).toMatchObject({ tag: 'tag' });
    expect(request.properties.get('user')).toBe('ü');
    expect(Number(request.properties.get('TTL'))).toBeGreaterThan(20_000);
    const body = Buffer.from(`re: ${request.body}`);
    await responder.requestReply.reply(request, body, { properties: [['mood', '😀']] }, soon());
  }
  const replies = await Promise.all(asked);
  expect(replies.map(({ body }) => body.toString())).toEqual(['re: one', 're: two', 're: three']);
  for (const { properties, messageId, bornTimestampMs } of replies) {
    expect(properties.get('mood')).toBe('😀');
    expect(properties.get('MSG_TYPE')).toBe('reply');
    expect(messageId).toMatch(/^[0-9A-F]{32}$/);
    expect(Math.abs(Date.now() - bornTimestampMs)).toBeLessThan(60_000);
  }
  expect(requester.requestReply.waitingCount).toBe(0);
});

test('a request without a reply fails in time; a reply that comes later is taken and dropped', async () => {
  const { requester, responder, next } = await startPair();
  const asked = requester.requestReply.request(outgoing('topic', 'x'), Deadline.after(1_000));
  const request = await next();
  await expect(asked).rejects.toMatchObject({ kind: 'timeout', outcomeUnknown: true });
  expect(requester.requestReply.waitingCount).toBe(0);
  await responder.requestReply.reply(request, Buffer.from('late'), {}, soon());
  expect(requester.requestReply.unclaimedCount).toBe(1);
});

test('a second reply is dropped, as is one to a request that never was', async () => {
  const { requester, responder, next } = await startPair();
  const asked = requester.requestReply.request(outgoing('topic', 'x'), soon());
  const request = await next();
  await responder.requestReply.reply(request, Buffer.from('first'), {}, soon());
  await responder.requestReply.reply(request, Buffer.from('second'), {}, soon());
  expect((await asked).body.toString()).toBe('first');
  const properties = new Map([...request.properties, ['CORRELATION_ID', 'unheard of']]);
  await responder.requestReply.reply({ ...request, properties }, Buffer.from('third'), {}, soon());
  expect(requester.requestReply.unclaimedCount).toBe(2);
});

test('who gives up waits no more', async () => {
  const { requester } = await startPair();
  const cancel = new AbortController();
  const asked = requester.requestReply.request(outgoing('topic', 'x'), Deadline.after(20_000, cancel.signal));
  cancel.abort();
  await expect(asked).rejects.toMatchObject({ kind: 'cancelled' });
  expect(requester.requestReply.waitingCount).toBe(0);
});

test('a requester that has left cannot be replied to; what it waited for fails as closed', async () => {
  const { requester, responder, next } = await startPair();
  const asked = requester.requestReply.request(outgoing('topic', 'x'), soon());
  asked.catch(() => {});
  const request = await next();
  await requester.close();
  await expect(asked).rejects.toMatchObject({ kind: 'closed' });
  await expect(requester.requestReply.request(outgoing('topic', 'x'), soon())).rejects.toMatchObject({
    kind: 'closed',
  });
  await expect(responder.requestReply.reply(request, Buffer.from('y'), {}, soon())).rejects.toMatchObject({
    code: ResponseCode.SYSTEM_ERROR,
  });
});

test('a message that is no request, and a reply without a body, are refused here', async () => {
  const { requester, responder, next } = await startPair();
  await requester.producer.send(outgoing('topic', 'plain'), soon());
  const plain = await next();
  await expect(responder.requestReply.reply(plain, Buffer.from('y'), {}, soon())).rejects.toMatchObject({
    kind: 'invalid',
  });
  const asked = requester.requestReply.request(outgoing('topic', 'x'), soon());
  const request = await next();
  await expect(responder.requestReply.reply(request, Buffer.alloc(0), {}, soon())).rejects.toMatchObject({
    kind: 'invalid',
  });
  await responder.requestReply.reply(request, Buffer.from('y'), {}, soon());
  await asked;
});

test('a compressed reply is unfolded; a damaged one fails its request', async () => {
  const { requester, broker, next } = await startPair();
  const engine = await connectEngine(broker.brokerAddress);
  for (const [body, outcome] of [
    [deflateSync(Buffer.alloc(10_000, 'y')), 'y'.repeat(10_000)],
    [Buffer.from('damaged'), undefined],
  ] as const) {
    const asked = requester.requestReply.request(outgoing('topic', 'x'), soon());
    asked.catch(() => {});
    const { properties } = await next();
    const fields = sendFields('DefaultCluster_REPLY_TOPIC', { sysFlag: SysFlag.COMPRESSED });
    await engine.ask(sendReplyMessage, { ...fields, properties: encodeProperties(properties) }, body);
    if (outcome === undefined) await expect(asked).rejects.toMatchObject({ kind: 'malformed' });
    else expect((await asked).body.toString()).toBe(outcome);
  }
});

test('no more requests wait than are allowed', async () => {
  const requestsWaitingMax = 3;
  const { requester, broker } = await startPair({ requestsWaitingMax });
  await broker.createTopic('silent');
  const giveUp = new AbortController();
  const deadline = Deadline.after(60_000, giveUp.signal);
  const waiting = Array.from({ length: requestsWaitingMax }, () =>
    requester.requestReply.request(outgoing('silent', 'x'), deadline).catch((error: unknown) => error),
  );
  await vi.waitFor(() => expect(requester.requestReply.waitingCount).toBe(requestsWaitingMax), { timeout: 20_000 });
  await expect(requester.requestReply.request(outgoing('silent', 'x'), soon())).rejects.toMatchObject({
    kind: 'overloaded',
  });
  giveUp.abort();
  await Promise.all(waiting);
  expect(requester.requestReply.waitingCount).toBe(0);
});

test('a reply goes by the broker of its request first, then by the others', async () => {
  const cluster = await startScriptedCluster(3);
  onTestFinished(() => cluster.stop());
  cluster.nameServer.on(RequestCode.GET_ROUTEINFO_BY_TOPIC, routesScript({ c_REPLY_TOPIC: cluster.queues }));
  const [first, second, third] = cluster.brokers;
  for (const peer of [first, second]) {
    peer?.on(RequestCode.SEND_REPLY_MESSAGE_V2, () => ({ code: ResponseCode.SYSTEM_ERROR, remark: 'not here' }));
  }
  third?.on(RequestCode.SEND_REPLY_MESSAGE_V2, () => ({
    extFields: { msgId: '0', queueId: '0', queueOffset: '0' },
  }));
  const properties = new Map([
    ['CLUSTER', 'c'],
    ['CORRELATION_ID', 'id'],
    ['REPLY_TO_CLIENT', 'client'],
  ]);
  const { requestReply } = cluster.client();
  await requestReply.reply({ properties, receipt: { brokerName: 'broker-b' } }, Buffer.from('x'), {}, soon());
  const counts = cluster.brokers.map((peer) => peer.requests(RequestCode.SEND_REPLY_MESSAGE_V2).length);
  expect(counts).toEqual([1, 1, 1]);
  // Brokers hand these on as they are, and requesters cannot do without (Java `ReplyMessageRequestHeader`).
  const fields = { c: 'TBW102', d: '4' };
  expect(third?.requests(RequestCode.SEND_REPLY_MESSAGE_V2)[0]?.extFields).toMatchObject(fields);
  await requestReply.reply({ properties, receipt: { brokerName: 'broker-c' } }, Buffer.from('x'), {}, soon());
  expect(third?.requests(RequestCode.SEND_REPLY_MESSAGE_V2)).toHaveLength(2);
  expect(second?.requests(RequestCode.SEND_REPLY_MESSAGE_V2)).toHaveLength(1);
  third?.on(RequestCode.SEND_REPLY_MESSAGE_V2, () => ({ code: ResponseCode.SYSTEM_ERROR }));
  await expect(
    requestReply.reply({ properties, receipt: { brokerName: 'broker-c' } }, Buffer.from('x'), {}, soon()),
  ).rejects.toMatchObject({ code: ResponseCode.SYSTEM_ERROR });
  properties.set('CLUSTER', 'other');
  await expect(
    requestReply.reply({ properties, receipt: { brokerName: 'broker-c' } }, Buffer.from('x'), {}, soon()),
  ).rejects.toMatchObject({ kind: 'noRoute' });
});

test('every broker of a topic hears of a client before its first request', async () => {
  const cluster = await startScriptedCluster(2);
  onTestFinished(() => cluster.stop());
  const client = cluster.client();
  const ask = () => client.requestReply.request(outgoing('topic', 'x'), Deadline.after(500));
  await expect(ask()).rejects.toMatchObject({ kind: 'timeout' });
  for (const peer of cluster.brokers) {
    expect(peer.received[0]?.code).toBe(RequestCode.HEART_BEAT);
  }
});
