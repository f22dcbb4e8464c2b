import { defineRequest } from '../fields.ts';
import { RequestCode } from '../request-code.ts';

/** Outcomes of a transaction (Java `MessageSysFlag`). UNKNOWN gets no answer from brokers at all. */
export const TransactionOutcome = { UNKNOWN: 0, COMMIT: 8, ROLLBACK: 12 } as const;
export type TransactionOutcome = (typeof TransactionOutcome)[keyof typeof TransactionOutcome];

/**
 * Commits or rolls back a half message (Java `EndTransactionRequestHeader`). Not idempotent: three commits deliver three copies, and
 * a commit after a rollback delivers. So it is sent once, one-way, and an outcome that got lost is left to the broker's check.
 */
export const endTransaction = defineRequest({
  code: RequestCode.END_TRANSACTION,
  name: 'END_TRANSACTION',
  request: {
    producerGroup: { kind: 'string' },
    /** queueOffset of the half message's send. */
    transactionStateTableOffset: { wire: 'tranStateTableOffset', kind: 'int64' },
    commitLogOffset: { kind: 'int64' },
    outcome: { wire: 'commitOrRollback', kind: 'int32' },
    fromTransactionCheck: { kind: 'boolean', optional: true },
    messageId: { wire: 'msgId', kind: 'string', optional: true },
    transactionId: { kind: 'string', optional: true },
    /** Needed by access control on 5.x. */
    topic: { kind: 'string', optional: true },
  },
  reply: {},
});
