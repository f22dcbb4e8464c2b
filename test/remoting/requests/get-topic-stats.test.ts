import { expect, test } from 'vitest';
import { encodeTopicStats, getTopicStats, writeMessageQueue } from '../../../src/remoting/requests/get-topic-stats.ts';

const queue = { topic: 'T', brokerName: 'broker-a', queueId: 1 };

test('GET_TOPIC_STATS_INFO has the code and the field that Java writes', () => {
  expect(getTopicStats.encode({ topic: 'T' })).toEqual({ code: 202, extFields: { topic: 'T' } });
});

test('queues are keys of the table, as fastjson writes them', () => {
  const stats = { queue, minOffset: 2, maxOffset: 5, lastUpdateTimestampMs: 7 };
  expect(encodeTopicStats([stats], 0.5).toString()).toBe(
    '{"offsetTable":{{"brokerName":"broker-a","queueId":1,"topic":"T"}:' +
      '{"lastUpdateTimestamp":7,"maxOffset":5,"minOffset":2}},"topicPutTps":0.5}',
  );
  expect(encodeTopicStats([], 0).toString()).toBe('{"offsetTable":{},"topicPutTps":0}');
  expect(writeMessageQueue(queue)).toEqual(queue);
});
