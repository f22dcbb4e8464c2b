import { expect, test } from 'vitest';
import {
  decodeSubscriptionGroup,
  getSubscriptionGroup,
  retryMaxTimesDefault,
} from '../../../src/remoting/requests/get-subscription-group.ts';
import { capturedCommand } from '../../support/captured-command.ts';
import { blankCommand } from '../../support/loopback-server.ts';

/** What Java's `SubscriptionGroupConfig` of 5.5.0 is as JSON, with `retryMaxTimes` set to 5. */
const javaBody =
  '{"attributes":{},"brokerId":0,"consumeBroadcastEnable":true,"consumeEnable":true,"consumeFromMinEnable":true,' +
  '"consumeMessageOrderly":false,"consumeTimeoutMinute":15,"groupName":"g","groupRetryPolicy":{"type":"CUSTOMIZED"},"groupSysFlag":0,' +
  '"notifyConsumerIdsChangedEnable":true,"retryMaxTimes":5,"retryQueueNums":1,"whichBrokerWhenConsumeSlowly":1}';

function decode(body: string) {
  return decodeSubscriptionGroup({ ...blankCommand, body: Buffer.from(body) });
}

test('GET_SUBSCRIPTION_GROUP_CONFIG has the code and the field that Java writes', () => {
  expect(getSubscriptionGroup.encode({ group: 'g' })).toEqual({ code: 352, extFields: { group: 'g' } });
});

test('reads what a real broker 5.5.0 says; 4.9 does not know the request', () => {
  const reply = capturedCommand('subscription-group-5.5.0');
  expect(getSubscriptionGroup.decodeReply(reply, 'h:1')).toEqual({});
  expect(decodeSubscriptionGroup(reply)).toEqual({ retryMaxTimes: 16 });
  expect(() => getSubscriptionGroup.decodeReply(capturedCommand('subscription-group-4.9.7'), 'h:1')).toThrow(
    expect.objectContaining({ code: 3 }),
  );
});

test('reads how often a message comes again, and the default where it is not said', () => {
  expect(decode(javaBody)).toEqual({ retryMaxTimes: 5 });
  expect(decode('{"retryMaxTimes":-1}')).toEqual({ retryMaxTimes: -1 });
  for (const body of ['{}', '{"retryMaxTimes":null}', '{"retryMaxTimes":1.5}', '{"retryMaxTimes":"5"}']) {
    expect(decode(body)).toEqual({ retryMaxTimes: retryMaxTimesDefault });
  }
  expect(() => decode('[]')).toThrow('a subscription group is not a JSON object');
});
