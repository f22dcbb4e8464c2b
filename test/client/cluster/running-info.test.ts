import { expect, test } from 'vitest';
import { consumerStatusAnswer, runningInfoAnswer } from '../../../src/client/cluster/running-info.ts';
import type { PullGroup, QueueProgress } from '../../../src/client/pull/pull-groups.ts';
import { readJsonObject } from '../../../src/remoting/json.ts';
import { readQueueTable } from '../../../src/remoting/message-queues.ts';

const progress: QueueProgress = {
  commitOffset: 4n,
  cachedCount: 0,
  cachedBytes: 1_048_575,
  cachedMinOffset: 0n,
  cachedMaxOffset: 0n,
  lastPullTimestampMs: 0,
  lastConsumeTimestampMs: 0,
};

const queueOf = (topic: string, queueId: number) => ({ topic, brokerName: 'b', queueId });

const member: PullGroup = {
  group: 'readers',
  orderly: true,
  startTimestampMs: 1_700_000_000_000,
  progress: new Map([
    [queueOf('one', 0), progress],
    [queueOf('one', 1), undefined],
    [queueOf('two', 0), progress],
  ]),
  membersChanged: () => {},
  reset: async () => {},
};

test('a status has the queues of the topic of which something is known', () => {
  const status = readJsonObject(Buffer.from(consumerStatusAnswer('one', member).body ?? []), 'status');
  expect(readQueueTable(status, 'messageQueueTable')).toEqual([[queueOf('one', 0), 4]]);
  const none = readJsonObject(Buffer.from(consumerStatusAnswer('one', undefined).body ?? []), 'status');
  expect(none).toEqual({ messageQueueTable: {}, consumerTable: {} });
});

test('running info of a group in order says so of it and of its queues', () => {
  const info = readJsonObject(Buffer.from(runningInfoAnswer(undefined, member).body ?? []), 'info');
  expect(info['properties']).toMatchObject({
    PROP_CONSUMEORDERLY: 'true',
    PROP_CONSUMER_START_TIMESTAMP: '1700000000000',
  });
  expect(readQueueTable(info, 'mqTable').map(([, row]) => row)).toEqual(
    [0, 1].map(() => expect.objectContaining({ locked: true, commitOffset: 4, cachedMsgSizeInMiB: 0 })),
  );
});
