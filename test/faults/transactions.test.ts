import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { type RocketMQCluster, startRocketMQ } from '../rocketmq/cluster.ts';
import { skipRocketMQ } from '../rocketmq/java.ts';
import { Row } from './figures.ts';
import { isEndReply, isHalf, isHalfReply, isOwnEnd, type KillPoint, TransactionScene } from './transactions.ts';

const killPoints: readonly KillPoint[] = [
  { name: 'before-half', isReached: isHalf, fate: 'drop', isStored: false, isEnded: false },
  { name: 'half-stored', isReached: isHalfReply, fate: 'drop', isStored: true, isEnded: false },
  { name: 'before-end', isReached: isOwnEnd, fate: 'drop', isStored: true, isEnded: true },
  { name: 'end-written', isReached: isEndReply, fate: 'drop', isStored: true, isEnded: true },
];

describe.skipIf(skipRocketMQ())('transactions of a real broker', () => {
  let cluster: RocketMQCluster;

  beforeAll(async () => {
    cluster = await startRocketMQ();
  });

  afterAll(() => cluster?.stop());

  it('R-17: producers are killed, answers get lost, checks meet ends', async () => {
    const row = new Row('R-17');
    const scene = await TransactionScene.start(cluster);
    const producers = [await scene.startOwnClient(), await scene.startProxy()];
    await scene.race(producers);
    await scene.loseAnswers(producers);
    for (const point of killPoints) {
      await scene.killProxy(point);
      await scene.killProgram(point);
    }
    const resolvedMs = await scene.resolved();
    // Some more checks, for what would be committed twice.
    await sleep(5_000);
    const checkCount = scene.checkCount;
    await sleep(5_000);
    const { history, committedTwice } = await scene.drained();
    row.judged(history);
    row
      .tell('to be committed', scene.committedCount)
      .exactly('committed twice', committedTwice.length, 0)
      .tell('questions of the broker', checkCount)
      .exactly('questions after all was resolved', scene.checkCount - checkCount, 0)
      .atMost('resolved after the last kill', resolvedMs / 1_000, 60, 's')
      .judge();
  });
});
