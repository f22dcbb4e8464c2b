import { expect, test } from 'vitest';
import { ackMessage } from '../../../src/remoting/requests/ack-message.ts';
import { changeInvisibleDuration } from '../../../src/remoting/requests/change-invisible-duration.ts';
import { capturedCommand } from '../../support/captured-command.ts';
import { blankCommand } from '../../support/loopback-server.ts';

const receipt = { consumerGroup: 'g', topic: 'T', queueId: 3, extraInfo: '0 1 2 3 0 broker-a 3 9' };

test('ACK_MESSAGE has the code and the fields that Java writes, and every digit of the offset', () => {
  expect(ackMessage.encode({ ...receipt, offset: 9_007_199_254_740_993n })).toEqual({
    code: 200051,
    extFields: {
      consumerGroup: 'g',
      topic: 'T',
      queueId: '3',
      extraInfo: '0 1 2 3 0 broker-a 3 9',
      offset: '9007199254740993',
    },
  });
});

test('CHANGE_MESSAGE_INVISIBLETIME has the code and the fields that Java writes, but for the optional suspend', () => {
  expect(changeInvisibleDuration.encode({ ...receipt, offset: 9n, invisibleDurationMs: 10_000 })).toEqual({
    code: 200053,
    extFields: {
      consumerGroup: 'g',
      topic: 'T',
      queueId: '3',
      extraInfo: '0 1 2 3 0 broker-a 3 9',
      offset: '9',
      invisibleTime: '10000',
    },
  });
});

test('CHANGE_MESSAGE_INVISIBLETIME reads the parts of the new receipt', () => {
  const extFields = { invisibleTime: '10000', popTime: '1700000000123', reviveQid: '2' };
  expect(changeInvisibleDuration.decodeReply({ ...blankCommand, extFields }, 'h:1')).toEqual({
    popTimeMs: 1_700_000_000_123,
    invisibleDurationMs: 10_000,
    reviveQueueId: 2,
  });
});

test('replies of a real broker 5.5.0', () => {
  expect(ackMessage.decodeReply(capturedCommand('ack-5.5.0'), 'h:1')).toEqual({});
  expect(() => ackMessage.decodeReply(capturedCommand('ack-no-message-5.5.0'), 'h:1')).toThrow(
    expect.objectContaining({ code: 208 }),
  );
  expect(changeInvisibleDuration.decodeReply(capturedCommand('change-invisible-5.5.0'), 'h:1')).toEqual({
    popTimeMs: expect.any(Number),
    invisibleDurationMs: 30_000,
    reviveQueueId: expect.any(Number),
  });
});
