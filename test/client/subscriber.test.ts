import { expect, test } from 'vitest';
import { receiptTopic } from '../../src/client/subscriber.ts';

test('a retried message lies in the retry topic of its group, in one of two forms', () => {
  const receipt = {
    startOffset: 0n,
    popTimeMs: 0,
    invisibleDurationMs: 0,
    reviveQueueId: 0,
    brokerName: 'broker-a',
    queueId: 0,
    queueOffset: 0n,
  };
  const topics = (['0', '1', '2'] as const).map((retry) =>
    receiptTopic({ group: 'g_1', topic: 't_1' }, { ...receipt, retry }),
  );
  expect(topics).toEqual(['t_1', '%RETRY%g_1_t_1', '%RETRY%g_1+t_1']);
});
