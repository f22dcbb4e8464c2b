import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { RequestCode } from '../../src/remoting/request-code.ts';
import { ProxyClient } from '../support/grpc-client.ts';
import { type ScriptedCluster, type ScriptedPop, sentProperties } from '../support/scripted-cluster.ts';
import {
  clientOf,
  type StartedProxy,
  startTestCluster,
  startTestProxy,
  type Way,
  ways,
} from '../support/started-proxy.ts';

const { ACK_MESSAGE, END_TRANSACTION, SEND_MESSAGE_V2, UNREGISTER_CLIENT } = RequestCode;

/** The eleven calls of the published API over one port, in every protocol that it speaks. */
describe('the eleven RPCs', { timeout: 30_000 }, () => {
  let cluster: ScriptedCluster;
  let pop: ScriptedPop;
  let started: StartedProxy;
  let endpoint: string;

  beforeEach(async () => {
    ({ cluster, pop } = await startTestCluster());
    started = await startTestProxy();
    endpoint = cluster.nameServer.address;
  });

  /** What each of the sent messages was marked with. */
  const marks = (): string[][] =>
    cluster.broker.requests(SEND_MESSAGE_V2).map((request) => {
      const names = ['TAGS', 'KEYS', '__SHARDINGKEY', 'DELAY', 'TRAN_MSG', 'own'];
      const properties = sentProperties(request);
      return names.flatMap((name) => (properties.has(name) ? [`${name}=${properties.get(name)}`] : []));
    });

  const expectedMarks = [['TAGS=t', 'KEYS=k', 'own=ö'], ['__SHARDINGKEY=s'], ['DELAY=2'], ['TRAN_MSG=true']];

  async function expectTraces(): Promise<void> {
    expect(marks()).toEqual(expectedMarks);
    await cluster.broker.request(END_TRANSACTION);
    expect((await cluster.broker.request(ACK_MESSAGE)).extFields['offset']).toBe('7');
    await cluster.broker.request(UNREGISTER_CLIENT);
    expect(started.proxy.metrics.snapshot()).toMatchObject({ messages_sent: 4, messages_received: 1, error_count: 0 });
    expect(started.log.troubles).toEqual([]);
  }

  const arrive = (): void =>
    pop.arrive([
      {
        queueOffset: 7n,
        body: Buffer.from('größe 😀'),
        properties: new Map([
          ['UNIQ_KEY', 'ID'],
          ['TAGS', 't'],
          ['own', 'ö'],
        ]),
        reconsumeTimes: 2,
      },
    ]);

  it.each(Object.keys(ways) as Way[])('work with %s', async (way) => {
    const client = clientOf(started.port, way);
    const { producerId, ...created } = await client.createProducer({ endpoint, topic: 'topic' });
    expect(created).toMatchObject({ success: true, message: 'producer for topic topic is ready' });
    const message = { producerId, messageBody: 'größe 😀' };
    const properties = { properties: { own: 'ö' }, messageKey: 'k' };
    const sent = await client.sendMessage({ ...message, tag: 't', properties });
    expect(sent).toMatchObject({ success: true, messageId: sent.receiptHandle });
    expect((await client.sendOrderedMessage({ ...message, shardingKey: 's' })).success).toBe(true);
    expect((await client.sendDelayMessage({ ...message, delayTimeLevel: 2n })).success).toBe(true);
    const transaction = await client.sendTransactionMessage(message);
    expect(transaction).toMatchObject({ success: true, transactionId: transaction.messageId });
    expect(cluster.broker.requests(SEND_MESSAGE_V2)[0]?.body.toString()).toBe('größe 😀');

    const { consumerId } = await client.createConsumer({ endpoint, topic: 'topic', groupId: 'g', tagExpression: 't' });
    arrive();
    const stream = client.receiveMessages({ consumerId })[Symbol.asyncIterator]();
    const { value: received } = await stream.next();
    expect(received).toMatchObject({
      messageId: 'ID',
      messageBody: 'größe 😀',
      tag: 't',
      properties: { UNIQ_KEY: 'ID', TAGS: 't', own: 'ö' },
      bornTimestamp: 1_700_000_000_000n,
      reconsumeTimes: 2,
    });
    const { receiptHandle } = received;
    expect(await client.ackMessage({ consumerId, receiptHandle })).toMatchObject({ success: true });
    expect(await client.cleanupProducer({ producerId })).toMatchObject({ success: true, cleanedCount: 1 });
    expect(await client.cleanupConsumer({ groupId: 'g' })).toMatchObject({ success: true, cleanedCount: 1 });
    // Its stream ends, cleanly.
    expect(await stream.next()).toMatchObject({ done: true });
    expect(await client.healthCheck({})).toMatchObject({ healthy: true });
    await expectTraces();
  });

  it('work with the published types in grpc-js', async () => {
    const client = new ProxyClient(`127.0.0.1:${started.port}`);
    onTestFinished(() => client.close());
    const producer_id = await client.createProducer('topic', { endpoint });
    const message = { producer_id, message_body: 'größe 😀' };
    await client.send('SendMessage', {
      ...message,
      tag: 't',
      properties: { properties: { own: 'ö' }, message_key: 'k' },
    });
    await client.send('SendOrderedMessage', { ...message, sharding_key: 's' });
    await client.send('SendDelayMessage', { ...message, delay_time_level: 2 });
    const { message_id, transaction_id } = await client.send('SendTransactionMessage', message);
    expect(transaction_id).toBe(message_id);

    const consumer_id = await client.createConsumer('topic', 'g', { endpoint, tag_expression: 't' });
    arrive();
    const stream = client.receive(consumer_id);
    const [received] = await stream.take(1);
    expect(received).toMatchObject({
      message_id: 'ID',
      message_body: 'größe 😀',
      tag: 't',
      properties: { UNIQ_KEY: 'ID', TAGS: 't', own: 'ö' },
      // 64-bit numbers are strings there.
      born_timestamp: '1700000000000',
      reconsume_times: 2,
    });
    await client.ack(consumer_id, { receipt_handle: received?.receipt_handle ?? '' });
    expect(await client.call('CleanupProducer', { producer_id })).toMatchObject({ success: true, cleaned_count: 1 });
    expect(await client.call('CleanupConsumer', { consumer_id })).toMatchObject({ success: true, cleaned_count: 1 });
    expect(await stream.ended()).toBeUndefined();
    expect(await client.call('HealthCheck', {})).toMatchObject({ healthy: true });
    await expectTraces();
  });
});
