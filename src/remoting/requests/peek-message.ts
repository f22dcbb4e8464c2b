import { defineRequest } from '../fields.ts';
import { RequestCode } from '../request-code.ts';
import { ResponseCode } from '../response-code.ts';
import { popReplyFields } from './pop-message.ts';

/**
 * Reads what a group would pop next, without taking it (Java `PeekMessageRequestHeader`, 5.x brokers). Nothing found is
 * PULL_NOT_FOUND.
 */
export const peekMessage = defineRequest({
  code: RequestCode.PEEK_MESSAGE,
  name: 'PEEK_MESSAGE',
  request: {
    consumerGroup: { kind: 'string' },
    topic: { kind: 'string' },
    /** -1: all queues of the broker. */
    queueId: { kind: 'int32' },
    messageCountMax: { wire: 'maxMsgNums', kind: 'int32' },
  },
  reply: popReplyFields,
  successCodes: [ResponseCode.SUCCESS, ResponseCode.PULL_NOT_FOUND],
});
