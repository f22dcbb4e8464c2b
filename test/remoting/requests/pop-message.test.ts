import { describe, expect, test } from 'vitest';
import { ResponseError } from '../../../src/remoting/errors.ts';
import { notification } from '../../../src/remoting/requests/notification.ts';
import { PopInitMode, popMessage, popMessagesMax } from '../../../src/remoting/requests/pop-message.ts';
import { capturedCommand } from '../../support/captured-command.ts';
import { blankCommand } from '../../support/loopback-server.ts';

describe('POP_MESSAGE', () => {
  test('has the code and the fields that Java writes', () => {
    const content = popMessage.encode({
      consumerGroup: 'g',
      topic: 'T',
      queueId: -1,
      messageCountMax: popMessagesMax,
      invisibleDurationMs: 30_000,
      pollDurationMs: 5_000,
      bornTimeMs: 1_700_000_000_123,
      initMode: PopInitMode.MAX,
      expressionType: 'TAG',
      expression: 'a||b',
      order: false,
    });
    // Java `PopMessageRequestHeader` 5.5.0 with the same values.
    expect(content).toEqual({
      code: 200050,
      extFields: {
        bornTime: '1700000000123',
        consumerGroup: 'g',
        exp: 'a||b',
        expType: 'TAG',
        initMode: '1',
        invisibleTime: '30000',
        maxMsgNums: '32',
        order: 'false',
        pollTime: '5000',
        queueId: '-1',
        topic: 'T',
      },
    });
  });

  test('reads requests of clients that leave out what may be left out', () => {
    const extFields = {
      consumerGroup: 'g',
      invisibleTime: '30000',
      maxMsgNums: '32',
      pollTime: '0',
      queueId: '0',
      topic: 'T',
    };
    const least = {
      consumerGroup: 'g',
      topic: 'T',
      queueId: 0,
      messageCountMax: 32,
      invisibleDurationMs: 30_000,
      pollDurationMs: 0,
    };
    expect(popMessage.decode({ ...blankCommand, extFields })).toEqual(least);
    const ordered = { ...extFields, order: 'true', attemptId: 'a', initMode: '1' };
    expect(popMessage.decode({ ...blankCommand, extFields: ordered })).toEqual({
      ...least,
      order: true,
      attemptId: 'a',
      initMode: PopInitMode.MAX,
    });
    for (const name of Object.keys(extFields)) {
      const { [name]: _, ...rest } = extFields as Record<string, string>;
      expect(() => popMessage.decode({ ...blankCommand, extFields: rest })).toThrow('POP_MESSAGE has no');
    }
  });

  test('reads the reply that Java writes', () => {
    const extFields = {
      invisibleTime: '30000',
      msgOffsetInfo: '0 3 42,43',
      orderCountInfo: '0 3 1',
      popTime: '1700000000123',
      restNum: '9',
      reviveQid: '2',
      startOffsetInfo: '0 3 42',
    };
    expect(popMessage.decodeReply({ ...blankCommand, extFields }, 'h:1')).toEqual({
      popTimeMs: 1_700_000_000_123,
      invisibleDurationMs: 30_000,
      reviveQueueId: 2,
      restCount: 9n,
      startOffsetInfo: '0 3 42',
      msgOffsetInfo: '0 3 42,43',
      orderCountInfo: '0 3 1',
    });
  });

  test('takes the codes that say nothing there as an empty answer, and no other', () => {
    for (const code of [0, 19, 210]) expect(popMessage.decodeReply({ ...blankCommand, code }, 'h:1')).toEqual({});
    for (const code of [1, 2, 20, 209, 211]) {
      expect(() => popMessage.decodeReply({ ...blankCommand, code }, 'h:1')).toThrow(ResponseError);
    }
  });
});

describe('replies of real brokers', () => {
  const always = { popTimeMs: expect.any(Number), restCount: 0n, reviveQueueId: expect.any(Number) };

  test('pop-5.5.0 took messages of three queues', () => {
    const reply = popMessage.decodeReply(capturedCommand('pop-5.5.0'), 'h:1');
    expect(reply).toEqual({
      ...always,
      invisibleDurationMs: 60_000,
      startOffsetInfo: expect.any(String),
      msgOffsetInfo: expect.any(String),
    });
    expect(reply.startOffsetInfo?.split(';').sort()).toEqual(['0 0 0', '0 1 0', '0 2 0']);
    expect(reply.msgOffsetInfo?.split(';').sort()).toEqual(['0 0 0,1', '0 1 0,1', '0 2 0,1']);
    expect(capturedCommand('pop-5.5.0').body.length).toBeGreaterThan(0);
  });

  test('pop-order-again-5.5.0 counts deliveries', () => {
    expect(popMessage.decodeReply(capturedCommand('pop-order-again-5.5.0'), 'h:1')).toEqual({
      ...always,
      reviveQueueId: 999,
      invisibleDurationMs: 1_000,
      startOffsetInfo: '0 0 0',
      msgOffsetInfo: '0 0 0,1',
      orderCountInfo: '0 qo0%0 1;0 qo0%1 1;0 0 1',
    });
  });

  test.each(['pop-redelivery-5.5.0', 'pop-redelivery-long-5.5.0'])('%s comes from the retry topic', (name) => {
    const reply = popMessage.decodeReply(capturedCommand(name), 'h:1');
    expect(reply).toMatchObject({ startOffsetInfo: '1 0 0', msgOffsetInfo: '1 0 0' });
  });

  test('pop-timeout-5.5.0 found nothing', () => {
    const nothing = { ...always, invisibleDurationMs: 60_000, startOffsetInfo: '', msgOffsetInfo: '' };
    expect(popMessage.decodeReply(capturedCommand('pop-timeout-5.5.0'), 'h:1')).toEqual(nothing);
  });

  test('pop-unsupported-4.9.7 is refused', () => {
    expect(() => popMessage.decodeReply(capturedCommand('pop-unsupported-4.9.7'), 'h:1')).toThrow(
      expect.objectContaining({ code: 3 }),
    );
  });

  test('notification-5.5.0 found nothing', () => {
    const nothing = { hasMessage: false, pollingFull: false };
    expect(notification.decodeReply(capturedCommand('notification-5.5.0'), 'h:1')).toEqual(nothing);
  });
});

describe('NOTIFICATION', () => {
  test('has the code and the fields that Java writes, but for the optional order', () => {
    const values = {
      consumerGroup: 'g',
      topic: 'T',
      queueId: -1,
      pollDurationMs: 5_000,
      bornTimeMs: 1_700_000_000_123,
    };
    expect(notification.encode(values)).toEqual({
      code: 200054,
      extFields: { bornTime: '1700000000123', consumerGroup: 'g', pollTime: '5000', queueId: '-1', topic: 'T' },
    });
  });

  test('may ask for order, and leave out when it was born', () => {
    const extFields = { consumerGroup: 'g', pollTime: '5', queueId: '0', topic: 'T', order: 'true', attemptId: 'a' };
    expect(notification.decode({ ...blankCommand, extFields })).toEqual({
      consumerGroup: 'g',
      topic: 'T',
      queueId: 0,
      pollDurationMs: 5,
      order: true,
      attemptId: 'a',
    });
  });

  test('reads whether there is something', () => {
    const reply = (extFields: Record<string, string>) =>
      notification.decodeReply({ ...blankCommand, extFields }, 'h:1');
    expect(reply({ hasMsg: 'true', pollingFull: 'false' })).toEqual({ hasMessage: true, pollingFull: false });
    expect(reply({ hasMsg: 'false' })).toEqual({ hasMessage: false });
  });
});
