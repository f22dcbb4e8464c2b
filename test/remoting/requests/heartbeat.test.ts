import { expect, test } from 'vitest';
import { decodeHeartbeatReply, encodeHeartbeat } from '../../../src/remoting/requests/heartbeat.ts';
import { unregisterClient } from '../../../src/remoting/requests/unregister-client.ts';
import { capturedCommand } from '../../support/captured-command.ts';
import { blankCommand } from '../../support/loopback-server.ts';

/** What Java's `HeartbeatData.encode()` (5.5.0) writes for a client with one producer group and one group that receives by POP. */
const javaBody =
  '{"clientID":"c@1","consumerDataSet":[{"consumeFromWhere":"CONSUME_FROM_LAST_OFFSET","consumeType":"CONSUME_POP","groupName":"g",' +
  '"messageModel":"CLUSTERING","subscriptionDataSet":[{"classFilterMode":false,"codeSet":[],"expressionType":"TAG","subString":"*",' +
  '"subVersion":1700000000123,"tagsSet":[],"topic":"T"}],"unitMode":false}],"heartbeatFingerprint":0,' +
  '"producerDataSet":[{"groupName":"pg"}],"withoutSub":false}';

test('HEART_BEAT says what Java says', () => {
  const content = encodeHeartbeat({
    clientId: 'c@1',
    producerGroups: ['pg'],
    consumers: [{ groupName: 'g', subscriptions: [{ topic: 'T', expression: '*', version: 1_700_000_000_123 }] }],
  });
  expect(content).toMatchObject({ code: 34, extFields: {} });
  expect(JSON.parse(Buffer.from(content.body ?? []).toString())).toEqual(JSON.parse(javaBody));
});

test('HEART_BEAT of a client without groups has empty sets', () => {
  const { body } = encodeHeartbeat({ clientId: 'c', producerGroups: [], consumers: [] });
  expect(JSON.parse(Buffer.from(body ?? []).toString())).toMatchObject({ producerDataSet: [], consumerDataSet: [] });
});

test('HEART_BEAT takes the reply of any version', () => {
  for (const name of ['heartbeat-4.9.7', 'heartbeat-5.5.0']) {
    expect(decodeHeartbeatReply(capturedCommand(name), 'h:1')).toEqual({});
  }
  expect(() => decodeHeartbeatReply({ ...blankCommand, code: 1 }, 'h:1')).toThrow(expect.objectContaining({ code: 1 }));
});

test('UNREGISTER_CLIENT has the code and the fields that Java writes', () => {
  expect(unregisterClient.encode({ clientId: 'c@1', producerGroup: 'pg', consumerGroup: 'g' })).toEqual({
    code: 35,
    extFields: { clientID: 'c@1', consumerGroup: 'g', producerGroup: 'pg' },
  });
});
