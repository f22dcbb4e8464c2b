import { expect, test } from 'vitest';
import { pushReplyMessage } from '../../../src/remoting/requests/push-reply-message.ts';
import { blankCommand } from '../../support/loopback-server.ts';

test('has the fields that Java requires', () => {
  const values = {
    producerGroup: 'pg',
    topic: 'T',
    defaultTopic: 'TBW102',
    defaultTopicQueueCount: 4,
    queueId: 0,
    sysFlag: 0,
    bornTimestampMs: 1,
    flag: 0,
    bornHost: '127.0.0.1:1',
    storeHost: '127.0.0.1:2',
    storeTimestampMs: 2,
  };
  expect(pushReplyMessage.encode(values)).toEqual({
    code: 326,
    extFields: {
      producerGroup: 'pg',
      topic: 'T',
      defaultTopic: 'TBW102',
      defaultTopicQueueNums: '4',
      queueId: '0',
      sysFlag: '0',
      bornTimestamp: '1',
      flag: '0',
      bornHost: '127.0.0.1:1',
      storeHost: '127.0.0.1:2',
      storeTimestamp: '2',
    },
  });
});

test('is read without the fields that brokers hand on only where they got them', () => {
  const { extFields } = pushReplyMessage.encode({
    producerGroup: 'pg',
    topic: 'T',
    queueId: 0,
    sysFlag: 0,
    bornTimestampMs: 1,
    flag: 0,
    bornHost: '127.0.0.1:1',
    storeHost: '127.0.0.1:2',
    storeTimestampMs: 2,
  });
  const read = pushReplyMessage.decode({ ...blankCommand, extFields });
  expect(read).toMatchObject({ producerGroup: 'pg', storeTimestampMs: 2 });
  expect(read.defaultTopic).toBeUndefined();
});
