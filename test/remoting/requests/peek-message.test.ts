import { expect, test } from 'vitest';
import { ResponseError } from '../../../src/remoting/errors.ts';
import { peekMessage } from '../../../src/remoting/requests/peek-message.ts';
import { blankCommand } from '../../support/loopback-server.ts';

const fields = { consumerGroup: 'g', topic: 'T', queueId: -1, messageCountMax: 32 };

test('PEEK_MESSAGE has the code and the fields of Java PeekMessageRequestHeader, both ways', () => {
  const content = peekMessage.encode(fields);
  expect(content).toEqual({
    code: 200_052,
    extFields: { consumerGroup: 'g', topic: 'T', queueId: '-1', maxMsgNums: '32' },
  });
  expect(peekMessage.decode({ ...blankCommand, extFields: content.extFields })).toEqual(fields);
});

test('PEEK_MESSAGE may find nothing', () => {
  const extFields = { popTime: '0', invisibleTime: '0', reviveQid: '0', restNum: '5' };
  const nothing = { popTimeMs: 0, invisibleDurationMs: 0, reviveQueueId: 0, restCount: 5n };
  expect(peekMessage.decodeReply({ ...blankCommand, code: 19, extFields }, 'h:1')).toEqual(nothing);
  expect(peekMessage.answer(nothing, { code: 19 })).toEqual({ code: 19, extFields });
  expect(() => peekMessage.decodeReply({ ...blankCommand, code: 17 }, 'h:1')).toThrow(ResponseError);
});
