import type { MessageInitShape } from '@bufbuild/protobuf';
import type { OutgoingMessage } from '../client/send/outgoing-message.ts';
import type {
  SendDelayMessageRequest,
  SendMessageRequest,
  SendMessageResponseSchema,
  SendOrderedMessageRequest,
  SendTransactionMessageRequest,
  SendTransactionMessageResponseSchema,
} from '../gen/rocketmq/rocketmq_pb.ts';
import { TransactionOutcome } from '../remoting/requests/end-transaction.ts';
import { type Call, deadlineOf } from './call.ts';
import type { Engines } from './engines.ts';
import { invalid } from './failures.ts';
import { toCheckImmunity, toOutgoing } from './outgoing.ts';
import { createSendBatchHandlers, type SendBatchHandlers, type SendOptions } from './send-batch.ts';
import type { ProducerSpec } from './session-specs.ts';
import type { Sessions } from './sessions.ts';

type SendReply = MessageInitShape<typeof SendMessageResponseSchema>;

/** Handlers of all ways to send. */
export interface SendHandlers extends SendBatchHandlers {
  sendMessage(request: SendMessageRequest, call: Call): Promise<SendReply>;
  sendOrderedMessage(request: SendOrderedMessageRequest, call: Call): Promise<SendReply>;
  sendDelayMessage(request: SendDelayMessageRequest, call: Call): Promise<SendReply>;
  sendTransactionMessage(
    request: SendTransactionMessageRequest,
    call: Call,
  ): Promise<MessageInitShape<typeof SendTransactionMessageResponseSchema>>;
}

export function createSendHandlers(engines: Engines, sessions: Sessions, options: SendOptions): SendHandlers {
  const store = async (spec: ProducerSpec, message: OutgoingMessage, call: Call) => {
    const { messageId } = await engines.get(spec).producer.send(message, deadlineOf(call, options.writeTimeoutMs));
    options.onSent();
    return storedReply(messageId);
  };

  return {
    async sendMessage(request, call) {
      const spec = sessions.producer(request.producerId, call.caller);
      return store(spec, toOutgoing(spec.topic, request), call);
    },

    async sendOrderedMessage(request, call) {
      const spec = sessions.producer(request.producerId, call.caller);
      const message = toOutgoing(spec.topic, request, { shardingKey: request.shardingKey });
      if (message.shardingKey === undefined)
        throw invalid('sharding_key is empty: name the key whose messages stay in order');
      return store(spec, message, call);
    },

    async sendDelayMessage(request, call) {
      const spec = sessions.producer(request.producerId, call.caller);
      const { delayTimeLevel: delayLevel, startDeliverTime: deliverTimestampMs } = request;
      return store(spec, toOutgoing(spec.topic, request, { delayLevel, deliverTimestampMs }), call);
    },

    async sendTransactionMessage(request, call) {
      const spec = sessions.producer(request.producerId, call.caller);
      const message = toOutgoing(spec.topic, request);
      const immunity = toCheckImmunity(request.transCheckImmunityTime, request.properties);
      // A half message is committed as soon as it is stored, and RocketMQ loses those that are to be delivered later.
      if (message.delivery.kind !== 'now') {
        const reply = await store(spec, message, call);
        return { ...reply, transactionId: reply.messageId };
      }
      const { transactions } = engines.get(spec);
      const transaction = await transactions.begin(message, immunity, deadlineOf(call, options.writeTimeoutMs));
      transactions.end(transaction, TransactionOutcome.COMMIT);
      options.onSent();
      const { messageId } = transaction.sent;
      return { ...storedReply(messageId), transactionId: transaction.transactionId };
    },

    ...createSendBatchHandlers(engines, sessions, options),
  };
}

function storedReply(messageId: string) {
  return { success: true, message: 'the message was stored', messageId, receiptHandle: messageId };
}
