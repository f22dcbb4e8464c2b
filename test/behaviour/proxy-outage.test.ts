import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { type Failure, failureOf, ProxyClient } from '../support/grpc-client.ts';
import type { MessageStream } from '../support/message-stream.ts';
import type { TestedProxy } from '../support/proxy-process.ts';
import { describeOnTarget, differs, startProxy, startTarget, type Target } from './target.ts';

/** A broker needs up to 20 s for its start on a busy machine. */
const outageTimeoutMs = 60_000;

describeOnTarget('a broker with its default settings', () => {
  let cluster: Target;
  let proxy: TestedProxy;
  let client: ProxyClient;

  beforeAll(async () => {
    cluster = await startTarget({ durable: true });
    proxy = await startProxy({ ROCKETMQ_ENDPOINT: cluster.nameServer, PROXY_INVISIBLE_DURATION: '3s' });
    client = new ProxyClient(proxy.address);
  });

  afterAll(async () => {
    client?.close();
    await proxy?.stop();
    await cluster?.stop();
  });

  test('delivers again what is not acknowledged, and no more what is', async () => {
    const topic = 'again';
    await cluster.createTopic(topic, { queueCount: 1 });
    const producer_id = await client.createProducer(topic);
    const { consumerId, stream } = await client.subscribe(topic, topic);
    for (const message_body of ['done', 'left']) await client.send('SendMessage', { producer_id, message_body });
    const [done, left] = await stream.take(2);
    if (done !== undefined) await client.ack(consumerId, done);
    const [again] = await stream.take(1);
    expect(again).toMatchObject({ message_id: left?.message_id, message_body: 'left', reconsume_times: 1 });
    // Given back before its time is over: it comes once more, to the next stream.
    stream.cancel();
    const next = client.receive(consumerId);
    const [last] = await next.take(1);
    expect(last).toMatchObject({ message_id: left?.message_id, reconsume_times: 2 });
    if (last !== undefined) await client.ack(consumerId, last);
    next.cancel();
  });

  /** Sends without a pause until it is stopped. */
  function startSender(producer_id: string, name: string) {
    const stored: string[] = [];
    const failures: Failure[] = [];
    let running = true;
    let failed = (): void => {};
    const firstFailure = new Promise<void>((resolve) => {
      failed = resolve;
    });
    const send = async (): Promise<void> => {
      for (let count = 0; running; count += 1) {
        const message_body = `${name} ${count}`;
        const sent = client.send('SendMessage', { producer_id, message_body });
        const failure = await sent.then(
          () => undefined,
          () => failureOf(sent),
        );
        if (failure === undefined) stored.push(message_body);
        else {
          failures.push(failure);
          failed();
        }
      }
    };
    const ended = send();
    return {
      stored,
      failures,
      /** Sends that are tried again may outlast an outage: without this, one that is short enough has no failure. */
      firstFailure,
      stop: () => {
        running = false;
        return ended;
      },
    };
  }

  /** Acknowledges whatever comes; an ack that fails is no matter, since the message comes again. */
  async function acknowledgeAll(consumerId: string, stream: MessageStream): Promise<void> {
    while (stream.isOpen) {
      const [message] = await stream.take(1, outageTimeoutMs).catch(() => []);
      if (message !== undefined) client.ack(consumerId, message).catch(() => {});
    }
  }

  test('killed with -9 and started again while messages are sent and received: none that was stored is lost, streams go on', async () => {
    const topic = 'outage';
    await cluster.createTopic(topic, { queueCount: 4 });
    const producer_id = await client.createProducer(topic);
    const { consumerId, stream } = await client.subscribe(topic, topic);
    const acknowledged = acknowledgeAll(consumerId, stream);
    const senders = ['a', 'b', 'c'].map((name) => startSender(producer_id, name));
    const stopSenders = () => Promise.all(senders.map((sender) => sender.stop()));
    onTestFinished(async () => void (await stopSenders()));
    await stream.until(({ length }) => length >= 100);

    await cluster.stopBroker();
    // A name server without brokers knows no topic, which is no reason to tell anybody that a topic does not exist.
    const reason = differs('oneProcess', { apache: /no broker is registered/, embedded: /^the default endpoint/ });
    for (const rpc of ['CreateProducer', 'CreateConsumer'] as const) {
      const failure = await failureOf(client.call(rpc, { topic: 'other', group_id: 'other' }));
      expect(failure).toEqual({ code: 'UNAVAILABLE', details: expect.stringMatching(reason) });
    }
    await Promise.all(senders.map((sender) => sender.firstFailure));
    await cluster.startBroker();
    const restartedAtMs = Date.now();
    await stream.until(
      (messages) => messages.filter(({ born_timestamp }) => Number(born_timestamp) > restartedAtMs).length > 100,
      outageTimeoutMs,
    );
    await stopSenders();

    const stored = senders.flatMap((sender) => sender.stored);
    await stream.until((messages) => {
      const received = new Set(messages.map(({ message_body }) => message_body));
      return stored.every((body) => received.has(body));
    }, outageTimeoutMs);
    const failures = senders.flatMap((sender) => sender.failures);
    for (const { code, details } of failures) {
      expect(code).toMatch(/^(UNAVAILABLE|DEADLINE_EXCEEDED)$/);
      expect(details).not.toContain(cluster.brokerAddress);
    }
    expect(stream.isOpen).toBe(true);
    stream.cancel();
    await acknowledged;
  });
});
