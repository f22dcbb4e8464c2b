import { afterAll, beforeAll, describe, it, onTestFinished } from 'vitest';
import { quickRedelivery, type RocketMQCluster, startRocketMQ } from '../rocketmq/cluster.ts';
import { skipRocketMQ } from '../rocketmq/java.ts';
import { leftBehindByPop, leftBehindByPull } from './left-behind.ts';
import { poisonOn } from './poison.ts';
import { racesOn } from './races.ts';
import { stageOn, stageOnEngine } from './stages.ts';

it('R-15: a consumer dies with 1,000 messages that it has not acknowledged, by POP from the engine', async () => {
  await leftBehindByPop(await stageOnEngine('pop'), 500);
});

describe.skipIf(skipRocketMQ())('receivers of a real broker 5.5.0', () => {
  let cluster: RocketMQCluster;

  beforeAll(async () => {
    cluster = await startRocketMQ();
  });

  afterAll(() => cluster?.stop());

  it('R-20: renewals, late acks, double acks, acks after the end, by POP', async () => {
    await racesOn(stageOn(cluster, 'pop'));
  });

  it('R-21: messages that no handler can bear, by POP', async () => {
    await poisonOn(stageOn(cluster, 'pop'));
  });

  it('R-15: a consumer dies with 1,000 messages that it has not acknowledged, by pull', async () => {
    await leftBehindByPull(stageOn(cluster, 'pull'));
  });

  // A broker with default settings looks 2 s after the end of the time at the earliest, rests up to 3 s between two looks
  // (reviveMaxSlow, Java `PopReviveService`), and copies message by message: no client can have them sooner.
  it('R-15: the same by POP', async () => {
    await leftBehindByPop(stageOn(cluster, 'pop'), 7_000);
  });

  it('R-15: the same by POP, where the broker keeps what is invisible in a key-value store', async () => {
    const brokerConfig = { ...quickRedelivery, brokerName: 'broker-b' };
    const quick = await startRocketMQ({ joins: cluster, brokerConfig });
    onTestFinished(() => quick.stop());
    await leftBehindByPop(stageOn(quick, 'pop', 'in a key-value store'), 4_000);
  });
});

describe.skipIf(skipRocketMQ())('receivers of a real broker 4.9.7', () => {
  let cluster: RocketMQCluster;

  beforeAll(async () => {
    cluster = await startRocketMQ({ version: '4.9.7' });
  });

  afterAll(() => cluster?.stop());

  it('R-20: renewals, late acks, double acks, acks after the end, by pull', async () => {
    await racesOn(stageOn(cluster, 'pull'));
  });

  it('R-21: messages that no handler can bear, by pull', async () => {
    await poisonOn(stageOn(cluster, 'pull'));
  });

  it('R-15: a consumer dies with 1,000 messages that it has not acknowledged, by pull', async () => {
    await leftBehindByPull(stageOn(cluster, 'pull'));
  });
});
