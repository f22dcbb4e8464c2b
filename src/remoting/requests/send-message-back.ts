import { defineRequest } from '../fields.ts';
import { RequestCode } from '../request-code.ts';

/** `delayLevel` that sends a message to the dead letter queue of its group. */
export const deadLetterDelayLevel = -1;

/** Gives a message back to the broker (Java `ConsumerSendMsgBackRequestHeader`): to the retry topic, or to the dead letter queue. */
export const sendMessageBack = defineRequest({
  code: RequestCode.CONSUMER_SEND_MSG_BACK,
  name: 'CONSUMER_SEND_MSG_BACK',
  request: {
    /** Commit log offset of the message. */
    offset: { kind: 'int64' },
    group: { kind: 'string' },
    /** 0: the broker chooses by how often it was tried; negative: the dead letter queue. */
    delayLevel: { kind: 'int32' },
    originMessageId: { wire: 'originMsgId', kind: 'string', optional: true },
    originTopic: { kind: 'string', optional: true },
    unitMode: { kind: 'boolean', optional: true },
    maxReconsumeTimes: { kind: 'int32', optional: true },
  },
  reply: {},
});
