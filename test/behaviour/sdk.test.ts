import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { MessageData } from '../../src/sdk/message.ts';
import { MessageProperties } from '../../src/sdk/message-properties.ts';
import { MQClient } from '../../src/sdk/mq-client.ts';
import type { MQConfig } from '../../src/sdk/mq-config.ts';
import { Changes } from '../support/changes.ts';
import type { TestedProxy } from '../support/proxy-process.ts';
import { describeOnTarget, startProxy, startTarget, type Target } from './target.ts';

describeOnTarget('the Node SDK', () => {
  let cluster: Target;
  let proxy: TestedProxy;

  beforeAll(async () => {
    cluster = await startTarget();
    proxy = await startProxy({});
  });

  afterAll(async () => {
    await proxy?.stop();
    await cluster?.stop();
  });

  describe.each([{ way: 'proxy' }])('by $way', () => {
    const config = (changes: Partial<MQConfig> = {}): MQConfig => ({
      endpoint: `http://${cluster.nameServer}`,
      accessKeyId: '',
      accessKeySecret: '',
      instanceId: '',
      grpcEndpoint: proxy.address,
      ...changes,
    });

    test('publishes, receives and acknowledges', async () => {
      const client = new MQClient(config());
      onTestFinished(() => client.close());
      await cluster.createTopic('sdk-first');
      const consumer = await client.getConsumer('', 'sdk-first', 'sdk-first-group');
      const producer = await client.getProducer('', 'sdk-first');
      const got: MessageData[] = [];
      const changes = new Changes();
      consumer.onMessage(async (message) => {
        await consumer.ackMessage(message.receiptHandle);
        got.push(message);
        changes.notify();
      });
      consumer.startReceiving();
      const sent = await producer.publishMessage({ order: 1 }, 'created', new MessageProperties().messageKey('k'));
      await changes.until(
        () => (got.length > 0 ? true : undefined),
        30_000,
        () => 'nothing came',
      );
      expect(got[0]).toMatchObject({
        messageId: sent.messageId,
        body: '{"order":1}',
        tag: 'created',
        reconsumeTimes: 0,
      });
    });
  });
});
