import { defineRequest } from '../fields.ts';
import { RequestCode } from '../request-code.ts';

/**
 * A broker asks a producer of the group how a transaction ended; its body is the half message. One-way, answered by END_TRANSACTION
 * with `fromTransactionCheck` (Java `CheckTransactionStateRequestHeader`).
 */
export const checkTransaction = defineRequest({
  code: RequestCode.CHECK_TRANSACTION_STATE,
  name: 'CHECK_TRANSACTION_STATE',
  request: {
    transactionStateTableOffset: { wire: 'tranStateTableOffset', kind: 'int64' },
    commitLogOffset: { kind: 'int64' },
    messageId: { wire: 'msgId', kind: 'string', optional: true },
    transactionId: { kind: 'string', optional: true },
    /** Offset message id of the half message. */
    offsetMessageId: { wire: 'offsetMsgId', kind: 'string', optional: true },
    /** The inner topic of half messages; brokers 5.x. */
    topic: { kind: 'string', optional: true },
    /** Brokers 5.x. */
    brokerName: { wire: 'bname', kind: 'string', optional: true },
  },
  reply: {},
});
