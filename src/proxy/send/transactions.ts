import type { MessageInitShape } from '@bufbuild/protobuf';
import { clientDefaults } from '../../client/options.ts';
import { decodeHalf, encodeHalf, halfMessageOf } from '../../client/send/half-messages.ts';
import type { OutgoingMessage } from '../../client/send/outgoing-message.ts';
import type { DecidedOutcome } from '../../client/send/transactions.ts';
import type { RawSendTransactionMessageRequest } from '../../gen/rocketmq/rocketmq_codec.ts';
import {
  type EndTransactionRequest,
  type EndTransactionResponseSchema,
  TransactionOutcome as RequestedOutcome,
  type SendTransactionMessageRequest,
  type SendTransactionMessageResponseSchema,
} from '../../gen/rocketmq/rocketmq_pb.ts';
import { TransactionOutcome } from '../../remoting/requests/end-transaction.ts';
import { type Call, deadlineOf } from '../rpc/call.ts';
import { invalid } from '../rpc/failures.ts';
import { namespaceIn, producerGroupName } from '../session/names.ts';
import type { ProducerSpec } from '../session/session-specs.ts';
import { storedReply } from './outcomes.ts';
import { toCheckImmunity, toOutgoing } from './outgoing.ts';
import type { SendOptions, SendParts } from './send-options.ts';

type TransactionReply = MessageInitShape<typeof SendTransactionMessageResponseSchema>;

/** Handlers of transactions. */
export interface TransactionHandlers {
  sendTransactionMessage(
    request: SendTransactionMessageRequest | RawSendTransactionMessageRequest,
    call: Call,
  ): Promise<TransactionReply>;
  endTransaction(
    request: EndTransactionRequest,
    call: Call,
  ): Promise<MessageInitShape<typeof EndTransactionResponseSchema>>;
}

/** Stores a message that is no half message, and says so. */
export type Store = (
  spec: ProducerSpec,
  message: OutgoingMessage,
  call: Call,
) => Promise<{ readonly messageId: string }>;

export function createTransactionHandlers(parts: SendParts, options: SendOptions, store: Store): TransactionHandlers {
  const { engines, sessions, handles } = parts;
  const { writeTimeoutMs, onSent } = options;

  /** Committed as soon as it is stored. RocketMQ loses half messages that are to be delivered later. */
  const commitAtOnce = async (
    spec: ProducerSpec,
    message: OutgoingMessage,
    immunity: number | undefined,
    call: Call,
  ) => {
    if (message.delivery.kind !== 'now') {
      const { messageId } = await store(spec, message, call);
      return { ...storedReply(messageId), transactionId: messageId };
    }
    const { transactions } = engines.get(spec);
    const transaction = await transactions.begin(message, immunity, deadlineOf(call, writeTimeoutMs));
    transactions.end(transaction, TransactionOutcome.COMMIT);
    onSent(1);
    return { ...storedReply(transaction.sent.messageId), transactionId: transaction.transactionId };
  };

  return {
    async sendTransactionMessage(request, call) {
      const spec = sessions.producer(request.producerId, call.caller);
      const message = toOutgoing(spec.topic, request);
      const checkImmunitySeconds = toCheckImmunity(request.transCheckImmunityTime, request.properties);
      if (!request.leftPending) {
        if (request.producerGroup !== '')
          throw invalid('producer_group is of use only with left_pending: leave it out');
        return commitAtOnce(spec, message, checkImmunitySeconds, call);
      }
      const producerGroup = groupOf(request.producerGroup, spec.topic);
      if (message.delivery.kind !== 'now') {
        throw invalid('a transaction that is left pending cannot be delivered later, since RocketMQ would lose it');
      }
      const half = { producerGroup, checkImmunitySeconds };
      const sent = await engines.get(spec).producer.sendHalf(message, half, deadlineOf(call, writeTimeoutMs));
      onSent(1);
      const pending = halfMessageOf(sent, producerGroup);
      const { messageId, transactionId } = pending;
      const transactionHandle = handles.seal('transaction', spec, encodeHalf(pending));
      const text = 'the half message was stored and waits for EndTransaction';
      return { ...storedReply(messageId), message: text, transactionId, transactionHandle };
    },

    async endTransaction({ producerId, transactionHandle, outcome }, call) {
      const spec = sessions.producer(producerId, call.caller);
      const half = decodeHalf(handles.open('transaction', spec, transactionHandle), spec.topic);
      const decided = toOutcome(outcome);
      await engines.get(spec).transactionEnds.end(half, decided, deadlineOf(call, writeTimeoutMs));
      const done = decided === TransactionOutcome.COMMIT ? 'committed' : 'rolled back';
      return { success: true, message: `the transaction is ${done}` };
    },
  };
}

/**
 * The full name of a producer group, in the namespace of the topic; a group of the topic's name where none is named.
 * @throws ConnectError INVALID_ARGUMENT.
 */
export function groupOf(producerGroup: string, topic: string): string {
  const namespace = namespaceIn(topic);
  const ownName = namespace === '' ? topic : topic.slice(namespace.length + 1);
  const group = producerGroupName(producerGroup === '' ? ownName : producerGroup, namespace);
  // Whatever brokers ask about that group is committed.
  if (group === clientDefaults.producerGroup) {
    throw invalid(`producer_group ${group} is this proxy's own, which commits at once: name another one`);
  }
  return group;
}

function toOutcome(outcome: RequestedOutcome): DecidedOutcome {
  switch (outcome) {
    case RequestedOutcome.COMMIT:
      return TransactionOutcome.COMMIT;
    case RequestedOutcome.ROLLBACK:
      return TransactionOutcome.ROLLBACK;
    default:
      throw invalid('outcome is missing: it is TRANSACTION_OUTCOME_COMMIT or TRANSACTION_OUTCOME_ROLLBACK');
  }
}
