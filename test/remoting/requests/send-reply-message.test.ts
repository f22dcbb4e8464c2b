import { expect, test } from 'vitest';
import { sendReplyMessage, sendReplyMessageV1 } from '../../../src/remoting/requests/send-reply-message.ts';
import { blankCommand } from '../../support/loopback-server.ts';

const values = {
  producerGroup: 'pg',
  topic: 'DefaultCluster_REPLY_TOPIC',
  queueId: 0,
  sysFlag: 0,
  bornTimestampMs: 1_700_000_000_123,
  flag: 0,
  properties: 'REPLY_TO_CLIENT\u0001c\u0002',
};

test('has the fields of a send, under codes of its own', () => {
  const short = sendReplyMessage.encode(values, Buffer.from('body'));
  expect(short).toMatchObject({ code: 325, extFields: { a: 'pg', b: values.topic, i: values.properties } });
  expect(Buffer.from(short.body ?? []).toString()).toBe('body');
  const long = sendReplyMessageV1.encode(values);
  expect(long).toMatchObject({ code: 324, extFields: { producerGroup: 'pg', topic: values.topic } });
  expect(sendReplyMessage.decode({ ...blankCommand, extFields: short.extFields })).toEqual(values);
  expect(sendReplyMessageV1.decode({ ...blankCommand, extFields: long.extFields })).toEqual(values);
  expect([sendReplyMessage, sendReplyMessageV1].map(({ code }) => code)).toEqual([325, 324]);
});
