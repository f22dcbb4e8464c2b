import { expect, test, vi } from 'vitest';
import { queryConsumerOffset, updateConsumerOffset } from '../../../src/remoting/requests/consumer-offset.ts';
import { startPullClient } from '../../support/pull-client.ts';
import { StreamReader } from '../../support/stream-reader.ts';

test('what comes again of a topic that nobody reads here is sent back, with a warning, and not lost', async () => {
  const { open, send, wire, log } = await startPullClient();
  await send('own', 'first');
  const properties = { RETRY_TOPIC: 'foreign', UNIQ_KEY: 'ID' };
  const consumer = await open('g', 'own');
  const reader = StreamReader.acking(consumer);
  await reader.count(1);
  await wire.send('%RETRY%g', 'not ours', { properties, reconsumeTimes: 1 });
  await vi.waitUntil(() => log.troubles.some((text) => text.includes('does not read here')), { timeout: 10_000 });
  await reader.stop();
  await consumer.close();
  const { offset } = await wire.ask(queryConsumerOffset, { consumerGroup: 'g', topic: '%RETRY%g', queueId: 0 });
  expect(offset).toBe(1n);
  expect(reader.bodies).toEqual(['first']);
});

test('goes on from where an operator moved its group while it does not read', async () => {
  const { open, send, wire } = await startPullClient();
  await send('topic', '0');
  const consumer = await open('g', 'topic');
  const reader = StreamReader.acking(consumer);
  await reader.count(1);
  await reader.stop();
  for (let queueId = 0; queueId < 4; queueId += 1) {
    await wire.ask(updateConsumerOffset, { consumerGroup: 'g', topic: 'topic', queueId, commitOffset: 0n });
  }
  const again = StreamReader.acking(consumer);
  await again.count(1);
  expect(again.bodies).toEqual(['0']);
  await again.stop();
});
