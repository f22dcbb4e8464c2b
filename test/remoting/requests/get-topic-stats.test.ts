import { expect, test } from 'vitest';
import {
  decodeTopicStats,
  encodeTopicStats,
  getTopicStats,
  writeMessageQueue,
} from '../../../src/remoting/requests/get-topic-stats.ts';
import { blankCommand } from '../../support/loopback-server.ts';

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

test('what is written is read again; what is left out is 0', () => {
  const stats = { queue, minOffset: 2, maxOffset: 5, lastUpdateTimestampMs: 7 };
  const read = (body: Buffer) => decodeTopicStats({ ...blankCommand, body }, 'h:1');
  expect(read(encodeTopicStats([stats, { ...stats, queue: { ...queue, queueId: 2 } }], 0))).toEqual([
    stats,
    { ...stats, queue: { ...queue, queueId: 2 } },
  ]);
  expect(read(Buffer.from('{"offsetTable":{{"brokerName":"broker-a","queueId":1,"topic":"T"}:{}}}'))).toEqual([
    { queue, minOffset: 0, maxOffset: 0, lastUpdateTimestampMs: 0 },
  ]);
  expect(read(Buffer.from('{}'))).toEqual([]);
  expect(() => decodeTopicStats({ ...blankCommand, code: 17 }, 'h:1')).toThrow(expect.objectContaining({ code: 17 }));
});
