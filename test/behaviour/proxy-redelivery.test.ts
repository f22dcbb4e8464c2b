import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { quickRedelivery } from '../rocketmq/cluster.ts';
import { failureOf, ProxyClient } from '../support/grpc-client.ts';
import type { ReceivedMessage } from '../support/message-stream.ts';
import type { TestedProxy } from '../support/proxy-process.ts';
import { startReceivingProcess } from '../support/receiving-process.ts';
import {
  describeOnTargets,
  differsBefore5,
  startProxy,
  startTarget,
  type Target,
  takesUnsigned,
  type Variant,
} from './target.ts';

const bodyOf = ({ message_body }: ReceivedMessage): string => message_body;
const times = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/** Whether an ack counts; not so where it is late, and the message comes again. */
async function acknowledges(client: ProxyClient, consumerId: string, message: ReceivedMessage): Promise<boolean> {
  try {
    await client.ack(consumerId, message);
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: status.FAILED_PRECONDITION });
    return false;
  }
}

const suite = (variant: Variant): void => {
  const { version } = variant;
  let cluster: Target;
  /** Waits 4 s for acks: what a cold broker may take for some messages, and short enough to be waited for. */
  let hasty: TestedProxy;
  /** Waits 30 s for acks and signs of life, as by default, so that what comes again earlier was given back. */
  let patient: TestedProxy;
  /** Waits 30 s for acks, and notices after 2 s that a client is frozen. */
  let watchful: TestedProxy;
  let client: ProxyClient;
  let patientClient: ProxyClient;

  beforeAll(async () => {
    cluster = await startTarget({ version, apache: quickRedelivery });
    const common = { ROCKETMQ_ENDPOINT: cluster.nameServer };
    [hasty, patient, watchful] = await Promise.all([
      startProxy({ ...common, PROXY_INVISIBLE_DURATION: '4s' }),
      startProxy(common),
      startProxy({ ...common, PROXY_KEEPALIVE_INTERVAL: '1s', PROXY_KEEPALIVE_TIMEOUT: '1s' }),
    ]);
    client = new ProxyClient(hasty.address);
    patientClient = new ProxyClient(patient.address);
  });

  afterAll(async () => {
    client?.close();
    patientClient?.close();
    await Promise.all([hasty, patient, watchful].map((proxy) => proxy?.stop()));
    await cluster?.stop();
  });

  test.concurrent('un-acknowledged: comes again as the same message with reconsume_times + 1, others are not held up; ack ends it', async () => {
    const topic = 'again';
    await cluster.createTopic(topic, { queueCount: 1 });
    const producer_id = await client.createProducer(topic);
    const { consumerId, stream } = await client.subscribe(topic, topic);
    const properties = { message_key: 'key', properties: { color: 'blau' } };
    for (const message_body of ['left', ...times(20).map(String)]) {
      await client.send('SendMessage', { producer_id, message_body, tag: 'tag', properties });
    }
    const done = new Set<string>();
    /** Acknowledges what comes, but one message only when it has come three times. Where the machine stands still an ack may be late. */
    const keep = async (kept: string): Promise<readonly ReceivedMessage[]> => {
      const deliveries: ReceivedMessage[] = [];
      while (deliveries.length < 3) {
        const [message] = await stream.take(1);
        if (message === undefined) throw new Error('take gave nothing');
        const body = bodyOf(message);
        expect(done).not.toContain(body);
        if (body === kept) deliveries.push(message);
        if ((body !== kept || deliveries.length === 3) && (await acknowledges(client, consumerId, message)))
          done.add(body);
      }
      return deliveries;
    };
    const left = await keep('left');
    expect(new Set(stream.messages.map(bodyOf))).toEqual(new Set(['left', ...times(20).map(String)]));
    for (const message of left) {
      expect(message).toMatchObject({
        message_id: left[0]?.message_id,
        message_body: 'left',
        tag: 'tag',
        born_timestamp: left[0]?.born_timestamp,
        properties: { KEYS: 'key', color: 'blau' },
      });
    }
    // What waited in the proxy until its time was over counts as well.
    const counts = left.map(({ reconsume_times }) => reconsume_times);
    expect(counts).toEqual([...new Set(counts)].sort((one, other) => one - other));
    expect(new Set(left.map(({ receipt_handle }) => receipt_handle)).size).toBe(left.length);

    // Another one that stays comes twice more, and in that time nothing that was acknowledged does.
    await client.send('SendMessage', { producer_id, message_body: 'clock' });
    await keep('clock');
    stream.cancel();
  });

  test.concurrent('ack twice: success the second time too, never a redelivery', async () => {
    const topic = 'twice';
    await cluster.createTopic(topic, { queueCount: 1 });
    const producer_id = await client.createProducer(topic);
    const { consumerId, stream } = await client.subscribe(topic, topic);
    for (const message_body of ['done', 'clock']) await client.send('SendMessage', { producer_id, message_body });
    const [done] = await stream.take(2);
    if (done === undefined) return;
    await client.ack(consumerId, done);
    await client.ack(consumerId, done);
    await Promise.all(times(5).map(() => client.ack(consumerId, done)));
    expect((await stream.take(2)).map(bodyOf)).toEqual(['clock', 'clock']);
    stream.cancel();
  });

  test.concurrent('ack late, forged, foreign or empty handle: an error that says which', async () => {
    const topic = 'handles';
    await cluster.createTopic(topic, { queueCount: 1 });
    await cluster.createTopic('other-handles', { queueCount: 1 });
    const producer_id = await client.createProducer(topic);
    const { consumerId, stream } = await client.subscribe(topic, topic);
    const otherGroup = await client.createConsumer(topic, 'other-handles');
    const otherTopic = await client.createConsumer('other-handles', topic);
    const { message_id } = await client.send('SendMessage', { producer_id, message_body: 'message' });
    const [first] = await stream.take(1);
    const handle = first?.receipt_handle ?? '';
    const failureOfAck = (id: string, receipt_handle: string) => failureOf(client.ack(id, { receipt_handle }));

    const empty = await failureOfAck(consumerId, '');
    expect(empty).toEqual({ code: 'INVALID_ARGUMENT', details: expect.stringMatching(/receipt_handle is empty/) });
    for (const id of [otherGroup, otherTopic]) {
      const foreign = await failureOfAck(id, handle);
      expect(foreign).toEqual({
        code: 'INVALID_ARGUMENT',
        details: expect.stringMatching(/another consumer group or topic/),
      });
    }
    const altered = [`${handle}A`, handle.slice(1), handle.replace(/.{10}$/, (end) => [...end].reverse().join(''))];
    for (const forged of [
      ...altered,
      'x',
      message_id,
      consumerId,
      producer_id,
      '0 1700000000000 30000 0 0 broker-a 0 0',
    ]) {
      const failure = await failureOfAck(consumerId, forged);
      expect(failure).toEqual({
        code: 'INVALID_ARGUMENT',
        details: expect.stringMatching(/^receipt_handle (?!is empty)/),
      });
    }

    const [second] = await stream.take(1);
    const late = await failureOfAck(consumerId, handle);
    const why = differsBefore5(variant, 'noPop', {
      before5: /delivered again: the time/,
      since5: /4000 ms.*delivered again/,
    });
    expect(late).toEqual({ code: 'FAILED_PRECONDITION', details: expect.stringMatching(why) });
    if (second !== undefined) await client.ack(consumerId, second);
    stream.cancel();
  });

  test.concurrent('with PROXY_RENEWAL_DURATION a message stays with its receiver while its stream lives, and its handle stays good', async () => {
    const topic = 'renewed';
    await cluster.createTopic(topic, { queueCount: 1 });
    const renewing = await startProxy({
      ROCKETMQ_ENDPOINT: cluster.nameServer,
      PROXY_INVISIBLE_DURATION: '7s',
      PROXY_RENEWAL_DURATION: '60s',
    });
    const renewingClient = new ProxyClient(renewing.address);
    const { consumerId, stream } = await renewingClient.subscribe(topic, topic);
    const clock = await client.subscribe(topic, 'renewed-clock');
    const producer_id = await client.createProducer(topic);
    for (const message_body of ['done', 'left']) await client.send('SendMessage', { producer_id, message_body });
    const [done] = await stream.take(2);
    // Another group, without renewal, gets them for the third time: more than 8 s have gone.
    await clock.stream.take(6);
    if (done !== undefined) await renewingClient.ack(consumerId, done);
    stream.cancel();
    const next = renewingClient.receive(consumerId);
    expect(await next.take(1)).toMatchObject([{ message_body: 'left', reconsume_times: 1 }]);
    expect(stream.messages.map(bodyOf)).toEqual(['done', 'left']);
    clock.stream.cancel();
    renewingClient.close();
    await renewing.stop();
  });

  test.concurrent('ReceiveMessages twice on one consumer: both streams share the work', async () => {
    const topic = 'two-streams';
    await cluster.createTopic(topic, { queueCount: 8 });
    const producer_id = await patientClient.createProducer(topic);
    const consumerId = await patientClient.createConsumer(topic, topic);
    const streams = [patientClient.receive(consumerId), patientClient.receive(consumerId)];
    const sent: string[] = [];
    while (streams.some(({ messages }) => messages.length < 5)) {
      expect(sent.length).toBeLessThan(2_000);
      sent.push(`message ${sent.length}`);
      await patientClient.send('SendMessage', { producer_id, message_body: sent.at(-1) ?? '' });
    }
    const received = () => streams.flatMap(({ messages }) => messages);
    await Promise.any(streams.map((stream) => stream.until(() => received().length >= sent.length)));
    expect(received().map(bodyOf).sort()).toEqual([...sent].sort());
    await Promise.all(received().map((message) => patientClient.ack(consumerId, message)));
    for (const stream of streams) stream.cancel();
  });

  /** A consumer in a process of its own that has got 20 messages and acknowledged none. */
  async function startHolder(topic: string, proxy: TestedProxy) {
    await cluster.createTopic(topic, { queueCount: 4 });
    const producer_id = await patientClient.createProducer(topic);
    const holderClient = new ProxyClient(proxy.address);
    const holder = startReceivingProcess(proxy.address, await holderClient.createConsumer(topic, topic));
    holderClient.close();
    const bodies = times(20).map(String);
    for (const message_body of bodies) await patientClient.send('SendMessage', { producer_id, message_body });
    await holder.received(bodies.length);
    return { holder, bodies };
  }

  test.concurrent('a consumer killed with -9 is replaced at once by one of its group, which gets the un-acknowledged messages', async () => {
    const topic = 'killed';
    const { holder, bodies } = await startHolder(topic, patient);
    holder.kill('SIGKILL');
    const { consumerId, stream } = await patientClient.subscribe(topic, topic);
    const again = await stream.take(bodies.length, 10_000);
    expect(again.map(bodyOf).sort()).toEqual([...bodies].sort());
    expect(again.map(({ reconsume_times }) => reconsume_times)).toEqual(bodies.map(() => 1));
    await Promise.all(again.map((message) => patientClient.ack(consumerId, message)));
    await holder.stop();
    stream.cancel();
  });

  test.concurrent('a client that is frozen (SIGSTOP): after the keep-alive time its messages go to the others of the group', async () => {
    const topic = 'frozen';
    const { holder, bodies } = await startHolder(topic, watchful);
    holder.kill('SIGSTOP');
    const { stream } = await patientClient.subscribe(topic, topic);
    const again = await stream.take(bodies.length, 15_000);
    expect(again.map(bodyOf).sort()).toEqual([...bodies].sort());
    await holder.stop();
    stream.cancel();
  });

  test.concurrent('a stream that is cancelled: what it left un-acknowledged comes again at once', async () => {
    const topic = 'cancelled';
    await cluster.createTopic(topic, { queueCount: 4 });
    const producer_id = await patientClient.createProducer(topic);
    const { consumerId, stream } = await patientClient.subscribe(topic, topic);
    for (const body of times(20)) await patientClient.send('SendMessage', { producer_id, message_body: String(body) });
    const messages = await stream.take(20);
    const [first, ...left] = messages;
    if (first !== undefined) await patientClient.ack(consumerId, first);
    stream.cancel();
    const next = patientClient.receive(consumerId);
    expect((await next.take(19, 10_000)).map(bodyOf).sort()).toEqual(left.map(bodyOf).sort());
    const [spent] = left;
    if (spent !== undefined) {
      const failure = await failureOf(patientClient.ack(consumerId, spent));
      expect(failure).toEqual({ code: 'FAILED_PRECONDITION', details: expect.stringMatching(/given back/) });
    }
    next.cancel();
  });

  test.concurrent('a client that stops reading: is sent little, and its messages go to the others of the group', async () => {
    const topic = 'not-read';
    await cluster.createTopic(topic, { queueCount: 4 });
    // Nobody else's messages are counted.
    const own = await startProxy({ ROCKETMQ_ENDPOINT: cluster.nameServer, PROXY_INVISIBLE_DURATION: '4s' });
    const [stopped, reading] = [new ProxyClient(own.address), new ProxyClient(own.address)];
    const producer_id = await reading.createProducer(topic);
    const { stream } = await stopped.subscribe(topic, topic);
    await reading.send('SendMessage', { producer_id, message_body: 'first' });
    await stream.take(1);
    stream.pause();
    const bodies = times(200).map((number) => `${number} ${'x'.repeat(65_536)}`);
    for (const message_body of bodies) await reading.send('SendMessage', { producer_id, message_body });

    const other = await reading.subscribe(topic, topic);
    const got = new Set<string>();
    // None waits for the one before: on a slow machine messages would come again faster than they are acknowledged.
    const acks: Promise<boolean>[] = [];
    while (got.size < bodies.length + 1) {
      const [message] = await other.stream.take(1);
      if (message === undefined) break;
      got.add(message.message_body);
      acks.push(acknowledges(reading, other.consumerId, message));
    }
    await Promise.all(acks);
    expect(bodies.every((body) => got.has(body))).toBe(true);
    const { messages_received: receivedCount = 0 } = await own.metrics();
    // Some windows' worth of the 200.
    expect(receivedCount - other.stream.messages.length).toBeLessThan(100);
    for (const open of [stream, other.stream]) open.cancel();
    stopped.close();
    reading.close();
    await own.stop();
  });
};

describeOnTargets('what is not acknowledged', suite, takesUnsigned);
