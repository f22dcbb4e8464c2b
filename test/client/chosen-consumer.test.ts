import { describe, expect, onTestFinished, test } from 'vitest';
import type { ConsumeMode } from '../../src/client/options.ts';
import { Deadline } from '../../src/remoting/deadline.ts';
import { RequestCode } from '../../src/remoting/request-code.ts';
import { consumerDefaults, startScriptedCluster } from '../support/scripted-cluster.ts';
import { peerVersions } from '../support/scripted-peer.ts';

const { GET_SUBSCRIPTION_GROUP_CONFIG, PULL_MESSAGE } = RequestCode;
const soon = (): Deadline => Deadline.after(10_000);
const pullReceipt = {
  ...{ clientMark: 'x', deliveryNumber: 1 },
  ...{ brokerName: 'broker-a', queueTopic: 'topic', queueId: 0, queueOffset: 0n },
};

describe('a consumer that may receive in either way', () => {
  async function openOn(version: number, mode?: ConsumeMode) {
    const cluster = await startScriptedCluster(1, version);
    onTestFinished(() => cluster.stop());
    cluster.broker.on(PULL_MESSAGE, () => undefined);
    const client = cluster.client();
    const consumer = client.consumer(consumerDefaults, mode);
    return { cluster, client, consumer, opened: consumer.open(soon()) };
  }

  test.each<[string, number, ConsumeMode | undefined, 'pop' | 'pull']>([
    ['5.x', peerVersions.v5, undefined, 'pop'],
    ['5.x', peerVersions.v5, 'pull', 'pull'],
    ['4.x', peerVersions.v4, 'auto', 'pull'],
  ])('brokers %s (%i), mode %s: by %s', async (_, version, mode, way) => {
    const { cluster, consumer, opened } = await openOn(version, mode);
    expect(await opened).toBe(true);
    // Only POP reads the group of 4.x; by pull a member joins its group with its first stream.
    const isGroupRead = cluster.broker.requests(GET_SUBSCRIPTION_GROUP_CONFIG).length > 0;
    expect(isGroupRead).toBe(version === peerVersions.v5);
    const ending = new AbortController();
    const next = consumer.stream({ messagesMax: 10, signal: ending.signal }).next();
    const asks = way === 'pull' ? RequestCode.GET_CONSUMER_LIST_BY_GROUP : RequestCode.POP_MESSAGE;
    await cluster.broker.request(asks);
    ending.abort();
    expect(await next).toMatchObject({ done: true });
    await consumer.close();
  });

  test('POP where brokers run 4.x is refused', async () => {
    const { opened } = await openOn(peerVersions.v4, 'pop');
    await expect(opened).rejects.toMatchObject({ kind: 'unsupported' });
  });

  test('counts once until it is closed, and takes receipts of either kind, open or not', async () => {
    const cluster = await startScriptedCluster();
    onTestFinished(() => cluster.stop());
    const client = cluster.client();
    const consumer = client.consumer(consumerDefaults);
    expect(client.consumerCount).toBe(1);
    expect(() => consumer.stream({ messagesMax: 1, signal: AbortSignal.abort() })).toThrow('open it first');
    await expect(consumer.ack(pullReceipt, soon())).rejects.toMatchObject({ kind: 'expired' });
    expect(() => consumer.ackNow?.(pullReceipt)).toThrow(expect.objectContaining({ kind: 'expired' }));
    await expect(consumer.nack(pullReceipt, 0, soon())).rejects.toMatchObject({ kind: 'expired' });
    await expect(consumer.changeInvisibleDuration(pullReceipt, 1_000, soon())).rejects.toMatchObject({
      kind: 'expired',
    });
    await consumer.close();
    expect(client.consumerCount).toBe(0);
  });
});
