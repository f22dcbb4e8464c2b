import { expect, test } from 'vitest';
import { newTopic } from '../../../src/broker/topics.ts';
import { decodeLockedQueues, encodeLockBatch, encodeUnlockBatch } from '../../../src/remoting/requests/lock-batch.ts';
import { connectEngine, startTestEngine } from '../../support/engine-client.ts';

function queue(queueId: number, more: { topic?: string; brokerName?: string } = {}) {
  return { topic: 'T', brokerName: 'broker-a', queueId, ...more };
}

test('queues are locked for one client, and given back', async () => {
  const broker = await startTestEngine();
  await broker.engine.topics.put(newTopic('T', 4), broker.engine.state);
  const client = await connectEngine(broker.brokerAddress);
  const batch = (clientId: string, ...queues: ReturnType<typeof queue>[]) => ({ consumerGroup: 'g', clientId, queues });
  const lock = async (...given: Parameters<typeof batch>) =>
    decodeLockedQueues(await client.invoke(encodeLockBatch(batch(...given))), 'engine');
  expect(await lock('a', queue(0), queue(1))).toEqual([queue(0), queue(1)]);
  expect(await lock('b', queue(1), queue(2))).toEqual([queue(2)]);
  expect((await client.invoke(encodeUnlockBatch(batch('a', queue(1))))).code).toBe(0);
  expect(await lock('b', queue(0), queue(1))).toEqual([queue(1)]);
  client.channel.sendOneWay(encodeUnlockBatch(batch('a', queue(0))));
  expect(await lock('b', queue(0))).toEqual([queue(0)]);
});

test('queues that do not exist are nobody’s', async () => {
  const broker = await startTestEngine();
  await broker.engine.topics.put(newTopic('T', 2), broker.engine.state);
  const client = await connectEngine(broker.brokerAddress);
  const queues = [queue(-1), queue(1), queue(2), queue(0, { topic: 'U' }), queue(0, { brokerName: 'broker-b' })];
  const reply = await client.invoke(encodeLockBatch({ consumerGroup: 'g', clientId: 'a', queues }));
  expect(decodeLockedQueues(reply, 'engine')).toEqual([queue(1)]);
});

test('a body that is no batch is refused', async () => {
  const broker = await startTestEngine();
  const client = await connectEngine(broker.brokerAddress);
  for (const code of [41, 42]) {
    for (const body of ['', '{}', '[1]', '{"consumerGroup":"g","clientId":"c","mqSet":[5]}']) {
      expect((await client.invoke({ code, extFields: {}, body: Buffer.from(body) })).code).toBe(29);
    }
  }
});
