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
  },
  reply: {},
});
