import { afterAll, beforeAll, expect, test } from 'vitest';
import { outgoing, Reader, RealClients, soon } from '../support/real-client.ts';
import { describeOnTarget, startTarget, type Target } from './target.ts';

describeOnTarget('recall of delayed messages', () => {
  let cluster: Target;
  let clients: RealClients;

  beforeAll(async () => {
    cluster = await startTarget({ apache: { recallMessageEnable: true } });
    clients = new RealClients(cluster.nameServer);
  });

  afterAll(async () => {
    await clients?.close();
    await cluster?.stop();
  });

  test('what was taken back in time is not delivered', async () => {
    const client = clients.create();
    await cluster.createTopic('recalled', { queueCount: 1, messageType: 'DELAY' });
    const reader = await Reader.open(client, { group: 'g-recalled', topic: 'recalled' });
    const later = (seconds: number) =>
      ({ delivery: { kind: 'time', deliverTimestampMs: Date.now() + seconds * 1_000 } }) as const;
    const recalled = await client.producer.send(outgoing('recalled', 'recalled', later(6)), soon());
    expect(recalled.recallHandle).toBeDefined();
    await client.producer.send(outgoing('recalled', 'kept', later(7)), soon());
    const messageId = await client.recalls.recall('recalled', recalled.recallHandle ?? '', soon());
    expect(messageId).toBe(recalled.messageId);
    await reader.count(1);
    expect(reader.bodies).toEqual(['kept']);
    await expect(client.recalls.recall('recalled', recalled.recallHandle ?? '', soon())).rejects.toMatchObject({
      kind: 'expired',
    });
    await reader.stop();
  });
});
