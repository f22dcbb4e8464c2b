import { expect, onTestFinished, test } from 'vitest';
import { channelOf, pullMessages, queueKey } from '../../../src/client/pull/pull-requests.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { encodeStoredMessage } from '../../../src/remoting/stored-message.ts';
import { pullParts } from '../../support/pull-parts.ts';
import { storedAt } from '../../support/pulled-messages.ts';
import { startScriptedCluster } from '../../support/scripted-cluster.ts';

const queue = { topic: 'topic', brokerName: 'broker-a', queueId: 1 };
const soon = (): Deadline => Deadline.after(10_000);

test('a queue has a name of its own', () => {
  const others = [
    { ...queue, topic: 'x' },
    { ...queue, brokerName: 'x' },
    { ...queue, queueId: 2 },
  ];
  expect(new Set([queue, ...others].map(queueKey)).size).toBe(4);
});

test('the broker of a queue whose topic or broker is gone cannot be had', async () => {
  const cluster = await startScriptedCluster();
  onTestFinished(() => cluster.stop());
  const parts = pullParts(cluster);
  await expect(channelOf(parts.cluster, { ...queue, topic: 'other' }, soon())).rejects.toMatchObject({
    kind: 'noRoute',
  });
  await expect(channelOf(parts.cluster, { ...queue, brokerName: 'x' }, soon())).rejects.toMatchObject({
    kind: 'noBroker',
  });
});

test('a pull leaves out what is damaged', async () => {
  const cluster = await startScriptedCluster();
  onTestFinished(() => cluster.stop());
  const parts = pullParts(cluster);
  const damaged = encodeStoredMessage(storedAt(4, { bodyCrc: 1 }));
  const body = Buffer.concat([damaged, encodeStoredMessage(storedAt(5))]);
  const extFields = { suggestWhichBrokerId: '0', nextBeginOffset: '6', minOffset: '0', maxOffset: '6' };
  cluster.broker.on(RequestCode.PULL_MESSAGE, () => ({ extFields, body }));
  const pull = {
    group: 'g',
    queue,
    offset: 4n,
    suspendDurationMs: 1_000,
    expression: '*',
    expressionType: 'TAG',
    subscriptionVersion: 1,
  } as const;
  const damages: Error[] = [];
  const channel = await channelOf(parts.cluster, queue, soon());
  const pulled = await pullMessages(pull, channel, new AbortController().signal, (error) => damages.push(error));
  expect(pulled).toMatchObject({ outcome: 'found', nextOffset: 6n, messages: [{ queueOffset: 5n }] });
  expect(damages).toHaveLength(1);
  expect(cluster.broker.requests(RequestCode.PULL_MESSAGE)[0]?.extFields).toMatchObject({ sysFlag: '6' });
});
