import { describe, expect, it } from 'vitest';
import { redeliveredRecord } from '../../../src/broker/pop/redelivered-record.ts';
import { decodeStoredMessages, encodeStoredMessage, type StoredMessage } from '../../../src/remoting/stored-message.ts';

const message: StoredMessage = {
  topic: 'orders',
  queueId: 3,
  queueOffset: 7n,
  commitLogOffset: 1_234n,
  flag: 1,
  sysFlag: 0,
  bornTimestampMs: 1_700_000_000_000,
  bornHost: '127.0.0.1:50000',
  storeTimestampMs: 1_700_000_000_001,
  storeHost: '127.0.0.1:10911',
  reconsumeTimes: 0,
  preparedTransactionOffset: 9n,
  bodyCrc: 0,
  body: Buffer.from('body'),
  properties: new Map([['KEYS', 'k']]),
};

describe('redeliveredRecord', () => {
  it.each([
    ['127.0.0.1:50000', '127.0.0.1:10911'],
    ['[2001:db8::1]:50000', '127.0.0.1:10911'],
    ['127.0.0.1:50000', '[2001:db8::2]:10911'],
    ['[2001:db8::1]:50000', '[2001:db8::2]:10911'],
  ])('counts, and changes nothing else, from %s to %s', (bornHost, storeHost) => {
    const record = encodeStoredMessage({ ...message, bornHost, storeHost, reconsumeTimes: 2 });
    const before = Buffer.from(record);
    const [expected] = decodeStoredMessages(record);
    expect(decodeStoredMessages(redeliveredRecord(record, 3))).toEqual([{ ...expected, reconsumeTimes: 5 }]);
    expect(record).toEqual(before);
  });
});
