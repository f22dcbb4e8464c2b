import { expect, test } from 'vitest';
import { recallMessage } from '../../../src/remoting/requests/recall-message.ts';
import { blankCommand } from '../../support/loopback-server.ts';

test('RECALL_MESSAGE has the code and the fields that Java writes', () => {
  const values = { producerGroup: 'pg', topic: 'T', recallHandle: 'djEg', brokerName: 'broker-a' };
  expect(recallMessage.encode(values)).toEqual({
    code: 370,
    extFields: { producerGroup: 'pg', topic: 'T', recallHandle: 'djEg', bname: 'broker-a' },
  });
  const { recallHandle: _handle, ...others } = recallMessage.encode(values).extFields;
  expect(() => recallMessage.decode({ ...blankCommand, extFields: others })).toThrow(
    'RECALL_MESSAGE has no recallHandle',
  );
});

test('its reply names the message that was taken back', () => {
  const answer = recallMessage.answer({ messageId: 'AC11' });
  expect(answer).toEqual({ code: 0, extFields: { msgId: 'AC11' } });
  const reply = { ...blankCommand, code: answer.code, extFields: answer.extFields ?? {} };
  expect(recallMessage.decodeReply(reply, 'h:1')).toEqual({ messageId: 'AC11' });
});
