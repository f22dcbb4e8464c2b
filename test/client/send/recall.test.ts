import { expect, onTestFinished, test } from 'vitest';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { startTestBroker } from '../../../src/testing/test-broker.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { outgoing, RealClients, soon } from '../../support/real-client.ts';
import { startScriptedCluster } from '../../support/scripted-cluster.ts';

function handleOf(...parts: readonly string[]): string {
  return Buffer.from(parts.join(' ')).toString('base64url');
}

test('a message that was taken back never comes; one whose time has come cannot be', async () => {
  const clock = new VirtualClock();
  const broker = await startTestBroker({ clock });
  onTestFinished(() => broker.close());
  const clients = new RealClients(broker.nameServer);
  onTestFinished(() => clients.close());
  await broker.createTopic('topic');
  await broker.createTopic('other');
  const client = clients.create();
  const deliverTimestampMs = Date.now() + 3_600_000;
  const delivery = { kind: 'time', deliverTimestampMs } as const;
  const kept = await client.producer.send(outgoing('topic', 'kept', { delivery }), soon());
  const sent = await client.producer.send(outgoing('topic', 'taken back', { delivery }), soon());
  const handle = sent.recallHandle ?? '';
  await expect(client.recalls.recall('other', handle, soon())).rejects.toMatchObject({ kind: 'expired' });
  expect(await client.recalls.recall('topic', handle, soon())).toBe(sent.messageId);
  await clock.advance(deliverTimestampMs - clock.now() + 1_000);
  await expect.poll(() => broker.messages('topic').map(({ body }) => body.toString())).toEqual(['kept']);
  await expect(client.recalls.recall('topic', kept.recallHandle ?? '', soon())).rejects.toMatchObject({
    kind: 'expired',
    cause: { code: ResponseCode.ILLEGAL_OPERATION },
  });
  const plain = await client.producer.send(outgoing('topic', 'at once'), soon());
  expect(plain.recallHandle).toBeUndefined();
});

test('what is no handle is refused here, as is one of a broker that the topic is not at', async () => {
  const cluster = await startScriptedCluster();
  onTestFinished(() => cluster.stop());
  const { recalls } = cluster.client();
  for (const handle of ['', 'no handle', handleOf('v1'), handleOf('v2', 'topic', 'broker-a', '1', 'ID')]) {
    await expect(recalls.recall('topic', handle, soon())).rejects.toMatchObject({ kind: 'invalid' });
  }
  const foreign = handleOf('v1', 'topic', 'broker-z', '1', 'ID');
  await expect(recalls.recall('topic', foreign, soon())).rejects.toMatchObject({ kind: 'noBroker' });
  const good = handleOf('v1', 'topic', 'broker-a', '1', 'ID');
  await expect(recalls.recall('unknown', good, soon())).rejects.toMatchObject({ kind: 'noRoute' });
  expect(cluster.broker.requests(RequestCode.RECALL_MESSAGE)).toEqual([]);
});

test.each([
  [ResponseCode.REQUEST_CODE_NOT_SUPPORTED, 'request type 370 not supported', { kind: 'unsupported' }, 'RocketMQ 5.3'],
  [ResponseCode.NO_PERMISSION, 'recall failed, operation is forbidden', { kind: 'unsupported' }, 'recallMessageEnable'],
  [ResponseCode.NO_PERMISSION, 'User:x has no permission', { kind: 'denied' }, 'rights to this topic'],
  [ResponseCode.SYSTEM_ERROR, 'recall failed, execute error', { code: ResponseCode.SYSTEM_ERROR }, 'execute error'],
])('a broker that refuses with %i, "%s", is understood', async (code, remark, outcome, text) => {
  const cluster = await startScriptedCluster();
  onTestFinished(() => cluster.stop());
  cluster.broker.on(RequestCode.RECALL_MESSAGE, () => ({ code, remark }));
  const recall = cluster.client().recalls.recall('topic', handleOf('v1', 'topic', 'broker-a', '1', 'ID'), soon());
  await expect(recall).rejects.toMatchObject(outcome);
  await expect(recall).rejects.toThrow(text);
});
