import { expect, onTestFinished, test } from 'vitest';
import { RocketMQClient } from '../../../src/client/api/rocketmq-client.ts';
import { decodeBatch } from '../../../src/remoting/message-batch.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { routesScript, startScriptedCluster } from '../../support/scripted-cluster.ts';

test('a batch that is stored in part says of each message how it fared, by names as users have them', async () => {
  const cluster = await startScriptedCluster();
  onTestFinished(() => cluster.stop());
  cluster.nameServer.on(RequestCode.GET_ROUTEINFO_BY_TOPIC, routesScript({ 'shop%orders': cluster.queues }));
  cluster.broker.on(RequestCode.SEND_BATCH_MESSAGE, ({ body, extFields }) =>
    decodeBatch(body)[0]?.body.toString() === 'c'
      ? { code: ResponseCode.MESSAGE_ILLEGAL, remark: 'no' }
      : {
          extFields: { msgId: `${'0'.repeat(32)},${'1'.repeat(32)}`, queueId: extFields['e'] ?? '', queueOffset: '7' },
        },
  );
  const client = new RocketMQClient({ nameServers: cluster.nameServer.address, namespace: 'shop', batchCountMax: 2 });
  onTestFinished(() => client.close());
  const messages = ['a', 'b', 'c', 'd'].map((body) => ({ topic: 'orders', body, shardingKey: 'one' }));
  const stored = (queueOffset: bigint, digit: string) => ({
    state: 'stored',
    messageId: expect.any(String),
    result: {
      messageId: expect.any(String),
      offsetMessageId: digit.repeat(32),
      queue: { topic: 'orders', brokerName: 'broker-a', queueId: expect.any(Number) },
      queueOffset,
    },
  });
  const notStored = { state: 'notStored', messageId: expect.any(String) };
  const failure: unknown = await client
    .producer()
    .sendBatch(messages)
    .catch((error: unknown) => error);
  expect(failure).toMatchObject({ name: 'RocketMQError', brokerCode: ResponseCode.MESSAGE_ILLEGAL });
  expect(failure).toHaveProperty('outcomes', [stored(7n, '0'), stored(8n, '1'), notStored, notStored]);
  await expect(client.producer().sendBatch([])).rejects.toHaveProperty('outcomes', undefined);
});
