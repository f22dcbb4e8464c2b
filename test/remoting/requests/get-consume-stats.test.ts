import { expect, test } from 'vitest';
import {
  decodeConsumeStats,
  encodeConsumeStats,
  getConsumeStats,
} from '../../../src/remoting/requests/get-consume-stats.ts';
import { blankCommand } from '../../support/loopback-server.ts';

test('GET_CONSUME_STATS has the code and the fields that Java writes', () => {
  expect(getConsumeStats.encode({ consumerGroup: 'g', topic: 'T', topics: 'T;U' })).toEqual({
    code: 208,
    extFields: { consumerGroup: 'g', topic: 'T', topicList: 'T;U' },
  });
});

test('queues are keys of the table, as fastjson writes them', () => {
  const queue = { topic: 'T', brokerName: 'broker-a', queueId: 1 };
  const consumed = { queue, brokerOffset: 9, consumerOffset: 5, pullOffset: 7, lastTimestampMs: 3 };
  expect(encodeConsumeStats([consumed], 1.5).toString()).toBe(
    '{"consumeTps":1.5,"offsetTable":{{"brokerName":"broker-a","queueId":1,"topic":"T"}:' +
      '{"brokerOffset":9,"consumerOffset":5,"lastTimestamp":3,"pullOffset":7}}}',
  );
});

test('what is written is read again', () => {
  const queue = { topic: 'T', brokerName: 'broker-a', queueId: 1 };
  const consumed = { queue, brokerOffset: 9, consumerOffset: 5, pullOffset: 7, lastTimestampMs: 3 };
  const read = (body: Buffer) => decodeConsumeStats({ ...blankCommand, body }, 'h:1');
  expect(read(encodeConsumeStats([consumed], 0))).toEqual([consumed]);
  expect(read(Buffer.from('{}'))).toEqual([]);
  const wrong = '{"offsetTable":{{"brokerName":"broker-a","queueId":1,"topic":"T"}:{"brokerOffset":"x"}}}';
  expect(() => read(Buffer.from(wrong))).toThrow(expect.objectContaining({ kind: 'malformed' }));
  expect(() => decodeConsumeStats({ ...blankCommand, code: 1 }, 'h:1')).toThrow(expect.objectContaining({ code: 1 }));
});
