import { afterAll, beforeAll, describe, it, onTestFinished } from 'vitest';
import { type Config, quickRedelivery, type RocketMQCluster, startRocketMQ } from '../rocketmq/cluster.ts';
import { type RocketMQVersion, skipRocketMQ } from '../rocketmq/java.ts';
import { startProxyProcess } from '../support/proxy-process.ts';
import { keepaliveSettings, leftBehindAtProxy } from './left-behind-at-proxy.ts';
import { stageOnEngine } from './stages.ts';

async function startTestedProxy(nameServer: string) {
  const proxy = await startProxyProcess({ ROCKETMQ_ENDPOINT: nameServer, ...keepaliveSettings });
  onTestFinished(() => proxy.stop());
  return proxy;
}

it('R-15: a client dies with 1,000 messages that it has not acknowledged, another one is frozen: the engine', async () => {
  const { nameServer, createTopic } = await stageOnEngine('pop');
  const proxy = await startTestedProxy(nameServer);
  await leftBehindAtProxy({ title: 'engine', proxy, createTopic, againMsMax: 1_000 });
});

describe.skipIf(skipRocketMQ()).each<[RocketMQVersion, string, Config, number]>([
  // Its own way: it looks 2 s after the end of the time, rests up to 3 s between two looks, and copies message by message.
  ['5.5.0', '', {}, 7_000],
  ['5.5.0', ' in a key-value store', quickRedelivery, 4_000],
  ['4.9.7', '', {}, 4_000],
])('clients of a proxy before RocketMQ %s%s', (version, note, brokerConfig, againMsMax) => {
  let cluster: RocketMQCluster;

  beforeAll(async () => {
    cluster = await startRocketMQ({ version, brokerConfig });
  });

  afterAll(() => cluster?.stop());

  it('R-15: the same', async () => {
    const proxy = await startTestedProxy(cluster.nameServer);
    const createTopic = (topic: string): Promise<void> => cluster.createTopic(topic);
    await leftBehindAtProxy({ title: `${version}${note}`, proxy, createTopic, againMsMax });
  });
});
